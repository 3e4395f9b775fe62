"""Features: a person's row with the case figures of their county as of the last day in the snapshot."""

from typing import TYPE_CHECKING

import dagster as dg

from repro_assets.defs.partitions import DATA_VERSIONS
from repro_assets.defs.stage_config import STAGE_RESOURCES, StageConfig, check, recomputes_equal
from repro_assets.experiment import EXPERIMENT
from repro_assets.steps.features import build_features
from repro_assets.steps.places import load_places
from repro_assets.steps.split import PARTS

if TYPE_CHECKING:
    from repro_assets.defs.stage import Stage


@dg.asset(
    partitions_def=DATA_VERSIONS,
    deps=["train_test_snapshot"],
    group_name="experiment",
    kinds={"spark", "parquet"},
    check_specs=[
        recomputes_equal("features"),
        check("features", "no_target_leak", "No feature is the target, or as good as a copy of it.", blocking=True),
        check(
            "features", "schema_as_model_expects", "Columns, types and nulls as the model takes them.", blocking=True
        ),
    ],
    required_resource_keys=STAGE_RESOURCES,
    op_tags={"repro/module": __name__},
    description=f"One row per person of one data version, as the model takes it. {EXPERIMENT.caveat}",
)
def features(context: dg.AssetExecutionContext, config: StageConfig) -> dg.MaterializeResult:
    """Join each person's city to a county and compute the county's case figures."""
    stage: Stage = context.resources.stages.open(context, config, upstream=["train_test_snapshot"])
    if done := stage.reused():
        return done
    parts = {part: stage.read_frame("train_test_snapshot", part) for part in PARTS}
    stage.write_frame("features", build_features(parts, places=load_places()))
    return stage.finish()
