"""One host with six nodes, everything on loopback. The rival forms its cluster from the same binary and the same node configurations; one
neutral check, written here and used for both, says when a cluster is complete.
"""

import json
import os
import pathlib
import shutil
import statistics
import subprocess
import tempfile
import time

import redis

from measured import Measured, spread

ROOT = pathlib.Path(__file__).resolve().parent.parent
PROVISION = ROOT / "target/release/provision"
RUNS = int(os.environ.get("BENCH_RUNS", "5"))
FORM_RUNS = max(RUNS, 7)
PORT = 7401
PORTS = range(PORT, PORT + 6)
NAME = "bench"
INVENTORY = f"""[cluster]
name = "{NAME}"
version = "7.0.15"
port = {PORT}
[[hosts]]
name = "here"
address = "local"
"""
DEADLINE = 60


def provision(work, *args, cache=None):
    env = dict(os.environ, XDG_CACHE_HOME=str(cache or work / "cache"), NO_COLOR="1")
    return subprocess.run([PROVISION, *args, work / "inventory.toml"], env=env, capture_output=True, text=True, check=True)


def complete():
    """Whether all six nodes are one cluster: state ok, 16384 slots, known links up, replicas online, masters writable."""
    try:
        nodes = [redis.Redis(port=port, socket_timeout=2, decode_responses=True) for port in PORTS]
        masters = []
        for node in nodes:
            info = node.execute_command("CLUSTER INFO")
            if info["cluster_state"] != "ok" or info["cluster_slots_ok"] != "16384" or info["cluster_known_nodes"] != "6":
                return False
            rows = node.execute_command("CLUSTER NODES").values()
            if any(not row["connected"] or "fail" in row["flags"] or "handshake" in row["flags"] for row in rows):
                return False
            if sum("master" in row["flags"] for row in rows) != 3 or sum(len(row["slots"]) > 0 for row in rows) != 3:
                return False
            replication = node.info("replication")
            if replication["role"] == "master":
                masters.append(node)
                if replication["connected_slaves"] != 1 or replication["slave0"]["state"] != "online":
                    return False
            elif replication["master_link_status"] != "up":
                return False
        for node in masters:
            row = next(r for r in node.execute_command("CLUSTER NODES").values() if "myself" in r["flags"])
            first, last = (int(slot) for slot in row["slots"][0])
            key = next(k for k in (f"k{n}" for n in range(100_000)) if first <= node.cluster("KEYSLOT", k) <= last)
            node.set(key, "1")
            node.delete(key)
        return len(masters) == 3
    except (redis.RedisError, KeyError, StopIteration):
        return False


def until_complete(began):
    while not complete():
        assert time.monotonic() - began < DEADLINE, f"no complete cluster within {DEADLINE} s"
        time.sleep(0.01)
    return time.monotonic() - began


def ours(work):
    began = time.monotonic()
    provision(work, "apply", "--yes")
    seconds = until_complete(began)
    return seconds


def rival(work, binary, configs):
    """Six servers and `redis-cli --cluster create`, as the manual says, then the same check."""
    folder = work / "rival"
    shutil.rmtree(folder, ignore_errors=True)
    processes = []
    try:
        began = time.monotonic()
        for port in PORTS:
            data = folder / str(port)
            data.mkdir(parents=True)
            text = configs[port].replace(f"/var/lib/provision/{NAME}/nodes/{port}", str(data))
            text = text.replace(f"/var/log/provision/{NAME}/{port}", str(data)).replace(f"/run/provision/{NAME}", str(data))
            (data / "redis.conf").write_text(text)
            processes.append(subprocess.Popen([binary, data / "redis.conf"], stdout=subprocess.DEVNULL))
        while not all(answers(port) for port in PORTS):
            time.sleep(0.005)
        create = ["redis-cli", "--cluster", "create", *(f"127.0.0.1:{port}" for port in PORTS)]
        subprocess.run([*create, "--cluster-replicas", "1", "--cluster-yes"], check=True, capture_output=True)
        return until_complete(began)
    finally:
        for process in processes:
            process.kill()
            process.wait()


