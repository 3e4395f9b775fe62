"""Whether the rows of a raw table have a key each: counted by Spark once per commit, then remembered."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

from repro_assets.errors import DataDamaged
from repro_assets.pins.canonical import canonical_json, digest
from repro_assets.pins.data import CommitPin
from repro_assets.resources import storage
from repro_assets.resources.raw.raw_tables import RawTables

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


def repeated_keys(
    raw_tables: RawTables,
    pin: CommitPin,
    keys: Sequence[str],
    open_spark: Callable[[], SparkSession],
    *,
    again: bool = False,
) -> int:
    """Count the rows of a commit that lack a whole key or repeat one.

    Args:
        raw_tables: Where the table is read.
        pin: Which commit.
        keys: Columns of the key.
        open_spark: Called only where it has to be counted.
        again: Count even if it is remembered.

    Raises:
        DataDamaged: What was remembered can't be read.
    """
    memo = storage.join(raw_tables.records, "_keys", f"{digest({'pin': asdict(pin), 'keys': list(keys)})}.json")
    known = None if again else _remembered(memo)
    if known is not None:
        return known
    found = _count(raw_tables, pin, keys, open_spark())
    storage.write_if_absent(memo, canonical_json({"repeated": found}))
    return found


def _count(raw_tables: RawTables, pin: CommitPin, keys: Sequence[str], spark: SparkSession) -> int:
    from pyspark.sql import functions as f

    # `count_distinct` leaves out rows in which any column is null, so what lacks a key counts as repeated.
    with raw_tables.reading(pin):
        counts = raw_tables.read(spark, pin).agg(f.count("*").alias("all"), f.count_distinct(*keys).alias("keys"))
        row = counts.collect()[0]
    return int(row["all"]) - int(row["keys"])


def _remembered(memo: str) -> int | None:
    try:
        return int(json.loads(storage.read_bytes(memo))["repeated"])
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError) as error:
        raise DataDamaged(
            "a remembered count of keys can't be read", where=memo, stored=str(error), fix="Remove the file"
        ) from error
