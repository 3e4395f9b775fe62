"""MLflow's fluent calls (`mlflow.log_metric(…)`) in a user's own asset, each landing in that asset's nested run.

dagster-mlflow's `MlFlow` copies every function of the `mlflow` module onto its class. Those that would write to, open or
end a process-wide active run are replaced here: by the same call on the current asset's run, or by a clear refusal.
"""

from __future__ import annotations

import inspect
import time
from collections.abc import Callable, Mapping, Sequence
from types import ModuleType
from typing import TYPE_CHECKING, Any

from repro_assets.errors import BadInput
from repro_assets.resources.tracking.outcome import running_step
from repro_assets.resources.tracking.records import DatasetRecord, as_dataset_input, checked_params, checked_tags
from repro_assets.resources.tracking.runs import RunLifecycle
from repro_assets.resources.tracking.store import load_model_formats, redacted, speaking_of

if TYPE_CHECKING:
    from mlflow.entities import DatasetInput, Experiment, Run

_LOG_INSTEAD = "Use `log_params`, `log_metrics`, `log_artifact`, …: they write to this asset's own run"


def _in_current_run(name: str) -> Callable[..., Any]:
    """The client's call of that name, whose first argument is the run: the current asset's unless one is given."""

    def call(self: FluentRuns, *args: Any, run_id: str | None = None, **kwargs: Any) -> Any:
        target = run_id or self.current_run()
        with speaking_of(self.tracking_uri):
            return getattr(self.tracking_client, name)(target, *args, **kwargs)

    call.__name__ = call.__qualname__ = name
    call.__doc__ = f"`mlflow.{name}`, into the current asset's run."
    return call


def _refused(name: str, fix: str) -> Callable[..., Any]:
    def call(*_: Any, **__: Any) -> Any:
        raise BadInput(f"`mlflow.{name}` works on a process-wide run, which there is none of here", fix=fix)

    call.__name__ = call.__qualname__ = name
    call.__doc__ = f"Refused: `mlflow.{name}` works on a process-wide run."
    return call


class FluentRuns(RunLifecycle):
    """The fluent functions of MLflow that need a run, on the current asset's."""

    log_artifact = _in_current_run("log_artifact")
    log_artifacts = _in_current_run("log_artifacts")
    log_text = _in_current_run("log_text")
    log_dict = _in_current_run("log_dict")
    log_figure = _in_current_run("log_figure")
    log_image = _in_current_run("log_image")
    log_table = _in_current_run("log_table")
    log_stream = _in_current_run("log_stream")
    log_outputs = _in_current_run("log_outputs")
    delete_tag = _in_current_run("delete_tag")

    start_run = _refused("start_run", _LOG_INSTEAD)
    autolog = _refused("autolog", _LOG_INSTEAD)
    evaluate = _refused("evaluate", "Compute the metrics and use `log_metrics`")
    run = _refused("run", "Start projects outside of Dagster")
    import_checkpoints = _refused("import_checkpoints", _LOG_INSTEAD)

    def log_param(self, key: str, value: Any, synchronous: bool | None = None) -> Any:
        """`mlflow.log_param`; a value that MLflow would cut is refused."""
        self.log_params({key: value}, synchronous)
        return value

    def log_params(self, params: Mapping[str, Any], synchronous: bool | None = None, run_id: str | None = None) -> Any:
        """`mlflow.log_params`; a value that MLflow would cut is refused."""
        return self._batch(run_id, params=checked_params(params), synchronous=synchronous)

    def log_metric(
        self,
        key: str,
        value: float,
        step: int | None = None,
        synchronous: bool | None = None,
        timestamp: int | None = None,
        run_id: str | None = None,
        model_id: str | None = None,
        dataset: Any = None,
    ) -> Any:
        """`mlflow.log_metric`."""
        return self.log_metrics({key: value}, step, synchronous, run_id, timestamp, model_id, dataset)

    def log_metrics(
        self,
        metrics: Mapping[str, float],
        step: int | None = None,
        synchronous: bool | None = None,
        run_id: str | None = None,
        timestamp: int | None = None,
        model_id: str | None = None,
        dataset: Any = None,
    ) -> Any:
        """`mlflow.log_metrics`."""
        from mlflow.entities import Metric

        about = {} if dataset is None else {"dataset_name": dataset.name, "dataset_digest": dataset.digest}
        at = timestamp or int(time.time() * 1000)
        entries = [Metric(key, value, at, step or 0, model_id=model_id, **about) for key, value in metrics.items()]
        return self._batch(run_id, metrics=entries, synchronous=synchronous)

    def set_tag(self, key: str, value: Any, synchronous: bool | None = None) -> Any:
        """`mlflow.set_tag`; a value that MLflow would cut is refused."""
        return self.set_tags({key: value}, synchronous)

    def set_tags(self, tags: Mapping[str, Any], synchronous: bool | None = None) -> Any:
        """`mlflow.set_tags`; a value that MLflow would cut is refused."""
        return self._batch(None, tags=checked_tags(tags), synchronous=synchronous)

    def log_input(
        self,
        dataset: Any = None,
        context: str | None = None,
        tags: Mapping[str, str] | None = None,
        model: Any = None,
    ) -> None:
        """`mlflow.log_input`; also takes a `DatasetRecord`."""
        self.log_inputs([dataset], [context], [tags], [model])

    def log_inputs(
        self,
        datasets: Sequence[Any] | None = None,
        contexts: Sequence[str | None] | None = None,
        tags_list: Sequence[Mapping[str, str] | None] | None = None,
        models: Sequence[Any] | None = None,
    ) -> None:
        """`mlflow.log_inputs`; also takes `DatasetRecord`s."""
        given = list(datasets or [])
        described = zip(given, _padded(contexts, given), _padded(tags_list, given), strict=True)
        inputs = [_as_input(*one) for one in described if one[0] is not None]
        run_id = self.current_run()
        with speaking_of(self.tracking_uri):
            self.tracking_client.log_inputs(run_id, inputs, [model for model in models or [] if model is not None])

    def active_run(self) -> Run | None:
        """The current asset's run as MLflow has it; None outside of an asset."""
        if running_step() is None and self._book.current is None:
            return None
        with speaking_of(self.tracking_uri):
            return self.tracking_client.get_run(self.current_run())

    def last_active_run(self) -> Run | None:
        """The same as `active_run`: an asset has one run."""
        return self.active_run()

    def get_artifact_uri(self, artifact_path: str | None = None) -> str:
        """`mlflow.get_artifact_uri` of the current asset's run."""
        run = self.active_run()
        root = "" if run is None else run.info.artifact_uri
        return f"{root}/{artifact_path}" if artifact_path else root

    def end_run(self, status: str = "FINISHED") -> None:
        """Nothing: a run ends by itself, in the state that Dagster's event log gives (dagster-mlflow's hook calls this)."""
        self.log.debug("end_run(%s) changes nothing: MLflow runs end with the Dagster run", status)

    def set_experiment(self, experiment_name: str | None = None, experiment_id: str | None = None) -> Experiment:
        """The resource's own experiment; another one is refused, since a Dagster run writes to one."""
        if experiment_name not in (None, self.experiment_name) or experiment_id not in (None, self.experiment_id):
            raise BadInput(
                "a Dagster run writes to one MLflow experiment",
                stored=experiment_name or experiment_id,
                expected=self.experiment_name,
                fix="Configure the resource's `experiment_name`",
            )
        with speaking_of(self.tracking_uri):
            return self.tracking_client.get_experiment(self.experiment_id)

    def set_tracking_uri(self, uri: str) -> None:
        """Nothing for the resource's own store; another one is refused."""
        if str(uri) != self.tracking_uri:
            raise BadInput(
                "a Dagster run writes to one MLflow store",
                stored=redacted(str(uri)),
                expected=redacted(self.tracking_uri),
                fix="Configure the resource's `tracking_uri`",
            )

    def search_runs(self, *args: Any, **kwargs: Any) -> Any:
        """`mlflow.search_runs`, by default in the resource's own experiment."""
        import mlflow

        if not args and not kwargs.keys() & {"experiment_ids", "experiment_names", "search_all_experiments"}:
            kwargs["experiment_ids"] = [self.experiment_id]
        with speaking_of(self.tracking_uri):
            return mlflow.search_runs(*args, **kwargs)

    def _batch(self, run_id: str | None, *, synchronous: bool | None = None, **entries: Any) -> Any:
        target = run_id or self.current_run()
        with speaking_of(self.tracking_uri):
            return self.tracking_client.log_batch(target, synchronous=synchronous, **entries)


