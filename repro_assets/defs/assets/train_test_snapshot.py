"""The snapshot: train, test, unlabelled and what else the features need, split once and kept."""

from typing import TYPE_CHECKING

import dagster as dg
from pydantic import Field

from repro_assets.defs.partitions import DATA_VERSIONS
from repro_assets.defs.stage_config import STAGE_RESOURCES, StageConfig, check, recomputes_equal, shielded
from repro_assets.experiment import EXPERIMENT
from repro_assets.steps.snapshot import snapshot
from repro_assets.steps.split import check_split

if TYPE_CHECKING:
    from repro_assets.defs.stage import Stage


class SnapshotConfig(StageConfig):
    """How people are divided."""

    salt: str = Field(default="repro_assets/1", description="Text before a person's key; another salt, another split.")
    test_fraction: float = Field(default=0.2, description="Share of the labelled people on the test side.")

    def params(self) -> dict[str, str | float]:
        """The parameters, checked.

        Raises:
            BadInput: A salt or fraction that people can't be divided by.
        """
        check_split(self.salt, self.test_fraction)
        return {"salt": self.salt, "test_fraction": self.test_fraction}


@dg.asset(
    partitions_def=DATA_VERSIONS,
    deps=[*EXPERIMENT.table_names],
    group_name="experiment",
    kinds={"spark", "parquet"},
    check_specs=[
        recomputes_equal("train_test_snapshot"),
        check("train_test_snapshot", "train_test_disjoint", "Nobody is in two parts.", blocking=True),
        check("train_test_snapshot", "nothing_lost", "Everybody in the raw table is in a part.", blocking=True),
    ],
    required_resource_keys=STAGE_RESOURCES,
    op_tags={"repro/module": __name__},
    description=(
        "One data version in train, test and unlabelled, and what else the features are made of. "
        f"Written once, never rewritten. {EXPERIMENT.caveat}"
    ),
)
@shielded
def train_test_snapshot(context: dg.AssetExecutionContext, config: SnapshotConfig) -> dg.MaterializeResult:
    """Split by the hash of the key, so that a person keeps their side in every data version."""
    stage: Stage = context.resources.stages.open(
        context, config, parameters=config.params(), upstream=EXPERIMENT.table_names, on_compute=False
    )
    if done := stage.reused():
        return done
    raw = {table: stage.read_raw(table) for table in EXPERIMENT.table_names}
    for name, frame in snapshot(raw, salt=config.salt, test_fraction=config.test_fraction).items():
        stage.write_frame(name, frame)
    return stage.finish()
