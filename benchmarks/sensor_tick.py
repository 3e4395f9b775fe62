"""What a sensor tick with nothing new costs over 20 and over 2,000 commits, measured side by side.

    .venv/bin/python benchmarks/sensor_tick.py [COMMITS COMMITS]

Two lakes with hand-written logs, ticks in turn, so that a busy machine slows both alike; the ratio is that of the
medians. The reaper is measured apart: its cost follows the unfinished runs, not the commits.
Exits 1 where the longer log takes more than twice as long, or where a tick loaded an engine.
"""

from __future__ import annotations

import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import dagster as dg

from repro_assets.defs.reaper import reap_dagster
from repro_assets.defs.sensors import new_data_versions
from repro_assets.experiment import EXPERIMENT
from repro_assets.pins.log_cursor import parse_cursor
from repro_assets.resources.raw.log_watch import watch
from repro_assets.resources.raw.raw_tables import RawTables

TICKS = 300
LIMIT = 2.0
ENGINES = ("pyspark", "py4j", "mlflow", "sklearn")
# Spark writes these beside every commit: they make the folder three times as long.
BESIDE = ("{:020d}.crc", ".{:020d}.json.crc")


def write_log(lake: Path, table: str, commits: int) -> None:
    """A log of row-changing commits, as Spark leaves it on a local disk."""
    folder = lake / "raw" / table / "_delta_log"
    folder.mkdir(parents=True)
    for version in range(commits):
        actions = [
            {"commitInfo": {"timestamp": 1_590_000_000_000 + version, "operation": "MERGE"}},
            *([{"metaData": {"id": f"benchmark-{table}"}}] if version == 0 else []),
            {"add": {"path": f"part-{version}.parquet", "size": 1, "dataChange": True}},
        ]
        (folder / f"{version:020d}.json").write_text("".join(json.dumps(action) + "\n" for action in actions))
        for name in BESIDE:
            (folder / name.format(version)).write_bytes(b"")
    # As a log that nobody has written in the last moments.
    os.utime(folder, (1_600_000_000, 1_600_000_000))


class Lake:
    """One lake, its raw tables, and the cursor after the first tick."""

    def __init__(self, root: Path, commits: int, instance: dg.DagsterInstance) -> None:
        for table in EXPERIMENT.table_names:
            write_log(root, table, commits // len(EXPERIMENT.table_names))
        self.raw_tables = RawTables(lake=f"file://{root}")
        self.instance = instance
        started = time.perf_counter()
        self.cursor = self.tick(None).cursor
        self.first = time.perf_counter() - started

    def tick(self, cursor: str | None) -> dg.SensorResult:
        """A whole tick, the reaper in it."""
        resources = {"raw_tables": self.raw_tables}
        with dg.build_sensor_context(instance=self.instance, cursor=cursor, resources=resources) as context:
            return new_data_versions(context)

    def body(self) -> None:
        """A tick with nothing new without Dagster around it and without the reaper."""
        tables = EXPERIMENT.table_names
        plan = watch(self.raw_tables, tables, parse_cursor(self.cursor, tables))
        if plan.register or plan.cursor is None or plan.cursor.as_json() != self.cursor:
            raise SystemExit(f"not a tick without news: {plan.message}")


def side_by_side(*calls: Callable[[], object]) -> list[float]:
    """Median milliseconds of each, called in turn."""
    taken: list[list[float]] = [[] for _ in calls]
    for _ in range(TICKS):
        for call, seconds in zip(calls, taken, strict=True):
            started = time.perf_counter()
            call()
            seconds.append(time.perf_counter() - started)
    return [statistics.median(seconds) * 1000 for seconds in taken]


def main(arguments: list[str]) -> int:
    """Measure and print; returns the exit code."""
    few, many = (int(argument) for argument in arguments or ("20", "2000"))
    with tempfile.TemporaryDirectory() as folder, dg.DagsterInstance.local_temp(folder) as instance:
        lakes = [Lake(Path(folder) / f"lake-{commits}", commits, instance) for commits in (few, many)]
        body = side_by_side(*(lake.body for lake in lakes))
        whole = side_by_side(*(lambda lake=lake: lake.tick(lake.cursor) for lake in lakes))
        (reaper,) = side_by_side(lambda: reap_dagster(instance))
    loaded = [name for name in ENGINES if name in sys.modules]
    first = [lake.first * 1000 for lake in lakes]
    lines = [
        f"{f'milliseconds, median of {TICKS}, in turn':44}{few:>8} commits{many:>8} commits   ratio",
        _line("nothing new: look and plan", body),
        _line("nothing new: whole tick, reaper in it", whole),
        _line("first tick, reads the whole history (once)", first),
        f"{'reaper alone':44}{reaper:>16.3f}",
        f"engines loaded: {', '.join(loaded) or 'none'}",
    ]
    sys.stdout.write("\n".join(lines) + "\n")
    return int(body[1] > LIMIT * body[0] or bool(loaded))


def _line(name: str, milliseconds: list[float]) -> str:
    few, many = milliseconds
    return f"{name:44}{few:>16.3f}{many:>16.3f}{many / few:>8.2f}"


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
