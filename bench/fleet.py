"""The same job on many hosts by several tools: the account, folders, the server's binary, six files, a running node,
the cluster, a look at it. After each run one neutral check compares every host with what it must be.
"""

import json
import os
import pathlib
import shutil
import statistics
import subprocess
import sys

import redis

from hosts import Hosts, wait
from measured import Measured

ROOT = pathlib.Path(__file__).resolve().parent.parent
PROVISION = ROOT / "target/release/provision"
FLOOR = ROOT / "target/release/examples/floor"
RIVALS = ROOT / "target/rivals/bin"
JOB = ROOT / "bench/job"
CONFIG = "/etc/provision/bench/7001/redis.conf"
# The account that servers run under. A reset leaves it: for no tool is it made in a measured run.
ACCOUNT = "provision-redis"
TEMPLATES = {
    "/etc/NetworkManager/system-connections/bench.nmconnection": "bench.nmconnection",
    "/etc/systemd/system/bench.service": "bench.service",
    "/etc/sysctl.d/90-bench.conf": "bench-sysctl.conf",
    "/etc/security/limits.d/bench.conf": "bench-limits.conf",
    "/etc/tmpfiles.d/bench.conf": "bench-tmpfiles.conf",
}
RESET = (
    "pkill -KILL -x redis-server; rm -rf /opt/provision /etc/provision /var/lib/provision /var/log/provision /run/provision* "
    f"{' '.join(TEMPLATES)} /root/.ansible /tmp/* /run/bench; true"
)


