"""One host: forming clusters of 6, 30 and 90 nodes, a run that changes nothing, and a build."""

import json
import os
import pathlib
import shutil
import statistics
import subprocess
import time

import formation
from formation import PROVISION, provision
from measured import Measured, spread

RUNS = int(os.environ.get("BENCH_RUNS", "5"))
FORM_RUNS = max(RUNS, 7)
LARGE_RUNS = 3
# Nodes, runs, and the bar of the ratio.
SIZES = ((6, FORM_RUNS, 0.35), (30, LARGE_RUNS, 0.25), (90, LARGE_RUNS, 0.35))
INVENTORY = formation.inventory(6)


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
        idle = [no_op(work) for _ in range(max(RUNS, 9))]
        provision(work, "destroy", "--yes")

        for nodes, runs, bar in SIZES:
            rows += formation.rows(work, nodes, runs, bar)
        (work / "inventory.toml").write_text(INVENTORY)

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
