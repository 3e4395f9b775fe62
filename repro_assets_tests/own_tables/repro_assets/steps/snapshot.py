"""What a snapshot keeps of the raw tables: the customers in three parts, all orders, all regions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from repro_assets.steps.split import split

if TYPE_CHECKING:
    from pyspark.sql import DataFrame


def snapshot(raw: Mapping[str, DataFrame], *, salt: str, test_fraction: float) -> dict[str, DataFrame]:
    """Parts of the snapshot by name; people are called `train`, `test` and `unlabelled`."""
    people = split(raw["customers"], salt=salt, test_fraction=test_fraction)
    return {**people, "orders": raw["orders"], "regions": raw["regions"]}
