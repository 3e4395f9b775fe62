"""The reaper: closes Dagster and MLflow runs whose process is gone.

A killed Dagster run stays STARTED otherwise and blocks the queue; a killed MLflow run stays RUNNING for good.
Runs of other hosts are left alone: nothing is known about them here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from repro_assets.defs.reaper import reap_dagster
from repro_assets.experiment import EXPERIMENT
from repro_assets.resources.tracking.store import connect, sqlite_file
from repro_assets.settings import Settings

if TYPE_CHECKING:
    import dagster as dg


def reap(instance: dg.DagsterInstance, settings: Settings) -> list[str]:
    """Close what was left open; returns a line per run that was closed."""
    return [
        *(f"closed Dagster run {run_id}: its process is gone" for run_id in reap_dagster(instance)),
        *_mlflow(instance, settings),
    ]


def _mlflow(instance: dg.DagsterInstance, settings: Settings) -> list[str]:
    database = sqlite_file(settings.mlflow_tracking_uri)
    if database is not None and not database.exists():
        return []
    from repro_assets.resources.tracking.reaper import reap_mlflow

    closed = reap_mlflow(connect(settings.mlflow_tracking_uri), EXPERIMENT.name, instance)
    return [f"closed MLflow run {run_id}: its process is gone" for run_id in closed]