class Fleet:
    """The hosts, the job's files for each tool, and what every host must be in the end."""

    def __init__(self, count, work, cache):
        self.work = work / f"fleet-{count}"
        self.hosts = Hosts(count)
        self.env = dict(os.environ, XDG_CACHE_HOME=str(cache), NO_COLOR="1", HOME=str(self.work))
        (self.work / "playbooks").mkdir(parents=True)
        shutil.copy(JOB / "cluster.toml", self.work / "playbooks")
        shutil.copytree(JOB / "templates", self.work / "templates")
        (self.work / "inventory.toml").write_text(self._inventory())
        shutil.copy(self.hosts.base / "known_hosts", self.work / "inventory.known_hosts")

    def _inventory(self):
        head = f"""[cluster]
name = "bench"
version = "7.0.15"
port = 7001
auth = "none"
[ssh]
user = "root"
port = 22
identity = ["{self.hosts.base}/id"]
via = []
"""
        return head + "".join(
            f'[[hosts]]\nname = "{name}"\naddress = "{address}"\n'
            for name, address in zip(self.hosts.names, self.hosts.addresses)
        )

    def provision(self, *words):
        return Measured([PROVISION, "apply", "--yes", *words, self.work / "inventory.toml"], env=self.env)

    def floor(self):
        return Measured([FLOOR, self.hosts.base / "id", "true", *self.hosts.addresses])

    def reset(self):
        for name in self.hosts.names:
            self.hosts.sh(name, RESET)

    def learn(self):
        """Takes what provision has put on the first host as the truth for all, and gives it to the rivals."""
        first, address = self.hosts.names[0], self.hosts.addresses[0]
        self.binary = self.hosts.sh(first, "echo /opt/provision/bench/*/redis-server").strip()
        listing = "stat -c '%a %U %G %n'"
        # A host's files are seen from here by way of its first process only.
        shutil.copy(pathlib.Path(f"/proc/{self.hosts.leader(first)}/root") / self.binary[1:], self.work)
        config = self.hosts.sh(first, f"cat {CONFIG}")
        rivals = self.work / "rivals"
        rivals.mkdir()
        for name in TEMPLATES.values():
            text = (JOB / "templates" / name).read_text()
            (rivals / name).write_text(text.replace("host.nodes[0].ip", "ip"))
        (rivals / "redis.conf").write_text(config.replace(address, "{{ ip }}"))
        paths = [CONFIG, *TEMPLATES]
        rows = [row.split() for row in self.hosts.sh(first, f"{listing} {' '.join(paths)}").splitlines()]
        source = lambda path: TEMPLATES.get(path, "redis.conf")
        self.files = [{"path": p, "source": source(p), "mode": m.zfill(4), "owner": u, "group": g} for m, u, g, p in rows]
        folders = ["/opt/provision/bench", os.path.dirname(self.binary), "/etc/provision/bench/7001"]
        folders += [f"/var/lib/provision/bench/nodes/7001", "/var/log/provision/bench/7001", "/run/provision/bench/7001"]
        rows = [row.split() for row in self.hosts.sh(first, f"{listing} {' '.join(folders)}").splitlines()]
        self.folders = [{"path": p, "mode": "0755", "owner": u if u != "root" or "etc" not in p else "root"} for _, u, _, p in rows]
        self.truth = [self.sums(name) for name in self.hosts.names]
        nodes = " ".join(f"{address}:7001" for address in self.hosts.addresses)
        # Where no host waits for another the cluster can be formed only once all nodes are there.
        there = f"for ip in {' '.join(self.hosts.addresses)}; do for i in $(seq 300); do redis-cli -h $ip -p 7001 ping >/dev/null 2>&1 && break; sleep 0.1; done; done"
        ask = "redis-cli -h {0} -p 7001 cluster info | grep -q 'cluster_state:ok'"
        self.variables = {
            "job": str(rivals),
            "account": ACCOUNT,
            "home": "/var/lib/provision/bench/nodes",
            "server": str(self.work / "redis-server"),
            "binary": self.binary,
            "files": self.files,
            "folders": self.folders,
            "form": f"{ask.format(self.hosts.addresses[0])} || {{ {there}; redis-cli --cluster create {nodes} --cluster-replicas 1 --cluster-yes; }}",
        }
        self.starts = f"setpriv --reuid={ACCOUNT} --regid={ACCOUNT} --clear-groups {self.binary} {CONFIG} --daemonize yes"
        (self.work / "ansible.ini").write_text(
            "".join(f"{n} ansible_host={a} ip={a}\n" for n, a in zip(self.hosts.names, self.hosts.addresses))
        )
        well = f"for i in $(seq 600); do {ask.format('{{ ip }}')} && exit 0; sleep 0.1; done; exit 1"
        (self.work / "variables.json").write_text(json.dumps(self.variables | {"start": self.starts, "well": well}))
        hosts = [(a, {"ip": a, "well": well.replace("{{ ip }}", a), "start": self.starts}) for a in self.hosts.addresses]
        ssh = {
            "ssh_user": "root",
            "ssh_key": str(self.hosts.base / "id"),
            "ssh_known_hosts_file": str(self.work / "inventory.known_hosts"),
            "ssh_strict_host_key_checking": "yes",
            "ssh_look_for_keys": False,
            "ssh_allow_agent": False,
        }
        for whole in (True, False):
            data = self.variables | ssh | {"whole": whole}
            (self.work / f"pyinfra-{whole}.py").write_text(f"hosts = ({hosts!r}, {data!r})\n")

    def ansible(self, *words, mitogen=False):
        strategy = "mitogen_linear" if mitogen else "linear"
        plugins = subprocess.run([RIVALS / "python", "-c", "import ansible_mitogen; print(ansible_mitogen.__path__[0])"], capture_output=True, text=True, check=True).stdout.strip()
        (self.work / "ansible.cfg").write_text(
            f"""[defaults]
forks = {len(self.hosts.names)}
gathering = explicit
interpreter_python = /usr/bin/python3
host_key_checking = true
retry_files_enabled = false
stdout_callback = ansible.builtin.oneline
strategy = {strategy}
strategy_plugins = {plugins}/plugins/strategy
local_tmp = {self.work}/tmp
private_key_file = {self.hosts.base}/id
remote_user = root
[ssh_connection]
pipelining = true
control_path_dir = {self.hosts.base}/cp
ssh_args = -o ControlMaster=auto -o ControlPersist=60s -o PreferredAuthentications=publickey -o KexAlgorithms=curve25519-sha256 -o Ciphers=aes128-gcm@openssh.com -o UserKnownHostsFile={self.work}/inventory.known_hosts
"""
        )
        more = {"ANSIBLE_CONFIG": str(self.work / "ansible.cfg"), "LC_ALL": "C.UTF-8", "ANSIBLE_HOME": str(self.work / "home")}
        # Fair to mitogen: its own compression is for slow links.
        extra = f"@{self.work}/variables.json"
        words = [RIVALS / "ansible-playbook", "-i", self.work / "ansible.ini", "-e", extra, *words, JOB / "playbook.yml"]
        try:
            return Measured(words, env=self.env | more)
        finally:
            subprocess.run(["pkill", "-f", f"{self.hosts.base}/cp/"], capture_output=True)

    def pyinfra(self, whole=True):
        words = [RIVALS / "pyinfra", "-y", "--no-wait", "--parallel", str(len(self.hosts.names))]
        return Measured([*words, self.work / f"pyinfra-{whole}.py", JOB / "deploy.py"], env=self.env, cwd=self.work)

    def sums(self, name):
        paths = [self.binary, CONFIG, *TEMPLATES]
        return self.hosts.sh(name, f"sha256sum {' '.join(paths)}; stat -c '%a %U %G %n' {' '.join(paths)}")

    def check(self, whole=True):
        """Fails unless every host is what it must be, and the cluster, too."""
        for name, truth in zip(self.hosts.names, self.truth):
            assert self.sums(name) == truth, f"{name}:\n{self.sums(name)}\nand not\n{truth}"
        for address in self.hosts.addresses if whole else []:
            node = redis.Redis(address, 7001, socket_timeout=5, decode_responses=True)
            info = lambda: node.execute_command("CLUSTER INFO")
            assert (info()["cluster_state"], info()["cluster_slots_ok"]) == ("ok", "16384"), info()
            # A tool that ends when all slots are served may leave nodes that do not know each other yet.
            wait(lambda: info()["cluster_known_nodes"] == str(len(self.hosts.names)))
            node.close()

    def close(self):
        self.hosts.close()


