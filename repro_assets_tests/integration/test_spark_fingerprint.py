"""Rows have one fingerprint, whether Spark or pyarrow reads them, in one bucket or many."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from repro_assets.errors import BadInput, NotDeterministic
from repro_assets.pins.fingerprint import Fingerprint, bucket_count, fingerprint
from repro_assets.resources.spark.spark_fingerprint import fingerprint_frame

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

pytestmark = pytest.mark.spark

ROWS = 300
ONE_BUCKET, MANY_BUCKETS = ROWS, 10
SCHEMA = (
    "uid int, big long, flag boolean, rate double, half float, share decimal(20,4), wide decimal(38,0), "
    "day date, moment timestamp, local timestamp_ntz, city string, raw binary"
)


def row(index: int) -> tuple[object, ...]:
    """A row whose columns are null in turn, with every odd float among them, and some rows twice."""
    index %= 250
    moment = datetime(1965, 1, 1) + timedelta(hours=index * 977, microseconds=index)
    cells = (
        index,
        -(2**62) + index,
        index % 3 == 0,
        (0.0, -0.0, float("nan"), float("inf"), index / 7)[index % 5],
        index / 8,
        Decimal(index - 125) / 16,
        Decimal(10) ** 37 + index,
        date(1960, 1, 1) + timedelta(days=index * 97),
        moment.replace(tzinfo=UTC),
        moment,
        ("", "a", "Zürich", "New York")[index % 4],
        bytes([index]) * (index % 3),
    )
    return tuple(None if (index + place) % 11 == 0 else cell for place, cell in enumerate(cells))


@pytest.fixture(scope="module")
def frame(spark: SparkSession) -> DataFrame:
    return spark.createDataFrame([row(index) for index in range(ROWS)], SCHEMA).repartition(5)


@pytest.fixture(scope="module")
def read_by_pyarrow(frame: DataFrame, tmp_path_factory: pytest.TempPathFactory) -> pa.Table:
    folder: Path = tmp_path_factory.mktemp("rows") / "table"
    frame.write.option("compression", "zstd").parquet(folder.as_uri())
    files = sorted(folder.glob("*.parquet"))
    assert len(files) > 1
    table = pa.concat_tables([pq.read_table(file, coerce_int96_timestamp_unit="us") for file in reversed(files)])
    # Spark writes instants as INT96, which carries no zone: only the table's declared schema says that it is one.
    place = table.schema.get_field_index("moment")
    return table.set_column(place, "moment", table.column(place).cast(pa.timestamp("us", "UTC")))


@pytest.mark.parametrize("single_bucket_rows", [ONE_BUCKET, MANY_BUCKETS], ids=["one-bucket", "many-buckets"])
def test_spark_and_pyarrow_give_one_fingerprint(
    frame: DataFrame, read_by_pyarrow: pa.Table, single_bucket_rows: int
) -> None:
    expected = fingerprint(read_by_pyarrow, single_bucket_rows=single_bucket_rows)

    assert fingerprint_frame(frame, single_bucket_rows=single_bucket_rows) == expected
    assert expected.rows == ROWS


def test_the_test_really_uses_many_buckets() -> None:
    assert (bucket_count(ROWS, single_bucket_rows=ONE_BUCKET), bucket_count(ROWS, single_bucket_rows=MANY_BUCKETS)) == (
        1,
        128,
    )


@pytest.mark.parametrize("single_bucket_rows", [ONE_BUCKET, MANY_BUCKETS], ids=["one-bucket", "many-buckets"])
def test_partitions_row_order_and_column_order_do_not_count(frame: DataFrame, single_bucket_rows: int) -> None:
    other = frame.orderBy(frame.uid.desc()).coalesce(1).select(*reversed(frame.columns))

    assert fingerprint_frame(other, single_bucket_rows=single_bucket_rows) == fingerprint_frame(
        frame, single_bucket_rows=single_bucket_rows
    )


@pytest.mark.parametrize("single_bucket_rows", [ONE_BUCKET, MANY_BUCKETS], ids=["one-bucket", "many-buckets"])
def test_one_changed_cell_changes_the_fingerprint(
    frame: DataFrame, read_by_pyarrow: pa.Table, single_bucket_rows: int
) -> None:
    from pyspark.sql import functions as f

    corrected = frame.withColumn("big", f.when(f.col("uid") == 7, 0).otherwise(f.col("big")))
    found = fingerprint_frame(corrected, single_bucket_rows=single_bucket_rows)

    assert found.digest != fingerprint(read_by_pyarrow, single_bucket_rows=single_bucket_rows).digest


def test_the_session_time_zone_does_not_count(spark: SparkSession, frame: DataFrame) -> None:
    moments = frame.select("moment")
    in_utc = fingerprint_frame(moments)
    spark.conf.set("spark.sql.session.timeZone", "Asia/Tokyo")
    try:
        in_tokyo = fingerprint_frame(moments)
    finally:
        spark.conf.set("spark.sql.session.timeZone", "UTC")

    assert in_tokyo == in_utc


def test_an_empty_frame_has_the_fingerprint_of_an_empty_table(frame: DataFrame, read_by_pyarrow: pa.Table) -> None:
    assert fingerprint_frame(frame.limit(0)) == fingerprint(read_by_pyarrow.slice(0, 0))


def test_a_column_may_be_named_like_the_bucket(spark: SparkSession) -> None:
    table = pa.table({"Bucket": [1, 2, 3], "bucket_": ["a", None, "c"]})

    assert fingerprint_frame(spark.createDataFrame(table), single_bucket_rows=1) == fingerprint(
        table, single_bucket_rows=1
    )


@pytest.mark.parametrize(
    ("query", "column"),
    [
        pytest.param("SELECT 1 AS fine, array(1) AS odd", "'odd'", id="array"),
        pytest.param("SELECT map('a', 1) AS odd", "'odd'", id="map"),
        pytest.param("SELECT NULL AS odd", "'odd'", id="untyped-null"),
        pytest.param("SELECT INTERVAL '1' DAY AS odd", "'odd'", id="interval"),
        pytest.param("SELECT 1 AS twin, 2 AS twin", "'twin'", id="two-of-one-name"),
    ],
)
def test_what_has_no_fingerprint_is_refused_with_its_column(spark: SparkSession, query: str, column: str) -> None:
    with pytest.raises(BadInput, match=column):
        fingerprint_frame(spark.sql(query))


class ChangingFrame:
    """Stands for a frame without a version: its count and its rows come from different moments."""

    def __init__(self, frame: DataFrame, rows: int) -> None:
        self._frame = frame
        self._rows = rows

    def count(self) -> int:
        return self._rows

    def __getattr__(self, name: str) -> object:
        return getattr(self._frame, name)


@pytest.mark.parametrize("single_bucket_rows", [10, 1], ids=["one-bucket", "many-buckets"])
def test_a_frame_that_changes_while_it_is_read_is_an_error(spark: SparkSession, single_bucket_rows: int) -> None:
    changing = ChangingFrame(spark.range(3), rows=4)

    with pytest.raises(NotDeterministic, match="stored 3 rows, expected 4 rows"):
        fingerprint_frame(changing, single_bucket_rows=single_bucket_rows)


def test_a_fingerprint_from_spark_holds_plain_values(spark: SparkSession) -> None:
    assert fingerprint_frame(spark.range(3), single_bucket_rows=1) == Fingerprint(
        digest=fingerprint(pa.table({"id": [2, 0, 1]}), single_bucket_rows=1).digest, rows=3, schema=(("id", "int64"),)
    )
