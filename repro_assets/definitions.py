"""Assembly of the Dagster project, and the policies that hold for every asset."""

from __future__ import annotations

import dagster as dg

from repro_assets.defs.assets import features, model, predictions, raw_tables, train_test_snapshot
from repro_assets.defs.backfill import backfill_job
from repro_assets.defs.jobs import CHAIN, chain
from repro_assets.defs.notifications import notify_on_failure
from repro_assets.defs.reproduction import reproduce_job
from repro_assets.defs.resources import resources
from repro_assets.defs.run_pins import code_version_of
from repro_assets.defs.sensors import new_data_versions
from repro_assets.experiment import EXPERIMENT

_ASSETS = [
    *raw_tables.ASSETS,
    train_test_snapshot.train_test_snapshot,
    features.features,
    model.model,
    predictions.predictions,
]


def _with_policies(assets: dg.AssetsDefinition) -> dg.AssetsDefinition:
    """Owner and code version are the same rule for all, so they stand here and nowhere else."""
    version = code_version_of(assets)
    return assets.map_asset_specs(lambda spec: spec.replace_attributes(owners=[EXPERIMENT.owner], code_version=version))


# Annotated because a job inside refers to it.
defs: dg.Definitions = dg.Definitions(
    assets=[*raw_tables.FEEDS, *(_with_policies(asset) for asset in _ASSETS)],
    jobs=[chain, backfill_job(lambda: defs.resolve_job_def(CHAIN)), reproduce_job()],
    sensors=[new_data_versions, notify_on_failure],
    resources=resources(),
    executor=dg.in_process_executor,
)
