"""The Dagster resource `mlflow`: a `dagster_mlflow.MlFlow` whose runs are opened late and ended by Dagster's event log.

Stock, that class opens a process-wide run at start-up, leaves it active, attaches the next Dagster run to it and ends
failed runs FINISHED. Here start-up and clean-up are replaced (`tracking_runs`), and so is every call that needs a run
(`tracking.fluent`). Importing this module imports neither mlflow nor dagster_mlflow.
"""

from __future__ import annotations

import dataclasses
import functools
import types
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import dagster as dg

from repro_assets import settings as settings_module
from repro_assets.resources.tracking import models as tracking_models
from repro_assets.resources.tracking.fluent import FlavorInRun, FluentRuns
from repro_assets.resources.tracking.records import (
    DatasetRecord,
    as_dataset_input,
    checked_metrics,
    checked_params,
    checked_tags,
    log_documents,
)
from repro_assets.resources.tracking.store import process_default, quiet_environment, speaking_of

if TYPE_CHECKING:
    from repro_assets.resources.tracking.models import TrackedModel
    from repro_assets.settings import Settings


class RunTracker(FluentRuns):
    """What an asset gets under the name `mlflow`: its own nested run, written to in a few large calls."""

    def log_stage(
        self,
        run_id: str,
        *,
        params: Mapping[str, Any] | None = None,
        metrics: Mapping[str, float] | None = None,
        tags: Mapping[str, Any] | None = None,
        datasets: Sequence[DatasetRecord] = (),
        documents: Mapping[str, str | bytes] | None = None,
        model_id: str | None = None,
    ) -> None:
        """Write all there is to say about one stage: documents, datasets, then one batch of the rest.

        Everything is checked before anything is written.

        Args:
            run_id: Nested (or parent) run.
            params: Values are written as text.
            metrics: Finite numbers.
            tags: Values are written as text.
            datasets: Tables read and written.
            documents: File name → content, as artifacts.
            model_id: Logged model that the metrics are about.

        Raises:
            BadInput: A value that MLflow would cut, a metric that is not finite, a document's name that escapes.
            TrackingUnreachable: The store does not answer.
            Outside: The store failed.
        """
        numbers = checked_metrics(metrics or {}, model_id)
        texts, labels = checked_params(params or {}), checked_tags(tags or {})
        inputs = [as_dataset_input(record) for record in datasets]
        with speaking_of(self.tracking_uri):
            log_documents(self.tracking_client, run_id, documents or {})
            if inputs:
                self.tracking_client.log_inputs(run_id, inputs)
            if numbers or texts or labels:
                self.tracking_client.log_batch(run_id, metrics=numbers, params=texts, tags=labels)

    def log_dataset(self, run_id: str, record: DatasetRecord) -> None:
        """Record one table that the run read or wrote.

        Raises:
            BadInput: The record is not one that MLflow can keep whole.
            Outside: The store failed.
        """
        self.log_stage(run_id, datasets=[record])

    def log_sklearn_model(
        self,
        run_id: str,
        model: Any,
        *,
        requirements: Sequence[str],
        trusted_types: Sequence[str],
        name: str = "model",
        input_columns: Sequence[tuple[str, str]] = (),
        output_type: str = "long",
        params: Mapping[str, Any] | None = None,
        tags: Mapping[str, Any] | None = None,
    ) -> TrackedModel:
        """Store a fitted scikit-learn model in skops format under the run; see `tracking_models.log_sklearn_model`."""
        return tracking_models.log_sklearn_model(
            self.tracking_client,
            run_id,
            model,
            name=name,
            requirements=requirements,
            trusted_types=trusted_types,
            input_columns=input_columns,
            output_type=output_type,
            params=params,
            tags=tags,
        )

    def log_spark_model(
        self,
        run_id: str,
        files: Mapping[str, bytes],
        *,
        requirements: Sequence[str],
        name: str = "model",
        input_columns: Sequence[tuple[str, str]] = (),
        params: Mapping[str, Any] | None = None,
        tags: Mapping[str, Any] | None = None,
    ) -> TrackedModel:
        """Store a Spark ML pipeline under the run; see `tracking_models.log_spark_model`."""
        return tracking_models.log_spark_model(
            self.tracking_client,
            run_id,
            files,
            name=name,
            requirements=requirements,
            input_columns=input_columns,
            params=params,
            tags=tags,
        )


class TrackerFactory(dg.ConfigurableResource[RunTracker]):
    """Hands assets a `RunTracker` that is also a `dagster_mlflow.MlFlow`.

    Creating it makes no MLflow run and does not touch the store.
    An asset asks for it as `mlflow: dg.ResourceParam[RunTracker]`.

    Attributes:
        experiment_name: MLflow experiment; not one that the stock resource writes to.
        tracking_uri: Store; by default the installation's (`MLFLOW_TRACKING_URI`).
    """

    experiment_name: str
    tracking_uri: str | None = None

    def create_resource(self, context: dg.InitResourceContext) -> RunTracker:
        """Build the tracker of one Dagster run."""
        return _tracker_class()(
            self._settings(), self.experiment_name, run=context.run, instance=context.instance, log=context.log
        )

    @contextmanager
    def yield_for_execution(self, context: dg.InitResourceContext) -> Iterator[RunTracker]:
        """Hand out the tracker, then end its runs by what Dagster's event log says.

        Raises:
            Outside: The runs could not be ended, and the work itself had not failed.
        """
        tracker = self.create_resource(context)
        with process_default(tracker.tracking_uri):
            try:
                yield tracker
            except BaseException as error:
                _close_quietly(tracker, error)
                raise
            tracker.close()

    def _settings(self) -> Settings:
        loaded = settings_module.load()
        return dataclasses.replace(loaded, mlflow_tracking_uri=self.tracking_uri) if self.tracking_uri else loaded


def _close_quietly(tracker: RunTracker, error: BaseException) -> None:
    """End the runs without hiding the error that is on its way."""
    try:
        tracker.close(error)
    except Exception as trouble:  # noqa: BLE001 - logged; the user's own error must be the one that arrives
        tracker.log.error("The MLflow runs of this Dagster run could not be ended: %s", trouble)


@functools.cache
def _tracker_class() -> type[RunTracker]:
    """The class that is both ours and dagster-mlflow's; built late, since importing that takes seconds."""
    quiet_environment()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", dg.BetaWarning)  # dagster-mlflow warns of itself when imported
        from dagster_mlflow.resources import MlFlow
    import mlflow
    from mlflow.utils.lazy_load import LazyLoader

    def in_run(module: Any) -> property:
        return property(lambda self: FlavorInRun(module, self))

    def is_flavor(value: object) -> bool:
        loaded = isinstance(value, types.ModuleType) and "log_model" in vars(value)
        return isinstance(value, LazyLoader) or loaded

    wrapped = {name: in_run(value) for name, value in vars(mlflow).items() if is_flavor(value)}
    # `__init__` is ours: MlFlow's own would open a run.
    return types.new_class(
        "MlFlowRunTracker",
        (RunTracker, MlFlow),
        exec_body=lambda body: body.update(__doc__=RunTracker.__doc__, **wrapped),
    )
