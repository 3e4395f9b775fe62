"""The reaper: closes Dagster and MLflow runs whose process is gone.

A killed Dagster run stays STARTED otherwise and blocks the queue; a killed MLflow run stays RUNNING for good.
Runs of other hosts are left alone: nothing is known about them here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import dagster as dg

from repro_assets.defs.run_pins import OWNER_TAG
from repro_assets.experiment import EXPERIMENT
from repro_assets.resources.process_owner import is_alive, parse_owner
from repro_assets.resources.tracking_store import connect, sqlite_file
from repro_assets.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Sequence

_UNFINISHED = [dg.DagsterRunStatus.STARTING, dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.CANCELING]


def reap(instance: dg.DagsterInstance, settings: Settings) -> list[str]:
    """Close what was left open; returns a line per run that was closed."""
    return [
        *(f"closed Dagster run {run_id}: its process is gone" for run_id in reap_dagster(instance)),
        *_mlflow(settings),
    ]


def reap_dagster(instance: dg.DagsterInstance) -> Sequence[str]:
    """End as FAILURE every unfinished run of this host whose process no longer exists; returns their ids."""
    closed = []
    for run in instance.get_runs(dg.RunsFilter(statuses=_UNFINISHED)):
        if is_alive(parse_owner(run.tags.get(OWNER_TAG))) is False:
            instance.report_run_failed(run, message="The process of this run is gone; closed by the reaper.")
            closed.append(run.run_id)
    return closed


def _mlflow(settings: Settings) -> list[str]:
    database = sqlite_file(settings.mlflow_tracking_uri)
    if database is not None and not database.exists():
        return []
    from repro_assets.resources.tracking_reaper import reap_mlflow

    closed = reap_mlflow(connect(settings.mlflow_tracking_uri), EXPERIMENT.name)
    return [f"closed MLflow run {run_id}: its process is gone" for run_id in closed]
