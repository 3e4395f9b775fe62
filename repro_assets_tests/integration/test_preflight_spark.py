"""What preflight says about a version without a JVM is what Spark does with it."""

from __future__ import annotations

import os
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from repro_assets.resources.raw.raw_tables import RawTables
from repro_assets.resources.raw.raw_version import examine

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

pytestmark = pytest.mark.spark

TABLE = "covid_cases"
WEEK = {"delta.logRetentionDuration": "interval 30 days", "delta.deletedFileRetentionDuration": "interval 7 days"}


def made(spark: SparkSession, lake: Path, days_ago: Sequence[float], properties: dict[str, str]) -> None:
    """A table of one overwrite per entry, committed that many days ago as far as Spark can see."""
    folder = lake / "raw" / TABLE
    for number in range(len(days_ago)):
        rows = spark.range(number, number + 3).coalesce(1)
        rows.write.format("delta").mode("overwrite").options(**properties).save(str(folder))
    for number, days in enumerate(days_ago):
        moment = (datetime.now(UTC) - timedelta(days=days)).timestamp()
        os.utime(folder / "_delta_log" / f"{number:020d}.json", (moment, moment))
    forget(spark)


def forget(spark: SparkSession) -> None:
    """Make Spark look at the log again: it keeps what it knows of a table."""
    spark._jvm.org.apache.spark.sql.delta.DeltaLog.clearCache()


def preflight_says(lake: Path, version: int) -> bool:
    tables = RawTables(lake=lake.as_uri())
    return not examine(tables, tables.pin(TABLE, version), datetime.now(UTC)).reasons


def spark_reads(spark: SparkSession, lake: Path, version: int) -> bool:
    from py4j.protocol import Py4JJavaError
    from pyspark.errors import PySparkException

    try:
        spark.read.format("delta").option("versionAsOf", version).load(str(lake / "raw" / TABLE)).collect()
    except (PySparkException, Py4JJavaError):
        return False
    return True


@pytest.mark.parametrize("properties", [WEEK, {}], ids=["a week", "Delta's defaults"])
def test_spark_refuses_by_age_what_preflight_calls_too_old(spark, tmp_path, properties) -> None:
    made(spark, tmp_path, (10, 8, 3, 0), properties)

    said = [preflight_says(tmp_path, version) for version in range(4)]

    assert said == [False, False, True, True]
    assert said == [spark_reads(spark, tmp_path, version) for version in range(4)]


def test_the_newest_version_is_read_however_old(spark, tmp_path) -> None:
    made(spark, tmp_path, (100, 90), WEEK)

    assert [preflight_says(tmp_path, 1), spark_reads(spark, tmp_path, 1)] == [True, True]


def test_after_a_vacuum_preflight_knows_which_versions_are_gone(spark, tmp_path) -> None:
    made(spark, tmp_path, (0.3, 0.2, 0.1), WEEK)
    setting = "spark.databricks.delta.retentionDurationCheck.enabled"
    spark.conf.set(setting, "false")
    try:
        spark.sql(f"VACUUM delta.`{tmp_path / 'raw' / TABLE}` RETAIN 0 HOURS")
    finally:
        spark.conf.unset(setting)
    forget(spark)

    said = [preflight_says(tmp_path, version) for version in range(3)]

    assert said == [False, False, True]
    assert said == [spark_reads(spark, tmp_path, version) for version in range(3)]
