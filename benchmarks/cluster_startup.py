"""What each cluster variant costs to start, and what it holds while it idles: seconds, CPU seconds, memory.

    .venv/bin/python benchmarks/cluster_startup.py [NAME…]

For every cluster file that runs here: `repro cluster up` where it is a standalone one, a session in a fresh process, a
first Delta table written and read, and then the memory of everything that runs for it. CPU seconds are those of all
its processes, which a busy machine changes little; the other seconds are wall clock time. In a state folder of its own.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import psutil

from repro_assets import settings as settings_module
from repro_assets.pins.compute import STANDALONE
from repro_assets.resources.spark.spark_cluster import load_cluster, open_session
from repro_assets.resources.spark.standalone_cluster import down, up
from repro_assets.resources.spark.standalone_processes import members
from repro_assets.resources.spark.standalone_state import ClusterState, folder_of, read_state

VARIANTS = ("local-v1", "standalone-2x1-v1", "standalone-3x1-v1")
COLUMNS = ("up s", "session s", "first table s", "CPU s", "memory MB", "processes")
_MEGABYTE = 1024 * 1024


def driver(name: str) -> dict[str, float]:
    """Open a session, write and read a table; what it took, and what all processes hold after it."""
    here = settings_module.load()
    started = time.monotonic()
    session = open_session(name, here)
    opened = time.monotonic()
    session.range(1000).write.format("delta").save(f"{here.lake}/{name}")
    session.read.format("delta").load(f"{here.lake}/{name}").count()
    written = time.monotonic()
    own = psutil.Process()
    state = read_state(folder_of(name, here))
    found = [own, *own.children(recursive=True), *daemons(state)]
    return {
        "session s": opened - started,
        "first table s": written - opened,
        "CPU s": sum(sum(process.cpu_times()[:2]) for process in found),
        "memory MB": sum(process.memory_full_info().uss for process in found) / _MEGABYTE,
        "processes": len(found),
    }


def daemons(state: ClusterState | None) -> list[psutil.Process]:
    """Master, workers, executors and their Python workers."""
    leaders = [int(owner["pid"]) for owner in state.processes.values()] if state else []
    return [psutil.Process(pid) for leader in leaders for pid in members(leader)]


def measure(name: str) -> dict[str, Any]:
    """One variant, from nothing to idle; nothing of it is left."""
    here = settings_module.load()
    cluster = load_cluster(name, here)
    started, waited = time.monotonic(), 0.0
    try:
        if cluster.kind == STANDALONE:
            up(cluster, here, lambda _: None)
            waited = time.monotonic() - started
        done = subprocess.run(
            [sys.executable, __file__, "--driver", name], check=True, stdout=subprocess.PIPE, text=True
        )
        return {"up s": waited, **json.loads(done.stdout.splitlines()[-1])}
    finally:
        if cluster.kind == STANDALONE:
            down(cluster, here, lambda _: None)


def main(arguments: list[str]) -> int:
    """Measure the variants in turn and print a table."""
    if arguments[:1] == ["--driver"]:
        sys.stdout.write(json.dumps(driver(arguments[1])) + "\n")
        return 0
    jars = settings_module.load().jars
    with tempfile.TemporaryDirectory() as scratch:
        os.environ.update({"REPRO_VAR": scratch, **settings_module.kernel_variables({})})
        (Path(scratch) / "jars").symlink_to(jars)
        sys.stdout.write(f"| variant | {' | '.join(COLUMNS)} |\n|{' --- |' * (len(COLUMNS) + 1)}\n")
        for name in arguments or VARIANTS:
            found = measure(name)
            figures = " | ".join(
                f"{found[column]:.0f}" if column != "up s" else f"{found[column]:.1f}" for column in COLUMNS
            )
            sys.stdout.write(f"| `{name}` | {figures} |\n")
            sys.stdout.flush()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
