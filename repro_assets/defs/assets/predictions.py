"""Predictions: a probability per estimator for everybody whom none has seen, and the answer to the question."""

from typing import TYPE_CHECKING

import dagster as dg
from pydantic import Field

from repro_assets.defs.partitions import DATA_VERSIONS
from repro_assets.defs.stage_config import STAGE_RESOURCES, StageConfig, check, recomputes_equal, shielded
from repro_assets.experiment import EXPERIMENT
from repro_assets.steps.evaluation import answer, evaluate
from repro_assets.steps.model_inference import THRESHOLD, predict

if TYPE_CHECKING:
    from repro_assets.defs.stage import Stage


class PredictionsConfig(StageConfig):
    """What a probability is turned into."""

    threshold: float = Field(
        default=float(THRESHOLD.default),
        description=f"Probability from which somebody is predicted to have {EXPERIMENT.target} 1.",
    )

    use_champion: bool = Field(
        default=False,
        description="Predict with the registry's champion (`repro promote`) instead of the data version's own model.",
    )

    def params(self) -> dict[str, float]:
        """The parameters, checked.

        Raises:
            BadInput: A threshold that is no probability.
        """
        champion = {"use_champion": True} if self.use_champion else {}
        return {"threshold": float(THRESHOLD.read("threshold", self.threshold)), **champion}


@dg.asset(
    partitions_def=DATA_VERSIONS,
    deps=["features", "model"],
    group_name="experiment",
    kinds={"scikitlearn", "parquet"},
    check_specs=[
        recomputes_equal("predictions"),
        check("predictions", "one_row_per_person", "One row for everybody outside train.", blocking=True),
        check("predictions", "probabilities_in_range", "Probabilities are numbers from 0 to 1.", blocking=True),
        check("predictions", "roc_auc_not_worse", "ROC AUC at most 0.02 below the data version before."),
        check("predictions", "reproduces", "The verdict of the last reproduction, once there is one."),
    ],
    required_resource_keys=STAGE_RESOURCES | {"champion"},
    op_tags={"repro/module": __name__},
    description=(
        f"{EXPERIMENT.question} One row per person of the test half and per unlabelled person of one data version. "
        f"{EXPERIMENT.caveat}"
    ),
)
@shielded
def predictions(context: dg.AssetExecutionContext, config: PredictionsConfig) -> dg.MaterializeResult:
    """Predict with the model of the same data version, never the newest one; with the champion only where asked to."""
    params = config.params()
    stage: Stage = context.resources.stages.open(context, config, parameters=params, upstream=["features", "model"])
    champion = context.resources.champion.join(stage) if config.use_champion else None
    if done := stage.reused():
        return done
    names = [estimator.name for estimator in EXPERIMENT.estimators]
    models = {name: champion.read(name) if champion else stage.read_model("model", name) for name in names}
    table = predict(models, stage.read_table("features", "features"), params["threshold"])
    metrics = evaluate(table, params["threshold"])
    stage.write_table("predictions", table)
    return stage.finish(metrics=metrics, notes={"answer": answer(metrics, EXPERIMENT.caveat)})
