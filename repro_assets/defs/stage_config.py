"""What every asset of the chain shares in its declaration: resources it needs and configuration it takes.

Kept apart from `stage`, which asset modules reach through a resource only: so an asset's code version covers what
computes its result, and an edit to logging makes nothing stale (docs/decisions/004).
"""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable
from typing import Any

import dagster as dg
from pydantic import Field

from repro_assets.defs.partitions import DATA_VERSIONS

STAGE_RESOURCES = {"conda_env", "lake", "mlflow", "raw_tables", "source_tree", "spark_cluster", "stages"}

RECOMPUTES_EQUAL = "recomputes_equal"


def check(asset: str, name: str, description: str, *, blocking: bool = False) -> dg.AssetCheckSpec:
    """Declare a check of each data version; `defs.checks` knows by its name how it is evaluated.

    Args:
        asset: What is checked.
        name: Of the check.
        description: What is true where it is green.
        blocking: Whether what is downstream must not be made where it is red.
    """
    with warnings.catch_warnings():
        # Without a partitions definition a result belongs to no data version; Dagster calls it a preview of itself.
        warnings.simplefilter("ignore", dg.PreviewWarning)
        return dg.AssetCheckSpec(
            name=name, asset=asset, blocking=blocking, description=description, partitions_def=DATA_VERSIONS
        )


def recomputes_equal(asset: str) -> dg.AssetCheckSpec:
    """Red where an output was computed again under the same identity and came out different."""
    return check(
        asset,
        RECOMPUTES_EQUAL,
        "The same identity gives the same digest whenever it is computed again.",
        blocking=True,
    )


def shielded(body: Callable[..., Any]) -> Callable[..., Any]:
    """Let no exception out of an asset's body that shows a secret: Dagster stores it with all it was raised from.

    Through a resource, so that what a secret looks like is no part of an asset's code version.
    """

    @functools.wraps(body)
    def run(context: dg.AssetExecutionContext, config: StageConfig) -> Any:
        return context.resources.stages.attempt(body, context, config)

    return run


class StageConfig(dg.Config):
    """Configuration that every asset takes."""

    force: bool = Field(
        default=False, description="Recompute even if this identity has an output, and compare with it."
    )
