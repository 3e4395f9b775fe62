"""Fingerprint `tblfp/1`: the digest of a table's rows, whatever the file layout, engine, row or column order.

Belongs here: how canonical rows become a digest, in one process.
Does not: canonical types (`canonical_table`) and Spark (`resources.spark_fingerprint`), which calls the same functions.

The algorithm:

1. Rows in canonical form (`canonical_table.canonical`).
2. `bucket_count(rows)` buckets; a row's bucket is its row hash modulo that count.
3. Per bucket, rows sorted by all columns, then SHA-256 over the row count and per column its name, type tag,
   validity bitmap and cells (64-bit little-endian words; for strings and binary lengths and bytes).
4. Root: SHA-256 over algorithm, rows, names and tags, and the bucket digests in order, also where there is one.

Every part is preceded by its length, so that no byte can move from one part to its neighbour.
Any change here changes every fingerprint ever recorded: it needs a new name instead of `tblfp/1`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from repro_assets.pins.canonical_table import canonical, is_text, tags, text, validity, words

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray

ALGORITHM = "tblfp/1"
SINGLE_BUCKET_ROWS = 2**20
"""Up to so many rows a table is one bucket, which fits the memory of one process."""

_ROWS_PER_BUCKET_SHARE = 4  # above one bucket, the mean bucket has at most a quarter: room for chance and wide rows
_HASHED_ROWS_AT_ONCE = 2**16  # bounds what `row_hashes` needs beside the table
_TEXT_MULTIPLIER = 0x9E3779B97F4A7C15 | 1  # odd, so that multiplying loses nothing modulo 2**64
_STEP = 0x9E3779B97F4A7C15


@dataclass(frozen=True)
class Fingerprint:
    """What a table's rows are.

    Attributes:
        digest: 64 hexadecimal digits.
        rows: Number of rows.
        schema: Name and type tag of each column, by name.
    """

    digest: str
    rows: int
    schema: tuple[tuple[str, str], ...]


def fingerprint(table: pa.Table, *, single_bucket_rows: int = SINGLE_BUCKET_ROWS) -> Fingerprint:
    """Fingerprint a table in memory; `fingerprint_frame` gives the same answer for the same rows in Spark.

    Args:
        table: Any number of rows.
        single_bucket_rows: See `bucket_count`; another value than the default is another algorithm, for tests.

    Raises:
        BadInput: The table has no canonical form; see `canonical_table.canonical`.
    """
    table = canonical(table)
    buckets = bucket_count(table.num_rows, single_bucket_rows=single_bucket_rows)
    digests = [_digest_canonical(part) for part in _split(table, buckets)]
    schema = tags(table)
    return Fingerprint(root(table.num_rows, schema, digests), table.num_rows, schema)


def bucket_count(rows: int, *, single_bucket_rows: int = SINGLE_BUCKET_ROWS) -> int:
    """Number of buckets of a table, a power of two and a function of its row count alone.

    Args:
        rows: Rows of the whole table.
        single_bucket_rows: Up to so many rows there is one bucket.
    """
    if rows <= single_bucket_rows:
        return 1
    buckets = 2
    while rows * _ROWS_PER_BUCKET_SHARE > buckets * single_bucket_rows:
        buckets *= 2
    return buckets


def bucket_numbers(table: pa.Table, buckets: int) -> NDArray[np.int64]:
    """Bucket of each row, shape `(rows,)`, from 0; equal rows always share one.

    Args:
        table: Any rows of the whole table.
        buckets: `bucket_count` of the whole table.
    """
    import numpy as np

    return (row_hashes(table) & np.uint64(buckets - 1)).astype(np.int64)


def row_hashes(table: pa.Table) -> NDArray[np.uint64]:
    """A 64-bit hash of each row's canonical cells, shape `(rows,)`.

    It only spreads rows over buckets and proves nothing: rows are proved by SHA-256 over each bucket.

    Source:
        The finalizer of SplitMix64: Steele, Lea, Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014.
    """
    import numpy as np

    table = canonical(table)
    hashes = np.empty(table.num_rows, np.uint64)
    for start in range(0, table.num_rows, _HASHED_ROWS_AT_ONCE):
        part = table.slice(start, _HASHED_ROWS_AT_ONCE)
        mixed = np.zeros(part.num_rows, np.uint64)
        for column in part.columns:
            mixed = _mix(mixed, validity(column).astype(np.uint64))
            for word in _hash_words(column):
                mixed = _mix(mixed, word)
        hashes[start : start + part.num_rows] = mixed
    return hashes


def bucket_digest(table: pa.Table) -> bytes:
    """SHA-256 over the rows of one bucket, in whatever order they come.

    Args:
        table: All rows of the bucket; none gives the digest of an empty bucket, which the schema alone decides.

    Raises:
        BadInput: The table has no canonical form; see `canonical_table.canonical`.
    """
    return _digest_canonical(canonical(table))


def root(rows: int, schema: Sequence[tuple[str, str]], digests: Sequence[bytes]) -> str:
    """The digest of a table from those of its buckets.

    Args:
        rows: Rows of the whole table.
        schema: Name and type tag of each column, by name.
        digests: `bucket_digest` of every bucket in order, empty ones included.

    Returns:
        64 hexadecimal digits.
    """
    hasher = hashlib.sha256()
    _feed(hasher, ALGORITHM.encode())
    _feed(hasher, _number(rows))
    _feed(hasher, _number(len(schema)))
    for name, tag in schema:
        _feed(hasher, name.encode())
        _feed(hasher, tag.encode())
    _feed(hasher, _number(len(digests)))
    for digest in digests:
        _feed(hasher, digest)
    return hasher.hexdigest()


def _split(table: pa.Table, buckets: int) -> Iterator[pa.Table]:
    import numpy as np

    if buckets == 1:
        yield table
        return
    numbers = bucket_numbers(table, buckets)
    order = np.argsort(numbers, kind="stable")
    bounds = np.searchsorted(numbers[order], np.arange(buckets + 1))
    for start, end in pairwise(bounds):
        yield table.take(order[start:end])


def _digest_canonical(table: pa.Table) -> bytes:
    import numpy as np

    ordered = _sort_by_all_columns(table)
    hasher = hashlib.sha256()
    _feed(hasher, _number(ordered.num_rows))
    for (name, tag), column in zip(tags(ordered), ordered.columns, strict=True):
        _feed(hasher, name.encode())
        _feed(hasher, tag.encode())
        _feed(hasher, np.packbits(validity(column), bitorder="little"))
        for part in text(column) if is_text(column) else (words(column),):
            _feed(hasher, part)
    return hasher.digest()


def _sort_by_all_columns(table: pa.Table) -> pa.Table:
    # Rows that tie in all columns are equal, so their order can't show; NaN comes after numbers, null after NaN.
    keys = [(name, "ascending") for name in table.column_names]
    if not keys or table.num_rows < 2:
        return table
    return table.sort_by(keys).combine_chunks()


def _feed(hasher: hashlib._Hash, part: bytes | NDArray[np.generic]) -> None:
    content = part if isinstance(part, bytes) else part.reshape(-1).view("u1").data
    hasher.update(_number(len(content)))
    hasher.update(content)


def _number(value: int) -> bytes:
    return value.to_bytes(8, "little")


def _hash_words(column: pa.ChunkedArray) -> Iterator[NDArray[np.uint64]]:
    import numpy as np

    if not is_text(column):
        yield from words(column).T
        return
    lengths, content = text(column)
    yield lengths.astype(np.uint64)
    yield _hash_text(lengths, content)


def _hash_text(lengths: NDArray[np.int64], content: NDArray[np.uint8]) -> NDArray[np.uint64]:
    """A polynomial over each cell's bytes modulo 2**64, all cells at once."""
    import numpy as np

    ends = np.cumsum(lengths)
    starts = ends - lengths
    powers = np.multiply.accumulate(np.full(int(lengths.max(initial=0)), _TEXT_MULTIPLIER, np.uint64))
    position = np.arange(content.size) - np.repeat(starts, lengths)
    sums = np.zeros(content.size + 1, np.uint64)
    np.cumsum(content * powers[position], dtype=np.uint64, out=sums[1:])
    return sums[ends] - sums[starts]


def _mix(state: NDArray[np.uint64], word: NDArray[np.uint64]) -> NDArray[np.uint64]:
    import numpy as np

    mixed = (state ^ word) + np.uint64(_STEP)
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return mixed ^ (mixed >> np.uint64(31))
