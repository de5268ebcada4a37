"""`make bench`: our times as ratios to rivals in the same run, written to docs/benchmarks.md.

BENCH=single,lab,fleet chooses parts; the others keep what docs/benchmarks.md says of them.
"""

import os
import pathlib
import re
import resource
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile

import fleet
import formation
import lab
import single_host

ROOT = pathlib.Path(__file__).resolve().parent.parent
RESULT = ROOT / "docs/benchmarks.md"
# Hosts, rounds of which the first is thrown away where there are more, and who takes part.
SIZES = (
    (6, 4, ("provision", "pyinfra", "mitogen", "ansible")),
    (24, 2, ("provision", "pyinfra", "mitogen", "ansible")),
    (96, 2, ("provision",)),
)


def say(text):
    print(text, file=sys.stderr, flush=True)


def table(rows):
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def fleets(work):
    """The tables so far, after each size: seconds of each tool, and how many times ours that is; what our no-op costs."""
    cache = work / "fleet-cache"
    warm(work / "warm", cache)
    rows, notes = [], []
    for count, rounds, only in SIZES:
        results = fleet.measure(count, rounds, only, work, cache, say)
        rows += fleet.rows(count, results, only)
        notes += fleet.notes(count, results)
        yield {"fleet": table(rows), "controller": table(notes)}


def warm(folder, cache):
    """Compiles once: what is measured is not the compiler."""
    folder.mkdir()
    (folder / "inventory.toml").write_text(single_host.INVENTORY)
    for words in (["apply", "--yes", "--tags", "build"], ["destroy", "--yes"]):
        env = dict(os.environ, XDG_CACHE_HOME=str(cache))
        subprocess.run([formation.PROVISION, *words, folder / "inventory.toml"], env=env, check=True, capture_output=True)


def main():
    parts = os.environ.get("BENCH", "single,lab,fleet").split(",")
    work = pathlib.Path(tempfile.mkdtemp(prefix="provision-bench-"))
    sections = kept()
    try:
        if "single" in parts:
            sections["single"] = table(single_host.rows(work / "single"))
            save(sections)
        if "lab" in parts:
            warm(work / "lab-warm", work / "lab-cache")
            sections["lab"] = table(lab.rows(work / "lab", work / "lab-cache", say))
            save(sections)
        if "fleet" in parts:
            for tables in fleets(work):
                save(sections | tables)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    print(RESULT.read_text())


def save(sections):
    """After each part: what comes later may fail, and this took long."""
    text = (ROOT / "bench/head.md").read_text()
    text = text.format(
        cores=os.cpu_count(), runs=single_host.RUNS, form_runs=single_host.FORM_RUNS, large_runs=single_host.LARGE_RUNS
    )
    for name, rows in sections.items():
        text = text.replace(f"<!-- {name} -->", f"<!-- {name} -->\n{rows}\n<!-- end -->")
    RESULT.write_text(text)


def kept():
    """The rows of an earlier run, by section."""
    text = RESULT.read_text() if RESULT.exists() else ""
    return dict(re.findall(r"<!-- (\w+) -->\n(.*?)\n<!-- end -->", text, re.S))


if __name__ == "__main__":
    resource.setrlimit(resource.RLIMIT_NOFILE, (4096, 4096))
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    main()