def answers(port):
    try:
        return redis.Redis(port=port, socket_timeout=1).ping()
    except redis.RedisError:
        return False


def no_op(work):
    """An apply that changes nothing."""
    env = dict(os.environ, XDG_CACHE_HOME=str(work / "cache"))
    run = Measured([PROVISION, "apply", "--yes", work / "inventory.toml"], env=env)
    assert "Nothing to change" in run.text
    return run


def build_times(work):
    """One build by provision from a cached source, and one by bare make with the same flags on the same tree."""
    cache = work / "build-cache"
    shutil.rmtree(cache, ignore_errors=True)
    shutil.copytree(work / "cache/provision/sources", cache / "provision/sources")
    began = time.monotonic()
    provision(work, "apply", "--yes", "--tags", "build", cache=cache)
    mine = time.monotonic() - began
    provenance = json.loads(next((cache / "provision/artifacts").rglob("*.json")).read_text())
    flags = provenance["flags"] if isinstance(provenance["flags"], list) else provenance["flags"].split()
    provision(work, "destroy", "--yes")
    tree = work / "make"
    shutil.rmtree(tree, ignore_errors=True)
    tree.mkdir()
    tarball = max((cache / "provision/sources").iterdir(), key=lambda path: path.stat().st_size)
    began = time.monotonic()
    subprocess.run(["tar", "-xf", tarball, "-C", tree, "--strip-components=1"], check=True)
    make = ["make", "-C", tree / "src", f"-j{os.cpu_count()}", "redis-server", *flags]
    subprocess.run(make, check=True, capture_output=True)
    return mine, time.monotonic() - began


def rows(work):
    """What was measured, as rows of a table: what, value, bar."""
    rows = []
    work.mkdir()
    try:
        (work / "inventory.toml").write_text(INVENTORY)
        provision(work, "apply", "--yes")
        binary = next(pathlib.Path(f"/opt/provision/{NAME}").rglob("redis-server"))
        copy = work / "redis-server"
        shutil.copy(binary, copy)
        configs = {port: pathlib.Path(f"/etc/provision/{NAME}/{port}/redis.conf").read_text() for port in PORTS}
        idle = [no_op(work) for _ in range(max(RUNS, 9))]
        provision(work, "destroy", "--yes")

        mine, theirs = [], []
        for _ in range(FORM_RUNS):
            mine.append(ours(work))
            provision(work, "destroy", "--yes")
            theirs.append(rival(work, copy, configs))
        ratio = statistics.median(mine) / statistics.median(theirs)
        rows.append(("nothing there → every invariant true, six nodes, binary cached: `provision apply`", spread(mine) + " s", ""))
        rows.append(("servers started → the same, `redis-server` ×6 + `redis-cli --cluster create`", spread(theirs) + " s", ""))
        rows.append(("ratio of the medians", f"**{ratio:.2f}**", "at most 0.35"))

        rows.append(("no-op `apply` of six nodes: CPU, shells included", spread([run.cpu for run in idle], 3) + " s", "under 0.1 s"))
        rows.append(("no-op `apply` of six nodes: wall clock", spread([run.wall for run in idle], 3) + " s", ""))
        rows.append(("no-op `apply` of six nodes: peak RSS", spread([run.rss for run in idle], 1) + " MB", "at most 30 MB"))

        pairs = [build_times(work) for _ in range(RUNS)]
        mine, theirs = zip(*pairs)
        rows.append(("build of Redis 7.0.15 from a cached source: `provision apply --tags build`", spread(mine, 1) + " s", ""))
        rows.append(("the same tree and flags: `tar -x`, `make -jN redis-server`", spread(theirs, 1) + " s", ""))
        rows.append(("ratio of the medians", f"**{statistics.median(mine) / statistics.median(theirs):.2f}**", "at most 1.05"))
        return rows
    finally:
        subprocess.run([PROVISION, "destroy", "--yes", work / "inventory.toml"], capture_output=True)
