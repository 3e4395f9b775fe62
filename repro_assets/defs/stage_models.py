"""Fitted estimators in MLflow: logged with the run, registered only once their output stands."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from repro_assets.resources import model_registry
from repro_assets.resources.champions import registered_name
from repro_assets.settings import load as load_settings

if TYPE_CHECKING:
    from repro_assets.defs.stage import Stage
    from repro_assets.resources.tracking_models import TrackedModel

# What a stored model needs to be loaded, out of the lock.
_MODEL_PACKAGES = ("scikit-learn", "numpy", "pandas", "scipy", "skops")
_MLFLOW_TYPES = {"string": "string", "int64": "long", "double": "double"}


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
    from repro_assets.resources.model_file import TRUSTED_TYPES

    resources = stage.context.resources
    return resources.mlflow.log_sklearn_model(
        stage.mlflow_run_id,
        model,
        name=name,
        requirements=resources.conda_env.requirements(_MODEL_PACKAGES),
        trusted_types=sorted(TRUSTED_TYPES),
        input_columns=[(column, _MLFLOW_TYPES[columns[column]]) for column in model.feature_names_in_],
        params=stage.parameters,
        tags={"repro.identity": stage.identity.digest(), "repro.data_version": stage.data_version},
    )
