"""What every asset of the chain shares in its declaration: resources it needs and configuration it takes.

Kept apart from `stage`, which asset modules reach through a resource only: so an asset's code version covers what
computes its result, and an edit to logging makes nothing stale (docs/decisions/004).
"""

from __future__ import annotations

import dagster as dg
from pydantic import Field

STAGE_RESOURCES = {"conda_env", "lake", "mlflow", "raw_tables", "source_tree", "spark_cluster", "stages"}

RECOMPUTES_EQUAL = "recomputes_equal"


def recomputes_equal(asset: str) -> dg.AssetCheckSpec:
    """Red where an output was computed again under the same identity and came out different."""
    return dg.AssetCheckSpec(
        name=RECOMPUTES_EQUAL,
        asset=asset,
        blocking=True,
        description="The same identity gives the same digest whenever it is computed again.",
    )


class StageConfig(dg.Config):
    """Configuration that every asset takes."""

    force: bool = Field(
        default=False, description="Recompute even if this identity has an output, and compare with it."
    )
