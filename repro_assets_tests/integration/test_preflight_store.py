"""What preflight asks of MLflow, and what it asks of others, over a real store. No JVM."""

from __future__ import annotations

from pathlib import Path

import dagster as dg
import pytest

from repro_assets import settings as settings_module
from repro_assets.experiment import EXPERIMENT
from repro_assets.pins.data import CommitPin
from repro_assets.resources.raw.raw_tables import RawTables
from repro_assets.resources.tracking.store import connect, initialise
from repro_assets.verbs.preflight import preflight
from repro_assets_tests.integration.recorded_runs import record_run


class OnAFailingDisk(RawTables):
    """Raw tables whose reading fails in a way that nobody foresaw."""

    def check(self, pin: CommitPin) -> None:
        raise OSError("Couldn't deserialize thrift")


def test_what_fails_where_tables_are_read_is_not_blamed_on_mlflow(tmp_path: Path) -> None:
    here = settings_module.load({"REPRO_VAR": str(tmp_path)})
    experiment = initialise(here, EXPERIMENT.name)
    record_run(connect(here.mlflow_tracking_uri), experiment)

    with dg.DagsterInstance.ephemeral() as instance, pytest.raises(OSError, match="deserialize thrift"):
        preflight(None, here, instance, OnAFailingDisk(lake=here.lake))
