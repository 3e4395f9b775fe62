"""Features: one row per person, as the model takes it, made of the snapshot alone."""

from typing import TYPE_CHECKING

import dagster as dg

from repro_assets.defs.partitions import DATA_VERSIONS
from repro_assets.defs.stage_config import STAGE_RESOURCES, StageConfig, check, recomputes_equal, shielded
from repro_assets.experiment import EXPERIMENT
from repro_assets.steps.features import build_features

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
@shielded
def features(context: dg.AssetExecutionContext, config: StageConfig) -> dg.MaterializeResult:
    """Build them from all parts of the snapshot."""
    stage: Stage = context.resources.stages.open(context, config, upstream=["train_test_snapshot"])
    if done := stage.reused():
        return done
    snapshot = stage.upstream["train_test_snapshot"]
    parts = {part.name: stage.read_frame(snapshot.asset, part.name) for part in snapshot.parts}
    stage.write_frame("features", build_features(parts))
    return stage.finish()
