"""The model: the experiment's estimators with the same parameters, each blind to columns of its own."""

from typing import TYPE_CHECKING

import dagster as dg
from pydantic import Field

from repro_assets.defs.partitions import DATA_VERSIONS
from repro_assets.defs.stage_config import STAGE_RESOURCES, StageConfig, recomputes_equal, shielded
from repro_assets.experiment import EXPERIMENT
from repro_assets.steps.feature_columns import FEATURE_SCHEMA
from repro_assets.steps.model_fit import fit
from repro_assets.steps.model_params import CALIBRATIONS, DEFAULT_FAMILY, FAMILIES, FOLDS, RANDOM_STATE, ModelParams
from repro_assets.steps.spark_fit import fit_on_spark

if TYPE_CHECKING:
    from repro_assets.defs.stage import Stage

_ESTIMATORS = ", ".join(
    f"`{estimator.name}`" + (f", blind to {', '.join(estimator.blind_to)}" if estimator.blind_to else "")
    for estimator in EXPERIMENT.estimators
)


class ModelConfig(StageConfig):
    """Parameters of the estimators; the families' own ones go into `hyperparameters`."""

    family: str = Field(default=DEFAULT_FAMILY, description=" or ".join(FAMILIES))
    random_state: int = Field(default=int(RANDOM_STATE.default), description="Seed of everything that draws numbers.")
    calibration_method: str = Field(default=CALIBRATIONS[0], description=" or ".join(CALIBRATIONS))
    calibration_folds: int = Field(default=int(FOLDS.default), description="Folds of the calibration.")
    hyperparameters: dict[str, float] = Field(default={}, description="The family's own parameters by name.")

    def params(self) -> ModelParams:
        """The parameters, checked.

        Raises:
            BadInput: A family, parameter or value that there isn't.
        """
        return ModelParams(
            family=self.family,
            random_state=self.random_state,
            calibration_method=self.calibration_method,
            calibration_folds=self.calibration_folds,
            hyperparameters=self.hyperparameters,
        )


@dg.asset(
    partitions_def=DATA_VERSIONS,
    deps=["features"],
    group_name="experiment",
    kinds={"scikitlearn", "mlflow"},
    check_specs=[recomputes_equal("model")],
    required_resource_keys=STAGE_RESOURCES,
    op_tags={"repro/module": __name__},
    description=(
        f"Calibrated estimators fitted on the train half of one data version: {_ESTIMATORS}. {EXPERIMENT.caveat}"
    ),
)
@shielded
def model(context: dg.AssetExecutionContext, config: ModelConfig) -> dg.MaterializeResult:
    """Fit on rows in total order, in one thread or in one partition."""
    params = config.params()
    stage: Stage = context.resources.stages.open(context, config, parameters=params.as_dict(), upstream=["features"])
    if done := stage.reused():
        return done
    features = stage.read_table("features", "features")
    models = fit_on_spark(stage.spark, features, params) if params.on_spark else fit(features, params)
    for name, estimator in models.items():
        stage.write_model(name, estimator)
    return stage.finish(models=models, model_columns=FEATURE_SCHEMA)
