"""`repro preflight`: whether a past result can still be run again, and until when. Computes nothing, starts no JVM."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from repro_assets.errors import BadInput, Blocked
from repro_assets.experiment import EXPERIMENT
from repro_assets.resources.keeping.belonging import open_records
from repro_assets.resources.reproduction.preflight import EnvironmentCheck, RunPreflight, Surroundings, usable
from repro_assets.resources.tracking.run_lookup import REPRODUCES_TAG, find_parent
from repro_assets.resources.tracking.store import speaking_of

if TYPE_CHECKING:
    import dagster as dg
    from mlflow import MlflowClient
    from mlflow.entities import Run

    from repro_assets.resources.raw.raw_tables import RawTables
    from repro_assets.settings import Settings

SCHEMA = "repro-preflight/1"
_MANIFEST_TAG = "repro.manifest"
_PAGE = 500
_NAMED_AT_MOST = 3


def preflight(
    run: str | None,
    settings: Settings,
    instance: dg.DagsterInstance,
    tables: RawTables,
    environment: EnvironmentCheck = usable,
) -> list[RunPreflight]:
    """Look at one run, or at every run that has a manifest.

    Args:
        run: MLflow run id (a nested one means its parent), Dagster run id, or a data version for its newest; None for
            every run that computed something, oldest first. What a manifest names is among them.
        settings: Names the store.
        instance: Dagster's history.
        tables: The raw tables as they stand now.
        environment: Whether an environment is made, or can be.

    Raises:
        BadInput: There is no such run; or outputs stand in the lake and the MLflow store is another one than theirs.
        Outside: The MLflow store does not answer.
    """
    store = open_records(settings, EXPERIMENT.name, lake=settings.lake)
    if store is None:
        if run:
            raise BadInput("there is no such run: none was recorded yet", where=settings.var, stored=repr(run)[:80])
        return []
    client = store.client
    around = Surroundings(settings, tables, client, datetime.now(UTC), environment)
    with speaking_of(settings.mlflow_tracking_uri):
        parents = [find_parent(client, store.own, run, instance)] if run else list(_with_manifest(client, store.own))
    # Outside of it: what fails where tables and files are read is none of MLflow's.
    return [around.preflight(parent) for parent in parents]


def document(rows: Iterable[RunPreflight]) -> dict[str, Any]:
    """The `preflight` document."""
    runs = [
        {
            "mlflow_run_id": row.mlflow_run_id,
            "data_version": row.data_version,
            "ready": row.answer.ready,
            "until": row.answer.until.isoformat() if row.answer.until else None,
            "because": row.answer.because,
            "reasons": list(row.answer.reasons),
            "notes": list(row.answer.notes),
        }
        for row in rows
    ]
    return {"schema": SCHEMA, "runs": runs}


def require_ready(rows: Sequence[RunPreflight]) -> None:
    """Turn blocked runs into an exit code, after everything was printed.

    Raises:
        Blocked: At least one run can't be run again.
    """
    blocked = [row for row in rows if not row.answer.ready]
    if blocked:
        raise Blocked(
            "can't be run again" if len(rows) == 1 else f"{len(blocked)} of {len(rows)} runs can't be run again",
            where=", ".join(row.mlflow_run_id for row in blocked[:_NAMED_AT_MOST]),
            stored="the reasons listed above",
        )


def _with_manifest(client: MlflowClient, experiment: str) -> Iterator[Run]:
    """Parent runs that computed something, oldest first; runs that reproduce another one are none of them."""
    token: str | None = None
    while True:
        page = client.search_runs(
            [experiment], max_results=_PAGE, order_by=["attributes.start_time ASC"], page_token=token
        )
        for run in page:
            if _MANIFEST_TAG in run.data.tags and not {"mlflow.parentRunId", REPRODUCES_TAG} & set(run.data.tags):
                yield run
        token = page.token
        if not token:
            return
