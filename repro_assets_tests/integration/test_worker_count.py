"""The talk's example: rows on three workers, then on two. Naive steps notice, the project's do not.

Partitions stand for workers here; `benchmarks/compute_table.py` does the same with real ones, over the whole chain.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from repro_assets.resources.spark.spark_fingerprint import fingerprint_frame
from repro_assets.steps.spark_fit import in_one_partition
from repro_assets.steps.split import split
from repro_assets_tests.naive_steps import naive_result
from repro_assets_tests.unit.steps.feature_table import feature_table

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

pytestmark = pytest.mark.spark

WORKERS = (3, 2)


@pytest.fixture(scope="module")
def people(spark: SparkSession) -> DataFrame:
    """300 people of whom 60 are unlabelled."""
    from pyspark.sql import functions as f

    frame = spark.createDataFrame(feature_table(300))
    return frame.withColumn("labelled", f.col("target").isNotNull()).cache()


@pytest.fixture(scope="module")
def naive(people: DataFrame) -> list[dict[str, Any]]:
    return [naive_result(people.repartition(workers)) for workers in WORKERS]


@pytest.mark.parametrize("what", ["train_people", "mean", "same_people", "coefficient", "roc_auc"])
def test_a_naive_version_gives_something_else_on_two_workers_than_on_three(naive, what) -> None:
    three, two = naive

    assert three[what] != two[what]


def test_a_naive_version_repeats_itself_where_nothing_changes(people, naive) -> None:
    assert naive_result(people.repartition(WORKERS[0])) == naive[0]


def test_the_project_s_split_puts_the_same_people_on_the_same_side(people) -> None:
    found = [
        {
            side: fingerprint_frame(part).digest
            for side, part in split(people.repartition(workers), salt="salt", test_fraction=0.3).items()
        }
        for workers in WORKERS
    ]

    assert found[0] == found[1]


def test_rows_meet_spark_ml_in_one_order_and_one_partition(people) -> None:
    found = [in_one_partition(people.repartition(workers)) for workers in WORKERS]

    assert [frame.rdd.getNumPartitions() for frame in found] == [1, 1]
    assert found[0].collect() == found[1].collect()
