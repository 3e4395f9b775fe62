"""The raw tables as assets, and the published feeds upstream of them.

One partition is a raw table at one version: its pin is verified and its rows' fingerprint recorded; nothing is copied.
"""

from typing import TYPE_CHECKING

import dagster as dg

from repro_assets.declaration import RawTable
from repro_assets.defs.partitions import DATA_VERSIONS
from repro_assets.defs.stage_config import STAGE_RESOURCES, StageConfig, check, recomputes_equal, shielded
from repro_assets.experiment import EXPERIMENT

if TYPE_CHECKING:
    from repro_assets.defs.stage import Stage


def published_feed(table: RawTable) -> dg.AssetSpec:
    """The files that a raw table is ingested from, as others publish them."""
    return dg.AssetSpec(
        key=f"published_{table.name}",
        description=f"{table.feed}, as published. Each version of them is one Delta commit of {table.name}.",
        group_name="published",
        kinds={"file"},
    )


def raw_table_asset(table: RawTable) -> dg.AssetsDefinition:
    """The asset of one raw table."""

    @dg.asset(
        name=table.name,
        partitions_def=DATA_VERSIONS,
        deps=[f"published_{table.name}"],
        group_name="raw",
        kinds={"deltalake", "spark"},
        check_specs=[
            recomputes_equal(table.name),
            check(table.name, "pin_still_true", "The log still holds the commit that was pinned.", blocking=True),
            check(table.name, "keys_unique", f"One row per {', '.join(table.keys)}.", blocking=True),
        ],
        required_resource_keys=STAGE_RESOURCES,
        op_tags={"repro/module": __name__},
        description=f"{table.description}. One partition is the Delta table at one version: its pin, verified.",
    )
    @shielded
    def raw_table(context: dg.AssetExecutionContext, config: StageConfig) -> dg.MaterializeResult:
        stage: Stage = context.resources.stages.open(context, config, on_compute=False)
        stage.pin_rows(table.name)
        return stage.reused() or stage.finish()

    return raw_table


ASSETS = [raw_table_asset(table) for table in EXPERIMENT.raw_tables]
FEEDS = [published_feed(table) for table in EXPERIMENT.raw_tables]
