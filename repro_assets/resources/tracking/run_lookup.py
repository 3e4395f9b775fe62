"""Which MLflow run a person means by a run id, nested or Dagster's, or by a data version."""

from __future__ import annotations

from typing import TYPE_CHECKING

import dagster as dg

from repro_assets.errors import BadInput
from repro_assets.pins.run_name import DAGSTER_ID, DATA_VERSION, MLFLOW_ID, no_such_run

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

# Tag of an MLflow run that reproduces another one: never meant by a data version or a Dagster run.
REPRODUCES_TAG = "repro.reproduces"
# Tag that names what was replaced on purpose in such a run.
SWAPPED_TAG = "repro.swapped"


def find_parent(client: MlflowClient, experiment: str, run: str, instance: dg.DagsterInstance) -> Run:
    """The parent run that a person means by a run id or key.

    A Dagster run that reused everything has no MLflow run of its own: the one that computed is meant.
    A key means its newest run that finished.

    Raises:
        BadInput: There is none.
    """
    if MLFLOW_ID.fullmatch(run):
        found = _by_id(client, run)
    elif DAGSTER_ID.fullmatch(run):
        found = _of_dagster_run(client, experiment, run) or _computed_by(client, run, instance)
    elif DATA_VERSION.fullmatch(run):
        found = _newest(client, experiment, "repro.data_version", run, status="FINISHED")
    else:
        found = None
    if found is None:
        raise no_such_run(run)
    return found


def newest_parent(client: MlflowClient, experiment: str, asset: str) -> Run:
    """The newest run that finished and computed an asset, of whatever data version.

    Raises:
        BadInput: There is none.
    """
    wanted = f"tags.`repro.asset` = '{asset}' AND attributes.status = 'FINISHED'"
    nested = client.search_runs([experiment], filter_string=wanted, order_by=["attributes.start_time DESC"])
    parents = (client.get_run(run.data.tags["mlflow.parentRunId"]) for run in nested)
    found = next((parent for parent in parents if parent.info.status == "FINISHED"), None)
    if found is None:
        raise BadInput(f"no run that computed {asset} has finished yet", fix="`repro run KEY` makes one")
    return found


def _by_id(client: MlflowClient, run_id: str) -> Run | None:
    from mlflow.exceptions import MlflowException

    try:
        run = client.get_run(run_id)
    except MlflowException as error:
        if error.error_code == "RESOURCE_DOES_NOT_EXIST":
            return None
        raise
    return _meant(client, run)


def _meant(client: MlflowClient, run: Run) -> Run:
    """The run that holds the stages: of a nested one its parent, of a reproduction its original.

    Raises:
        BadInput: It is a reproduction with components replaced: it is neither itself a run of the chain, nor its
            original.
    """
    tags = run.data.tags
    if SWAPPED_TAG in tags:
        raise BadInput(
            "this run holds a verdict with components replaced, not a result of its own",
            where=run.info.run_id,
            stored=f"replaced: {tags[SWAPPED_TAG]}",
            fix=f"Its original is {tags.get(REPRODUCES_TAG)}",
        )
    above = tags.get("mlflow.parentRunId") or tags.get(REPRODUCES_TAG)
    return client.get_run(above) if above else run


def _newest(
    client: MlflowClient, experiment: str, tag: str, value: str | None, status: str | None = None
) -> Run | None:
    """The newest original run with this tag; with any value of it where none is given."""
    wanted = (f"tags.`{tag}` = '{value}'" if value is not None else f"tags.`{tag}` LIKE '%'") + (
        f" AND attributes.status = '{status}'" if status else ""
    )
    runs = client.search_runs([experiment], filter_string=wanted, order_by=["attributes.start_time DESC"])
    originals = (run for run in runs if not {"mlflow.parentRunId", REPRODUCES_TAG} & set(run.data.tags))
    return next(originals, None)


def _of_dagster_run(client: MlflowClient, experiment: str, run: str) -> Run | None:
    found = client.search_runs([experiment], filter_string=f"tags.`dagster_run_id` = '{run}'")
    return _meant(client, found[0]) if found else None


def _computed_by(client: MlflowClient, dagster_run: str, instance: dg.DagsterInstance) -> Run | None:
    entries = instance.all_logs(dagster_run, of_type=dg.DagsterEventType.ASSET_MATERIALIZATION)
    for entry in reversed(entries):
        event = entry.dagster_event
        origin = event.materialization.metadata.get("mlflow_parent_run_id") if event else None
        if origin is not None:
            return _by_id(client, str(origin.value))
    return None
