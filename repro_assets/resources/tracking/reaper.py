"""Closes MLflow runs whose process is gone: a killed process leaves its runs RUNNING for good otherwise."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from repro_assets.resources.process_owner import current_owner, is_alive, parse_owner
from repro_assets.resources.tracking.outcome import read_outcome
from repro_assets.resources.tracking.store import speaking_of

if TYPE_CHECKING:
    import dagster as dg
    from mlflow import MlflowClient
    from mlflow.entities import Run

_PAGE = 500


def reap_mlflow(client: MlflowClient, experiment: str, instance: dg.DagsterInstance | None = None) -> list[str]:
    """End every RUNNING run of this host whose process no longer exists.

    A nested run whose asset is materialized in Dagster's event log ends FINISHED: it was done, and is reused. All
    others end FAILED.

    Runs of other hosts, and runs that carry no owner, are left: nothing is known about them here.

    Args:
        client: Bound to the store.
        experiment: The experiment's name; one that does not exist has nothing to reap.
        instance: Dagster's history; without it nothing is known to be done.

    Returns:
        The ids of the runs that were ended, oldest first.

    Raises:
        Outside: The store failed.
    """
    with speaking_of(client.tracking_uri):
        found = client.get_experiment_by_name(experiment)
        if found is None:
            return []
        # Read to the end before anything changes: the pages are cut from the very query that reaping empties.
        orphans = [run for run in _running(client, found.experiment_id) if _is_orphan(run)]
        stamp = json.dumps({"at": datetime.now(UTC).isoformat(timespec="seconds"), "by": current_owner()})
        for run in orphans:
            # The tag first: if this process dies in between, the run is still RUNNING and found again.
            client.set_tag(run.info.run_id, "repro.reaped", stamp)
            client.set_terminated(run.info.run_id, status="FINISHED" if _is_done(run, instance) else "FAILED")
    return [run.info.run_id for run in orphans]


def _running(client: MlflowClient, experiment_id: str) -> Iterator[Run]:
    token: str | None = None
    while True:
        page = client.search_runs(
            [experiment_id],
            filter_string="attributes.status = 'RUNNING'",
            order_by=["attributes.start_time ASC"],
            max_results=_PAGE,
            page_token=token,
        )
        yield from page
        token = page.token
        if not token:
            return


def _is_done(run: Run, instance: dg.DagsterInstance | None) -> bool:
    asset, dagster_run = run.data.tags.get("repro.asset"), run.data.tags.get("dagster_run_id")
    if instance is None or asset is None or dagster_run is None:
        return False
    return asset in read_outcome(instance, dagster_run).materialized


def _is_orphan(run: Run) -> bool:
    return is_alive(parse_owner(run.data.tags.get("repro.owner"))) is False
