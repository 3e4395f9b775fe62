"""Two assets that log to MLflow as a test tells them to, materialized by Dagster for real."""

from __future__ import annotations

from collections.abc import Callable

import dagster as dg

from repro_assets.resources.tracking.resource import RunTracker, TrackerFactory
from repro_assets_tests.integration.mlflow_store import SqliteStore

EXPERIMENT = "a study"
KEY = "covid_cases-v000001--job_changes-v000000"
FINGERPRINT = "ab" * 32


Body = Callable[[RunTracker], None]
PARTITIONS = dg.StaticPartitionsDefinition([KEY, "other"])


def materialize(
    instance: dg.DagsterInstance,
    first: Body | None = None,
    second: Body | None = None,
    *,
    raise_on_error: bool = False,
    uri: str | None = None,
    tags: dict[str, str] | None = None,
) -> dg.ExecuteInProcessResult:
    @dg.asset(partitions_def=PARTITIONS, name="first")
    def first_asset(mlflow: dg.ResourceParam[RunTracker]) -> None:
        (first or nothing)(mlflow)

    @dg.asset(partitions_def=PARTITIONS, name="second", deps=[first_asset])
    def second_asset(mlflow: dg.ResourceParam[RunTracker]) -> None:
        (second or nothing)(mlflow)

    return dg.materialize(
        [first_asset, second_asset],
        resources={"mlflow": TrackerFactory(experiment_name=EXPERIMENT, tracking_uri=uri)},
        instance=instance,
        partition_key=KEY,
        raise_on_error=raise_on_error,
        tags=tags,
    )


def states(store: SqliteStore) -> dict[str, str]:
    return {name: run.info.status for name, run in store.runs(EXPERIMENT).items()}


def nothing(mlflow: RunTracker) -> None:
    """An asset that has nothing to say to MLflow."""


def logs(name: str, value: float = 1.0) -> Body:
    return lambda mlflow: mlflow.log_metric(name, value)


def fails(mlflow: RunTracker) -> None:
    mlflow.log_metric("before", 1.0)
    raise ValueError("the user's own error")


def interrupted(mlflow: RunTracker) -> None:
    mlflow.log_metric("before", 1.0)
    raise KeyboardInterrupt
