"""The sensor as Dagster's daemon calls it, over Delta logs written by hand."""

from __future__ import annotations

import os
from pathlib import Path

import dagster as dg
import pytest

from repro_assets.defs.partitions import registered
from repro_assets.defs.sensors import new_data_versions
from repro_assets.errors import ReproError
from repro_assets.resources.raw.raw_tables import RawTables
from repro_assets_tests.unit.delta_log import ADDED_ROWS, commit_file, log_file, write_commit

LONG_AGO = 1_600_000_000


def key(cases: int, jobs: int) -> str:
    return f"covid_cases-v{cases:06d}--job_changes-v{jobs:06d}"


class Daemon:
    """What Dagster's daemon does with a tick: evaluate it, add the partitions, and keep the cursor."""

    def __init__(self, lake: Path, instance: dg.DagsterInstance) -> None:
        self.lake = lake
        self.instance = instance
        self.cursor: str | None = None

    def answer(self) -> dg.SensorResult:
        """Evaluate a tick and do nothing with it."""
        resources = {"raw_tables": RawTables(lake=f"file://{self.lake}")}
        with dg.build_sensor_context(instance=self.instance, cursor=self.cursor, resources=resources) as context:
            return new_data_versions(context)

    def tick(self) -> dg.SensorResult:
        """Evaluate a tick and carry it out, short of starting the runs."""
        answer = self.answer()
        for request in answer.dynamic_partitions_requests or ():
            self.instance.add_dynamic_partitions(request.partitions_def_name, list(request.partition_keys))
        # As Dagster: an answer without a cursor leaves the one that is there.
        self.cursor = answer.cursor or self.cursor
        return answer

    def requested(self) -> list[str]:
        """Keys that a tick requests."""
        return [str(request.partition_key) for request in self.tick().run_requests or ()]


def publish(daemon: Daemon, table: str, version: int, timestamp: int) -> Path:
    return write_commit(daemon.lake, table, version, commit_file(ADDED_ROWS, timestamp=timestamp))


def said(answer: dg.SensorResult) -> str:
    assert answer.skip_reason is not None
    return str(answer.skip_reason.skip_message)


def settle(daemon: Daemon) -> None:
    """As if nobody had touched the logs for long."""
    for table in ("covid_cases", "job_changes"):
        os.utime(log_file(daemon.lake, table, 0).parent, (LONG_AGO, LONG_AGO))


def refused(daemon: Daemon, error: type[ReproError]) -> str:
    """A tick that fails with one line, registers nothing and keeps the cursor; returns the line."""
    keys, cursor = registered(daemon.instance), daemon.cursor
    with pytest.raises(error) as caught:
        daemon.tick()
    assert "\n" not in str(caught.value)
    assert (registered(daemon.instance), daemon.cursor) == (keys, cursor)
    return str(caught.value)
