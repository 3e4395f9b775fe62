"""The one partitions definition: a key per data version.

Keys are built and taken apart by `pins.data_version` alone; Dagster does not validate them.
Ranges on the page follow the order of insertion, so keys are always registered in commit order.
https://docs.dagster.io/guides/build/partitions-and-backfills/partitioning-assets
"""

from __future__ import annotations

from collections.abc import Sequence

import dagster as dg

from repro_assets.errors import BadInput
from repro_assets.experiment import EXPERIMENT
from repro_assets.pins.data_history import DataVersion
from repro_assets.pins.data_version import decode

DATA_VERSIONS = dg.DynamicPartitionsDefinition(name="data_version")


def register(instance: dg.DagsterInstance, versions: Sequence[DataVersion]) -> list[str]:
    """Register data versions in the order given; returns the keys that are new."""
    known = set(registered(instance))
    fresh = [version.key for version in versions if version.key not in known]
    if fresh:
        instance.add_dynamic_partitions("data_version", fresh)
    return fresh


def registered(instance: dg.DagsterInstance) -> list[str]:
    """All registered keys, in their order."""
    return list(instance.get_dynamic_partitions("data_version"))


def is_key(key: str) -> bool:
    """Whether a partition is a data version; the page lets a person add anything."""
    try:
        decode(key, EXPERIMENT.table_names)
    except BadInput:
        return False
    return True
