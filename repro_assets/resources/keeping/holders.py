"""Who needs which data version: manifests in MLflow, people (`repro pin`), aliases of the registry, runs under way."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

import dagster as dg

from repro_assets.pins.retention import Holder
from repro_assets.resources import storage
from repro_assets.resources.raw.raw_tables import KEPT_MARK, PINS
from repro_assets.resources.tracking.champions import CHAMPION
from repro_assets.resources.tracking.store import speaking_of

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run
    from mlflow.entities.model_registry import RegisteredModel

MANIFEST_TAG = "repro.manifest"
KEY_TAG = "repro.data_version"
_PAGE = 500
_PARTITION = "dagster/partition"
_OPEN = ("RUNNING", "SCHEDULED")
_UNFINISHED = [
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
]


def all_holders(
    client: MlflowClient, experiments: Sequence[str], lake: str, instance: dg.DagsterInstance
) -> list[Holder]:
    """Everybody who needs a data version.

    Args:
        client: Bound to the store.
        experiments: Ids of all experiments of the store.
        lake: URI of the lake that keeps the pins (`RawTables.records`).
        instance: Dagster's history; call the reaper first, or runs whose process is gone count as under way.

    Raises:
        Outside: A store does not answer: then nothing may be removed.
    """
    # Runs under way first: one that ends in between has recorded its manifest by the time that manifests are read.
    under_way = of_runs(instance)
    with speaking_of(client.tracking_uri):
        runs = list(all_runs(client, experiments))
    return [
        *of_manifests(run for run in runs if MANIFEST_TAG in run.data.tags),
        *of_aliases(client),
        *of_people(lake),
        *of_unfinished(runs),
        *under_way,
    ]


def manifest_runs(client: MlflowClient, experiment: str) -> list[Run]:
    """Every run, parent or nested, whose manifest is recorded and that was not deleted.

    Raises:
        Outside: The store failed.
    """
    with speaking_of(client.tracking_uri):
        return [run for run in all_runs(client, [experiment]) if MANIFEST_TAG in run.data.tags]


def all_runs(
    client: MlflowClient, experiments: Sequence[str], *, where: str = "", deleted: bool = False
) -> Iterator[Run]:
    """Every run of some experiments, oldest first.

    Args:
        client: Bound to the store.
        experiments: Their ids.
        where: A filter in MLflow's words.
        deleted: Also those that were deleted.
    """
    token: str | None = None
    while True:
        page = client.search_runs(
            list(experiments),
            filter_string=where,
            run_view_type=3 if deleted else 1,  # mlflow.entities.ViewType: ALL, ACTIVE_ONLY
            max_results=_PAGE,
            order_by=["attributes.start_time ASC"],
            page_token=token,
        )
        yield from page
        token = page.token
        if not token:
            return


def of_manifests(runs: Iterable[Run]) -> list[Holder]:
    """A holder per run: nested ones speak for their parent."""
    found = {}
    for run in runs:
        key = run.data.tags.get(KEY_TAG)
        if key is not None:
            parent = run.data.tags.get("mlflow.parentRunId", run.info.run_id)
            found[key, parent] = Holder(key, f"run {parent}")
    return list(found.values())


def of_aliases(client: MlflowClient) -> list[Holder]:
    """A holder per alias of a registered model that names its data version."""
    found = []
    with speaking_of(client.tracking_uri):
        for model in registered_models(client):
            for alias, number in sorted(model.aliases.items()):
                key = client.get_model_version(model.name, str(number)).tags.get(KEY_TAG)
                if key is not None:
                    who = f"alias {alias} of {model.name}"
                    found.append(Holder(key, who, champion=alias == CHAMPION))
    return found


def registered_models(client: MlflowClient) -> Iterator[RegisteredModel]:
    """Every registered model of a store, however many there are."""
    token: str | None = None
    while True:
        page = client.search_registered_models(max_results=_PAGE, page_token=token)
        yield from page
        token = page.token
        if not token:
            return


def of_people(lake: str) -> list[Holder]:
    """A holder per data version that `repro pin` marked."""
    pins = storage.join(lake, PINS)
    return [Holder(key, "pinned") for key in storage.names(pins) if KEPT_MARK in storage.names(storage.join(pins, key))]


def of_unfinished(runs: Iterable[Run]) -> list[Holder]:
    """A holder per MLflow run that has not ended: of a reproduction, a probe or another installation too."""
    return [
        Holder(key, f"MLflow run {run.info.run_id}, under way", running=True)
        for run in runs
        if run.info.status in _OPEN and (key := run.data.tags.get(KEY_TAG)) is not None
    ]


def of_runs(instance: dg.DagsterInstance) -> list[Holder]:
    """A holder per Dagster run that has not ended."""
    runs = instance.get_runs(dg.RunsFilter(statuses=_UNFINISHED))
    return [
        Holder(run.tags[_PARTITION], f"Dagster run {run.run_id}, under way", running=True)
        for run in runs
        if _PARTITION in run.tags
    ]
