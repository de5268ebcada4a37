"""Light hosts: an sshd of its own behind an address of its own, in namespaces, over the files of this machine.

/etc, /opt, /srv, /usr/local and /var are overlaid with memory, /root, /run and /tmp are empty: nothing a host does is seen outside, and all of it is gone with its processes. The hosts and the tools are on a switch in a
network namespace of its own; no packet leaves it.
"""

import ctypes
import os
import pathlib
import shutil
import signal
import subprocess
import tempfile
import time

HOST = r"""
set -eu
base=$1 name=$2 address=$3
mount -t tmpfs -o mode=755 tmpfs "$base/disk"
for folder in etc opt srv usr/local var; do
  mkdir -p "$base/disk/$folder" "$base/disk/work/$folder"
  mount -t overlay -o "lowerdir=/$folder,upperdir=$base/disk/$folder,workdir=$base/disk/work/$folder" overlay "/$folder"
done
mount -t tmpfs -o mode=755 tmpfs /run
mount -t tmpfs -o mode=700 tmpfs /root
mount -t tmpfs -o mode=1777 tmpfs /tmp
hostname "$name"
mkdir -p /root/.ssh /run/sshd
cp "$base/id.pub" /root/.ssh/authorized_keys
chmod 700 /root/.ssh
until ip link set eth0 up 2>/dev/null; do sleep 0.01; done
ip link set lo up
ip address add "$address/16" dev eth0
ip -batch "$base/neighbours"
exec /usr/sbin/sshd -D -E /run/sshd.log -f "$base/sshd_config"
"""

SSHD = """HostKey {base}/host
ListenAddress 0.0.0.0
PidFile none
UsePAM no
UseDNS no
LogLevel VERBOSE
StrictModes no
PermitRootLogin yes
PasswordAuthentication no
KbdInteractiveAuthentication no
MaxStartups 300
Subsystem sftp internal-sftp
PrintMotd no
"""

CLONE_NEWNET = 0x40000000
libc = ctypes.CDLL(None, use_errno=True)


class Hosts:
    """N hosts; the calling process moves to their network, and with it all it starts."""

    def __init__(self, count):
        self.base = pathlib.Path(tempfile.mkdtemp(prefix="provision-hosts-", dir="/var/tmp"))
        self.before = os.open("/proc/self/ns/net", os.O_RDONLY)
        self.leaders = []
        try:
            self._start(count)
        except BaseException:
            self.close()
            raise

    def _start(self, count):
        for name in ("host", "id"):
            run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", name, "-f", self.base / name)
        (self.base / "disk").mkdir()
        (self.base / "sshd_config").write_text(SSHD.format(base=self.base))
        (self.base / "host.sh").write_text(HOST)
        assert libc.unshare(CLONE_NEWNET) == 0, os.strerror(ctypes.get_errno())
        run("ip", "link", "set", "lo", "up")
        run("ip", "link", "add", "switch", "type", "bridge")
        run("ip", "address", "add", "10.78.255.254/16", "dev", "switch")
        run("ip", "link", "set", "switch", "up")
        self.names = [f"n{number}" for number in range(1, count + 1)]
        self.addresses = [f"10.78.{number // 200}.{number % 200 + 1}" for number in range(count)]
        self.macs = [f"02:00:0a:4e:{number // 200:02x}:{number % 200 + 1:02x}" for number in range(count)]
        key = (self.base / "host.pub").read_text()
        (self.base / "known_hosts").write_text("".join(f"{address} {key}" for address in self.addresses))
        own = os.stat("/proc/self/ns/net").st_ino
        # All of them share this kernel, whose table of neighbours holds 1024 that were asked for: they know each other instead.
        pairs = zip(self.addresses, self.macs)
        neighbours = [f"neigh replace {address} lladdr {mac} dev eth0 nud permanent" for address, mac in pairs]
        (self.base / "neighbours").write_text("\n".join(neighbours) + "\n")
        for name, address in zip(self.names, self.addresses):
            words = ["unshare", "--net", "--uts", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"]
            words += ["sh", self.base / "host.sh", self.base, name, address]
            self.leaders.append(subprocess.Popen(words, stdin=subprocess.DEVNULL))
        batch = []
        for name, mac, leader in zip(self.names, self.macs, self.leaders):
            wait(lambda: os.stat(f"/proc/{leader.pid}/ns/net").st_ino != own)
            batch += [f"link add {name} type veth peer name eth0 address {mac} netns {leader.pid}", f"link set {name} master switch up"]
        run("ip", "-batch", "-", input="\n".join(batch) + "\n")
        for address in self.addresses:
            wait(lambda: greets(address))

    def sh(self, name, script):
        """Runs a script on a host, past its sshd."""
        return run("nsenter", "-t", self.leader(name), "-a", "sh", "-c", script)

    def leader(self, name):
        """A host's first process, as this machine numbers it."""
        parent = self.leaders[self.names.index(name)].pid
        (pid,) = pathlib.Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
        return pid

    def close(self):
        for leader in self.leaders:
            leader.send_signal(signal.SIGKILL)
        for leader in self.leaders:
            leader.wait()
        libc.setns(self.before, CLONE_NEWNET)
        os.close(self.before)
        shutil.rmtree(self.base, ignore_errors=True)


def run(*words, **more):
    return subprocess.run(words, check=True, capture_output=True, text=True, **more).stdout


def wait(holds, seconds=60):
    began = time.monotonic()
    while not holds():
        assert time.monotonic() - began < seconds, f"not within {seconds} s"
        time.sleep(0.01)


def greets(address):
    import socket

    try:
        with socket.create_connection((address, 22), 1) as stream:
            return stream.recv(4) == b"SSH-"
    except OSError:
        return False
