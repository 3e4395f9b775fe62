"""Runs that stay open because nothing is known of their process: of another host, or without an owner.

What the reaper can close it closes; these are left to a person.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

import dagster as dg

from repro_assets.resources.keeping.holders import all_runs
from repro_assets.resources.process_owner import is_alive, parse_owner
from repro_assets.resources.tracking.store import connect, speaking_of, sqlite_file
from repro_assets.settings import Settings

_OWNER = "repro.owner"
_STARTED = [dg.DagsterRunStatus.STARTING, dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.CANCELING]


def unfinished_dagster(instance: dg.DagsterInstance, before: datetime) -> Iterator[tuple[str, str]]:
    """Dagster runs begun before a moment: the name of each, and what to do."""
    for record in instance.get_run_records(dg.RunsFilter(statuses=_STARTED)):
        run = record.dagster_run
        created = record.create_timestamp.replace(tzinfo=UTC)
        if created < before and is_alive(parse_owner(run.tags.get(_OWNER))) is None:
            yield f"Dagster run {run.run_id}", "If it is over, terminate it on the page (force termination)"


def unfinished_mlflow(settings: Settings, experiment: str, before: datetime) -> Iterator[tuple[str, str]]:
    """MLflow runs begun before a moment: the name of each, and what to do.

    Raises:
        Outside: The store failed.
    """
    database = sqlite_file(settings.mlflow_tracking_uri)
    if database is not None and not database.exists():
        return
    client = connect(settings.mlflow_tracking_uri)
    with speaking_of(settings.mlflow_tracking_uri):
        found = client.get_experiment_by_name(experiment)
        for run in all_runs(client, [found.experiment_id]) if found else ():
            begun = datetime.fromtimestamp((run.info.start_time or 0) / 1000, UTC)
            if run.info.status != "RUNNING" or begun >= before:
                continue
            if is_alive(parse_owner(run.data.tags.get(_OWNER))) is None:
                yield (
                    f"MLflow run {run.info.run_id}",
                    f"If it is over: `mlflow runs delete --run-id {run.info.run_id}`, or end it by the client",
                )
