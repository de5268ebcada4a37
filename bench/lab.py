"""Six simulated hosts: how soon they are there, and how soon they are a proven cluster."""

import os
import pathlib

from measured import Measured, spread

ROOT = pathlib.Path(__file__).resolve().parent.parent
PROVISION = ROOT / "target/release/provision"
RUNS = int(os.environ.get("BENCH_RUNS", "5"))


def rows(work, cache, say):
    work.mkdir()
    env = dict(os.environ, XDG_CACHE_HOME=str(cache), XDG_DATA_HOME=str(work), NO_COLOR="1")

    def provision(*words):
        return Measured([PROVISION, *words], env=env, cwd=work)

    inventory = "lab:bench"
    up, proven, again = [], [], []
    # The first makes the image.
    for number in range(RUNS + 1):
        try:
            lifted = provision("lab", "--name", "bench", "up")
            run = provision("apply", "--yes", inventory)
            assert "invariants hold, 0 do not, 0 are not proven" in run.text, run.text
            idle = provision("apply", "--yes", inventory)
            assert "Nothing to change" in idle.text, idle.text
        finally:
            provision("lab", "--name", "bench", "down")
        say(f"lab, round {number}: up {lifted.wall:.2f} s, proven {run.wall:.2f} s, again {idle.wall:.2f} s")
        if number:
            up.append(lifted.wall)
            proven.append(run.wall)
            again.append(idle.wall)
    return [
        ("`lab up` of six hosts until all answer SSH, image there", spread(up) + " s", "at most 10 s"),
        ("six bare hosts → proven cluster under systemd, artifact cached: `provision apply`", spread(proven) + " s", "at most 6 s"),
        ("applied again, nothing to change", spread(again) + " s", ""),
    ]
