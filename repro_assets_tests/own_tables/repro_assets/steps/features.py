"""Builds `features`: one row per customer, with their region and sums over their orders."""

from __future__ import annotations

from collections.abc import Mapping
from functools import reduce
from typing import TYPE_CHECKING

from repro_assets.experiment import EXPERIMENT
from repro_assets.steps.feature_columns import FEATURE_SCHEMA
from repro_assets.steps.split import PEOPLE

if TYPE_CHECKING:
    from pyspark.sql import DataFrame


def build_features(parts: Mapping[str, DataFrame]) -> DataFrame:
    """Join the parts of a snapshot to a frame with the columns of `FEATURE_SCHEMA`, one row per customer."""
    from pyspark.sql import functions as f

    people = reduce(
        lambda left, right: left.unionByName(right),
        [parts[part].withColumn("part", f.lit(part)) for part in PEOPLE],
    )
    sums = (
        parts["orders"]
        .groupBy(EXPERIMENT.split_key)
        .agg(f.count("*").alias("orders"), f.sum("order_cents").alias("cents"))
    )
    joined = people.join(parts["regions"], "region_id").join(sums, EXPERIMENT.split_key, "left")
    return joined.fillna(0, ["orders", "cents"]).select(*FEATURE_SCHEMA)
