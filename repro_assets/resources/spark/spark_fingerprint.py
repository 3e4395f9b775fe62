"""The fingerprint of a Spark DataFrame, equal to `pins.fingerprint` of the same rows in memory.

Belongs here: where rows are hashed. What is hashed, and how, is `pins.fingerprint` alone: both ways call it.
A table of one bucket is collected; of a larger one only a digest per bucket leaves the executors, and the memory of
one Python worker has to hold one bucket (about a quarter of `SINGLE_BUCKET_ROWS`; equal rows share a bucket).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from repro_assets.errors import NotDeterministic
from repro_assets.pins.canonical_table import canonical, tags
from repro_assets.pins.fingerprint import (
    SINGLE_BUCKET_ROWS,
    Fingerprint,
    bucket_count,
    bucket_digest,
    bucket_numbers,
    fingerprint,
    root,
)

if TYPE_CHECKING:
    import pyarrow as pa
    from pyspark.sql import DataFrame

_DIGESTS = "bucket long, rows long, digest binary"


def fingerprint_frame(frame: DataFrame, *, single_bucket_rows: int = SINGLE_BUCKET_ROWS) -> Fingerprint:
    """Fingerprint the rows of a DataFrame.

    Args:
        frame: It is evaluated two or three times, so it has to give the same rows each time: read at a version.
        single_bucket_rows: See `bucket_count`; another value than the default is another algorithm, for tests.

    Raises:
        BadInput: A column has a type without canonical form, or two share a name.
        NotDeterministic: The frame gave other row counts when it was read again.
    """
    empty = frame.limit(0).toArrow()
    schema = tags(canonical(empty))
    rows = frame.count()
    buckets = bucket_count(rows, single_bucket_rows=single_bucket_rows)
    if buckets == 1:
        found = fingerprint(frame.toArrow(), single_bucket_rows=single_bucket_rows)
        _require_same_rows(counted=rows, hashed=found.rows)
        return found
    digests = [bucket_digest(empty)] * buckets
    hashed = 0
    for bucket, size, digest in _bucket_digests(frame, buckets):
        digests[bucket] = digest
        hashed += size
    _require_same_rows(counted=rows, hashed=hashed)
    return Fingerprint(root(rows, schema, digests), rows, schema)


def _require_same_rows(*, counted: int, hashed: int) -> None:
    if counted != hashed:
        raise NotDeterministic(
            "a frame gave other rows when it was read again",
            stored=f"{hashed} rows",
            expected=f"{counted} rows",
            fix="Read the table at a version.",
        )


def _bucket_digests(frame: DataFrame, buckets: int) -> Iterator[tuple[int, int, bytes]]:
    """Bucket, rows and digest of every bucket that has rows."""
    from pyspark.sql.types import LongType, StructField, StructType

    number = _free_name(frame.columns)
    numbered = StructType([*frame.schema.fields, StructField(number, LongType(), nullable=False)])
    by_bucket = frame.mapInArrow(_add_numbers(number, buckets), numbered).groupBy(number)
    for row in by_bucket.applyInArrow(_digest_bucket(number), _DIGESTS).collect():
        yield row.bucket, row.rows, bytes(row.digest)


def _free_name(columns: list[str]) -> str:
    """A column name that none of these is, also where Spark ignores case."""
    taken = {column.lower() for column in columns}
    name = "bucket"
    while name in taken:
        name += "_"
    return name


def _add_numbers(number: str, buckets: int) -> Callable[[Iterator[pa.RecordBatch]], Iterator[pa.RecordBatch]]:
    def add(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        import pyarrow as pa

        for batch in batches:
            numbers = pa.array(bucket_numbers(pa.Table.from_batches([batch]), buckets), pa.int64())
            yield batch.append_column(number, numbers)

    return add


def _digest_bucket(number: str) -> Callable[[pa.Table], pa.Table]:
    def digest(table: pa.Table) -> pa.Table:
        import pyarrow as pa

        bucket = table.column(number)[0].as_py()
        content = bucket_digest(table.drop_columns([number]))
        return pa.table({"bucket": [bucket], "rows": [table.num_rows], "digest": pa.array([content], pa.binary())})

    return digest
