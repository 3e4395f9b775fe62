"""What a reproduction takes beside the run that it reproduces, both cold, measured side by side.

    .venv/bin/python benchmarks/reproduction.py [PAIRS]

Run and reproduction are processes of their own, in turn, in a state of their own below a temporary folder: the run
computes everything (`--force`), the reproduction as well. The environment exists: it is this one.
Exits 1 where a reproduction takes more than 1.5 times as long, by the median of the pairs' ratios.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from repro_assets import settings as settings_module
from repro_assets.sample.generate import generate

PAIRS = 5
LIMIT = 1.5
REPRO = Path(sys.executable).parent / "repro"


def main(pairs: int) -> int:
    """Measure, print, and compare with the limit."""
    with tempfile.TemporaryDirectory() as folder:
        var = Path(folder) / "var"
        var.mkdir()
        for name in ("jars", "envs"):
            (var / name).symlink_to(settings_module.load().var / name)
        feed = generate(Path(folder) / "feed", versions=1)
        repro(var, "ingest", "covid_cases", *map(str, feed.covid_files))
        repro(var, "ingest", "job_changes", *map(str, feed.job_files))
        key = json.loads(repro(var, "versions", "--json"))["versions"][0]["key"]
        repro(var, "run", key)
        ratios = []
        for number in range(1, pairs + 1):
            original, again = (timed(var, *command) for command in (("run", key, "--force"), ("reproduce", key)))
            ratios.append(again / original)
            sys.stdout.write(
                f"pair {number}: run {original:.1f} s, reproduce {again:.1f} s, ratio {again / original:.2f}\n"
            )
    ratio = statistics.median(ratios)
    sys.stdout.write(f"median ratio {ratio:.2f}, limit {LIMIT}\n")
    return 0 if ratio <= LIMIT else 1


def timed(var: Path, *arguments: str) -> float:
    """Wall clock seconds of a command."""
    started = time.perf_counter()
    repro(var, *arguments)
    return time.perf_counter() - started


def repro(var: Path, *arguments: str) -> str:
    """Run a command that has to succeed."""
    environment = {**os.environ, "REPRO_VAR": str(var)}
    done = subprocess.run([str(REPRO), *arguments], env=environment, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise SystemExit(f"repro {' '.join(arguments)}: {done.stderr}")
    return done.stdout


if __name__ == "__main__":
    raise SystemExit(main(int(sys.argv[1]) if len(sys.argv) > 1 else PAIRS))