class FlavorInRun:
    """A model flavor (`mlflow.sklearn`, …) whose `log_model` files the model under the current asset's run.

    Args:
        module: The flavor; loaded on first use.
        runs: The tracker.
    """

    def __init__(self, module: ModuleType, runs: FluentRuns) -> None:
        self._module = module
        self._runs = runs

    def __getattr__(self, name: str) -> Any:
        return getattr(self._module, name)

    def autolog(self, *args: Any, **kwargs: Any) -> Any:
        """Refused: autologging opens process-wide runs."""
        return self._runs.autolog(*args, **kwargs)

    def log_model(self, *args: Any, **kwargs: Any) -> Any:
        """The flavor's `log_model` with explicit requirements, into the current asset's run.

        Raises:
            BadInput: Neither `pip_requirements` nor `conda_env` is given, no `name`, or the flavor can't be told its run.
        """
        flavor = f"mlflow.{self._module.__name__.rpartition('.')[2]}.log_model"
        if not kwargs.get("pip_requirements") and not kwargs.get("conda_env"):
            raise BadInput(
                "a model is logged with its requirements", where=flavor, stored="none", fix="Pass pip_requirements=[…]"
            )
        load_model_formats()
        known = inspect.signature(self._module.log_model).parameters
        if "run_id" not in known and not any(one.kind is one.VAR_KEYWORD for one in known.values()):
            raise BadInput(
                "this flavor can't be told its run", where=flavor, fix="Use its `save_model` and `log_artifacts`"
            )
        if "name" not in kwargs:
            raise BadInput("a model is logged under a name", where=flavor, stored="none", fix="Pass name=…")
        runs = self._runs
        run_id = runs.current_run()
        with speaking_of(runs.tracking_uri):
            # MLflow would file it under the process-wide experiment: it is created here, in the run's own.
            logged = runs.tracking_client.create_logged_model(
                runs.experiment_id, name=kwargs["name"], source_run_id=run_id
            )
            return self._module.log_model(*args, **kwargs, run_id=run_id, model_id=logged.model_id)


def _as_input(dataset: Any, context: str | None, tags: Mapping[str, str] | None) -> DatasetInput:
    from mlflow.entities import Dataset, DatasetInput, InputTag

    if isinstance(dataset, DatasetRecord):
        return as_dataset_input(dataset)
    entity = dataset if isinstance(dataset, Dataset) else Dataset(**dataset.to_dict())
    labels = {**(tags or {}), **({"mlflow.data.context": context} if context else {})}
    return DatasetInput(entity, [InputTag(key, str(value)) for key, value in labels.items()])


def _padded(values: Sequence[Any] | None, like: Sequence[Any]) -> Sequence[Any]:
    return [None] * len(like) if values is None else values
