"""Fitted estimators: stored in the lake, logged to MLflow with the run, registered only once their output stands.

Which of the two formats a model has, skops or Spark's own, is told by its class when it is written and by what the
output's marker says when it is read.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from repro_assets.pins.output import Output, Part
from repro_assets.resources import storage
from repro_assets.resources.tracking import model_registry
from repro_assets.resources.tracking.champions import registered_name
from repro_assets.settings import load as load_settings

if TYPE_CHECKING:
    from repro_assets.defs.stage import Stage
    from repro_assets.resources.tracking.models import TrackedModel

# What a stored model needs to be loaded, out of the lock.
_MODEL_PACKAGES = ("scikit-learn", "numpy", "pandas", "scipy", "skops")
_SPARK_MODEL_PACKAGES = ("pyspark", "numpy", "pandas", "pyarrow")
_MLFLOW_TYPES = {"string": "string", "int64": "long", "double": "double"}


def write(stage: Stage, name: str, model: Any) -> Part:
    """Store a fitted estimator as a part of the stage's output."""
    from repro_assets.steps.spark_estimator import SparkEstimator

    if isinstance(model, SparkEstimator):
        from repro_assets.pins.spark_model import spark_model_digest
        from repro_assets.resources.outputs.spark_model_file import save_pipeline

        uri = _written(stage, name)
        files = save_pipeline(model, uri)
        return stage.lake.model_folder(stage.attempt, name, files, spark_model_digest(files, uri))
    from repro_assets.pins.model_digest import model_digest
    from repro_assets.resources.outputs.model_file import dump_model

    return stage.lake.write_model(stage.attempt, name, dump_model(model), model_digest(model))


def read(stage: Stage, output: Output, name: str) -> Any:
    """Load a stored estimator, its files checked before."""
    if output.part(name).kind == "spark_model":
        from repro_assets.resources.outputs.spark_model_file import load_pipeline

        uri, recorded = stage.lake.locate_model_folder(output, name)
        return load_pipeline(uri, recorded, stage.spark)
    from repro_assets.resources.outputs.model_file import load_model

    content, file, where = stage.lake.read_model(output, name)
    return load_model(content, sha256=file.sha256, where=where)


def log_models(stage: Stage, models: Mapping[str, Any], columns: Mapping[str, str]) -> dict[str, TrackedModel]:
    """Log fitted estimators to the stage's run.

    Args:
        stage: Of the models.
        models: Fitted estimators with `feature_names_in_`, by part name.
        columns: Arrow type by column of what they may take.
    """
    return {name: _log_model(stage, name, model, columns) for name, model in models.items()}


def register(stage: Stage, logged: Mapping[str, TrackedModel]) -> None:
    """Register each as `EXPERIMENT.NAME`; the alias `candidate` follows the highest data version."""
    client = stage.context.resources.mlflow.tracking_client
    lock = load_settings().var / "locks" / "registry.lock"
    for name, model in logged.items():
        registered = registered_name(name)
        version = model_registry.register(
            client,
            registered,
            source=model.uri,
            run_id=stage.mlflow_run_id,
            data_version=stage.data_version,
            tags={"repro.identity": stage.identity.digest(), "repro.model_sha256": model.sha256},
        )
        model_registry.move_candidate(client, registered, version, stage.rank(), lock=lock)


def _log_model(stage: Stage, name: str, model: Any, columns: Mapping[str, str]) -> TrackedModel:
    from repro_assets.resources.outputs.model_file import TRUSTED_TYPES
    from repro_assets.steps.spark_estimator import SparkEstimator

    mlflow, conda_env = stage.context.resources.mlflow, stage.context.resources.conda_env
    common: dict[str, Any] = {
        "name": name,
        "input_columns": [(column, _MLFLOW_TYPES[columns[column]]) for column in model.feature_names_in_],
        "params": stage.parameters,
        "tags": {"repro.identity": stage.identity.digest(), "repro.data_version": stage.data_version},
    }
    if isinstance(model, SparkEstimator):
        uri = _written(stage, name)
        files = {path: storage.read_bytes(storage.join(uri, path)) for path in storage.files_below(uri)}
        requirements = conda_env.requirements(_SPARK_MODEL_PACKAGES)
        return mlflow.log_spark_model(stage.mlflow_run_id, files, requirements=requirements, **common)
    requirements = conda_env.requirements(_MODEL_PACKAGES)
    trusted = sorted(TRUSTED_TYPES)
    return mlflow.log_sklearn_model(
        stage.mlflow_run_id, model, requirements=requirements, trusted_types=trusted, **common
    )


def _written(stage: Stage, name: str) -> str:
    """URI of the folder that this attempt's model is written to."""
    return storage.join(stage.attempt, name)
