"""Formation on one host, everything on loopback. The rival forms its cluster from the same binary and the same node configurations; one
neutral check, written here and used for both, says when a cluster is complete. `bench/formation.py 90 3` measures 90 nodes three times.
"""

import contextlib
import os
import pathlib
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

import redis
from redis.crc import key_slot

from measured import Measured, spread

ROOT = pathlib.Path(__file__).resolve().parent.parent
PROVISION = ROOT / "target/release/provision"
PORT = 7401
NAME = "bench"
DEADLINE = 120


def inventory(nodes):
    return f"""[cluster]
name = "{NAME}"
version = "7.0.15"
port = {PORT}
[[hosts]]
name = "here"
address = "local"
nodes = {nodes}
"""


def provision(work, *args, cache=None):
    env = dict(os.environ, XDG_CACHE_HOME=str(cache or work / "cache"), NO_COLOR="1")
    return Measured([PROVISION, *args, work / "inventory.toml"], env=env)


class Formation:
    """A number of nodes, and how long it takes to make them one cluster."""

    def __init__(self, nodes):
        self.nodes = nodes
        self.masters = nodes // 2
        self.ports = range(PORT, PORT + nodes)

    def is_complete(self, clients):
        """Whether all nodes are one cluster: state ok, 16384 slots, known links up, replicas online, masters writable."""
        try:
            return all(self.is_well(client) for client in clients) and self.is_writable(clients)
        except (redis.RedisError, KeyError, StopIteration):
            return False

    def is_well(self, client):
        info = client.execute_command("CLUSTER INFO")
        if info["cluster_state"] != "ok" or info["cluster_slots_ok"] != "16384" or int(info["cluster_known_nodes"]) != self.nodes:
            return False
        rows = client.execute_command("CLUSTER NODES").values()
        if any(not row["connected"] or "fail" in row["flags"] or "handshake" in row["flags"] for row in rows):
            return False
        if sum("master" in row["flags"] for row in rows) != self.masters or sum(len(row["slots"]) > 0 for row in rows) != self.masters:
            return False
        replication = client.info("replication")
        if replication["role"] == "master":
            return replication["connected_slaves"] == 1 and replication["slave0"]["state"] == "online"
        return replication["master_link_status"] == "up"

    def is_writable(self, clients):
        masters = 0
        for client in clients:
            row = next(r for r in client.execute_command("CLUSTER NODES").values() if "myself" in r["flags"])
            if "master" in row["flags"]:
                first, last = (int(slot) for slot in row["slots"][0])
                key = next(k for k in (f"k{n}" for n in range(100_000)) if first <= key_slot(k.encode()) <= last)
                client.set(key, "1")
                client.delete(key)
                masters += 1
        return masters == self.masters

    def until_complete(self, began):
        clients = [redis.Redis(port=port, socket_timeout=5, decode_responses=True) for port in self.ports]
        while not self.is_complete(clients):
            assert time.monotonic() - began < DEADLINE, f"no complete cluster within {DEADLINE} s"
            time.sleep(0.01)
        return time.monotonic() - began

    def ours(self, work):
        """Seconds of `provision apply`, its CPU time and that of the servers until then."""
        (work / "inventory.toml").write_text(inventory(self.nodes))
        try:
            began = time.monotonic()
            run = provision(work, "apply", "--yes")
            seconds = self.until_complete(began)
            return seconds, run.cpu, self.servers_cpu()
        finally:
            provision(work, "destroy", "--yes")

    def rival(self, work):
        """The servers and `redis-cli --cluster create`, as the manual says, then the same check and the same invariants. Binary and
        configurations are there before the clock starts."""
        (work / "inventory.toml").write_text(inventory(self.nodes))
        processes = []
        try:
            provision(work, "apply", "--yes", "--tags", "build,install,ship,configure")
            binary = next(pathlib.Path(f"/opt/provision/{NAME}").rglob("redis-server"))
            began = time.monotonic()
            for port in self.ports:
                config = f"/etc/provision/{NAME}/{port}/redis.conf"
                processes.append(subprocess.Popen([binary, config], stdout=subprocess.DEVNULL))
            while not all(answers(port) for port in self.ports):
                time.sleep(0.005)
            create = ["redis-cli", "--cluster", "create", *(f"127.0.0.1:{port}" for port in self.ports)]
            create = Measured([*create, "--cluster-replicas", "1", "--cluster-yes"])
            self.until_complete(began)
            provision(work, "verify")
            return time.monotonic() - began, create.cpu, self.servers_cpu()
        finally:
            for process in processes:
                process.kill()
                process.wait()
            provision(work, "destroy", "--yes")

    def pairs(self, work, runs):
        """Ours and the rival's, alternating."""
        (work / "inventory.toml").write_text(inventory(self.nodes))
        provision(work, "apply", "--yes", "--tags", "build")
        provision(work, "destroy", "--yes")
        for _ in range(runs):
            yield self.ours(work), self.rival(work)

    def servers_cpu(self):
        """User and system seconds of the servers that run on the ports."""
        total, tick = 0, os.sysconf("SC_CLK_TCK")
        for process in pathlib.Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError, ValueError, IndexError):
                words = (process / "cmdline").read_bytes().split(b"\0")[0].decode().split()
                if "redis-server" in words[0] and int(words[1].rsplit(":", 1)[1]) in self.ports:
                    fields = (process / "stat").read_text().rsplit(")", 1)[1].split()
                    total += (int(fields[11]) + int(fields[12])) / tick
        return total


def answers(port):
    try:
        return redis.Redis(port=port, socket_timeout=1).ping()
    except redis.RedisError:
        return False


def rows(work, nodes, runs, bar):
    """What was measured, as rows of a table: what, value, bar."""
    pairs = list(Formation(nodes).pairs(work, runs))
    mine, theirs = ([pair[side][0] for pair in pairs] for side in (0, 1))
    ratio = statistics.median(mine) / statistics.median(theirs)
    return [
        (f"nothing there → every invariant true, {nodes} nodes, binary cached: `provision apply`", spread(mine) + " s", ""),
        (f"servers started → the same, `redis-server` ×{nodes} + `redis-cli --cluster create` + `provision verify`", spread(theirs) + " s", ""),
        ("ratio of the medians", f"**{ratio:.2f}**", f"at most {bar}"),
    ]


def main():
    nodes, runs = int(sys.argv[1]), int(sys.argv[2])
    with tempfile.TemporaryDirectory(prefix="provision-bench-") as folder:
        work, pairs = pathlib.Path(folder), []
        # A cache of an earlier run spares compiling.
        if cache := os.environ.get("BENCH_CACHE"):
            shutil.copytree(cache, work / "cache/provision")
        for pair in Formation(nodes).pairs(work, runs):
            pairs.append(pair)
            for who, (seconds, cpu, servers) in zip(("provision", "redis-cli"), pair):
                print(f"{nodes} nodes, {who}: {seconds:.2f} s; CPU {cpu:.2f} s, of the servers {servers:.2f} s", flush=True)
        mine, theirs = (statistics.median(pair[side][0] for pair in pairs) for side in (0, 1))
        print(f"{nodes} nodes: {mine:.2f} s to {theirs:.2f} s: {mine / theirs:.3f}")


if __name__ == "__main__":
    main()