def tools(fleet):
    """Name → the job without its nodes, the whole job."""
    files = "build,install,configure,ship,files"
    return {
        "provision": (lambda: fleet.provision("--tags", files), fleet.provision),
        "pyinfra": (lambda: fleet.pyinfra(whole=False), fleet.pyinfra),
        "mitogen": (lambda: fleet.ansible("--tags", "files", mitogen=True), lambda: fleet.ansible(mitogen=True)),
        "ansible": (lambda: fleet.ansible("--tags", "files"), fleet.ansible),
    }


def measure(count, rounds, only, work, cache, say):
    """Results by (what, tool): a list of runs. The first round warms caches and is thrown away where there are more."""
    fleet = Fleet(count, work, cache)
    results = {}
    try:
        fleet.provision()
        fleet.learn()
        for number in range(rounds):
            keep = number > 0 or rounds == 1
            put = lambda what, tool, run: keep and results.setdefault((what, tool), []).append(run)
            for tool, (files, whole) in tools(fleet).items():
                # Minutes a run on many hosts, where no spread of theirs could change the picture.
                once = tool in SLOW and count > 6 and number < rounds - 1
                if tool not in only or once:
                    continue
                for what, run, is_whole, from_nothing in (
                    ("files", files, False, True),
                    ("whole", whole, True, True),
                    ("no-op", whole, True, False),
                ):
                    if from_nothing:
                        fleet.reset()
                    measured = run()
                    fleet.check(is_whole)
                    put(what, tool, measured)
                    say(f"{count} hosts, round {number}: {tool}, {what}: {measured.wall:.2f} s, {measured.cpu:.2f} s CPU")
            put("floor", "floor", fleet.floor())
    finally:
        fleet.close()
    return results


SLOW = ("mitogen", "ansible")
BARS = {"files": {"pyinfra": 4, "ansible": 30}, "whole": {}, "no-op": {"pyinfra": 8, "ansible": 80}}
WORDS = {"files": "files, folders, binary", "whole": "all of it, to a cluster that is well", "no-op": "again, nothing to change"}


def middle(runs, key="wall"):
    return statistics.median(getattr(run, key) for run in runs)


def rows(count, results, only):
    """A row a job: our seconds, and those of the others with how many times ours that is."""
    rows = []
    for what, words in WORDS.items():
        ours = middle(results[what, "provision"])
        cells = [f"{ours:.2f} s"]
        for tool in ("pyinfra", "mitogen", "ansible"):
            if tool not in only:
                cells.append("")
                continue
            ratio = middle(results[what, tool]) / ours
            bar = BARS[what].get(tool)
            cells.append(f"{middle(results[what, tool]):.1f} s: **{ratio:.1f}×**" + (f" (bar {bar})" if bar else ""))
        rows.append((str(count), words, *cells))
    return rows


def notes(count, results):
    """What our no-op costs where it runs, and the floor below it."""
    idle, floor = results["no-op", "provision"], results["floor", "floor"]
    ratio = middle(idle) / middle(floor)
    cpu = middle(idle, "cpu") * 1000 / count
    return [
        (
            str(count),
            f"{middle(floor):.3f} s",
            f"{middle(idle):.3f} s: **{ratio:.2f}×** (bar 1.5)",
            f"{cpu:.1f} ms (bar 10)",
            f"{middle(idle, 'rss'):.0f} MB" + (" (bar 60)" if count == 96 else ""),
            f"{max(run.rss for run in results['whole', 'provision']):.0f} MB",
        )
    ]


if __name__ == "__main__":
    import tempfile

    count, rounds, *only = sys.argv[1:]
    with tempfile.TemporaryDirectory(prefix="provision-bench-") as work:
        cache = pathlib.Path(os.environ.get("XDG_CACHE_HOME", pathlib.Path.home() / ".cache"))
        results = measure(int(count), int(rounds), only, pathlib.Path(work), cache, lambda text: print(text, flush=True))
    for (what, tool), runs in results.items():
        line = [f"{statistics.median(getattr(run, key) for run in runs):.3f}" for key in ("wall", "cpu", "rss")]
        print(what, tool, *line)
