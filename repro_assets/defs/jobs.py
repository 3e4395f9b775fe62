"""Jobs: the whole chain for one data version."""

from __future__ import annotations

import dagster as dg

from repro_assets.experiment import EXPERIMENT

CHAIN = "chain"

chain = dg.define_asset_job(
    CHAIN,
    selection=dg.AssetSelection.assets(
        *EXPERIMENT.table_names, "train_test_snapshot", "features", "model", "predictions"
    ),
    description="Raw tables → snapshot → features → model → predictions, for one data version.",
    executor_def=dg.in_process_executor,
)
