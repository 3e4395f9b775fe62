"""What differs between two versions of a raw table, computed where the rows are: nothing but counts and examples leaves.

Changes come from the table's change data feed, net: a row that was changed and changed back is none. Where the feed
has a gap, or its counts do not lead from one version's row count to the other's, the rows of both versions are compared.
https://docs.delta.io/latest/delta-change-data-feed.html
"""

from __future__ import annotations

import functools
import math
import operator
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from repro_assets.pins.data import DataPin
from repro_assets.resources.raw.raw_tables import RawTables

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame, SparkSession

EXAMPLES = 5
GROUPS = 100
FEED, VERSIONS = "change data feed", "rows of both versions"
_KINDS = ("added", "removed", "changed")
_BEFORE, _AFTER = "__before", "__after"


@dataclass(frozen=True)
class RowDifference:
    """Rows that differ, matched by the table's keys.

    Attributes:
        added: Rows that only the second version has.
        removed: Rows that only the first has.
        changed: Rows that both have, with another value in some column.
        columns: By column, how many changed rows differ in it, and the largest absolute difference of its numbers.
        by: For each key of several: how many values it takes in the rows that differ, and the ones with most of them.
        examples: The first rows of each kind, in the order of the keys; of changed ones also the values before.
        columns_added: Columns that only the second version has.
        columns_removed: Columns that only the first has.
        counted_from: `change data feed`, or `rows of both versions`.
    """

    added: int
    removed: int
    changed: int
    columns: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    by: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    examples: Mapping[str, Sequence[Mapping[str, Any]]] = field(default_factory=dict)
    columns_added: tuple[str, ...] = ()
    columns_removed: tuple[str, ...] = ()
    counted_from: str = VERSIONS

    def as_document(self) -> dict[str, Any]:
        """The difference as JSON values."""
        columns = {name: list(getattr(self, name)) for name in ("columns_added", "columns_removed")}
        return {**asdict(self), **columns}


def row_difference(
    spark: SparkSession, raw_tables: RawTables, first: DataPin, second: DataPin, keys: Sequence[str]
) -> RowDifference:
    """Compare the rows of two pins of one table.

    Args:
        spark: An open session.
        raw_tables: Where the table stands.
        first: A pin.
        second: Another pin of the same table; it may be the older one.
        keys: Columns that identify a row.

    Raises:
        Blocked: A pinned commit is gone, or is not the one that was pinned.
        DataDamaged: The rows of a version can't be read.
    """
    with raw_tables.reading(first.commit, second.commit):
        return _row_difference(spark, raw_tables, first, second, keys)


def _row_difference(
    spark: SparkSession, raw_tables: RawTables, first: DataPin, second: DataPin, keys: Sequence[str]
) -> RowDifference:
    frames = raw_tables.read(spark, first.commit), raw_tables.read(spark, second.commit)
    names = [name for name in frames[0].columns if name in frames[1].columns]
    shape = {
        "columns_added": tuple(sorted(set(frames[1].columns) - set(names))),
        "columns_removed": tuple(sorted(set(frames[0].columns) - set(names))),
    }
    found = None if any(shape.values()) else _by_feed(spark, raw_tables, (first, second), keys, names)
    if found is None:
        found = _counted(_net_of_versions(*frames, keys, names), keys, names, VERSIONS)
    return RowDifference(**{**vars(found), **shape})


def _by_feed(
    spark: SparkSession, raw_tables: RawTables, pins: tuple[DataPin, DataPin], keys: Sequence[str], names: Sequence[str]
) -> RowDifference | None:
    """What the feed says; None where it has a gap, or does not lead from the one version to the other."""
    from py4j.protocol import Py4JJavaError
    from pyspark.errors import PySparkException

    first, second = pins
    older, newer = sorted(pins, key=lambda pin: pin.commit.version)
    try:
        net = _net_of_feed(
            spark, raw_tables.uri(first.commit.table), older.commit.version, newer.commit.version, keys, names
        )
        if older is not first:
            net = net.withColumnsRenamed({_BEFORE: _AFTER, _AFTER: _BEFORE})
        found = _counted(net, keys, names, FEED)
    except (PySparkException, Py4JJavaError):
        return None
    leads_there = first.rows.rows + found.added - found.removed == second.rows.rows
    return found if leads_there else None


def _net_of_feed(
    spark: SparkSession, uri: str, older: int, newer: int, keys: Sequence[str], names: Sequence[str]
) -> DataFrame:
    """Per key the row before the first change and after the last one, where they differ."""
    from pyspark.sql import functions as f

    reader = spark.read.format("delta").option("readChangeFeed", "true")
    feed = reader.option("startingVersion", older + 1).option("endingVersion", newer).load(uri)
    # Within a commit what is replaced comes before what replaces it.
    is_new = f.when(f.col("_change_type").isin("insert", "update_postimage"), 1).otherwise(0)
    when = f.struct(f.col("_commit_version"), is_new)
    image = f.struct(is_new.alias("is_new"), f.struct(*names).alias("row"))
    ends = feed.groupBy(*keys).agg(f.min_by(image, when).alias("first"), f.max_by(image, when).alias("last"))
    net = ends.select(
        *keys,
        f.when(f.col("first.is_new") == 0, f.col("first.row")).alias(_BEFORE),
        f.when(f.col("last.is_new") == 1, f.col("last.row")).alias(_AFTER),
    )
    return net.where(~f.col(_BEFORE).eqNullSafe(f.col(_AFTER)))


def _net_of_versions(old: DataFrame, new: DataFrame, keys: Sequence[str], names: Sequence[str]) -> DataFrame:
    from pyspark.sql import functions as f

    def only_in(one: DataFrame, other: DataFrame, image: str) -> DataFrame:
        rest = one.select(*names).exceptAll(other.select(*names))
        return rest.select(*(f.col(key).alias(f"{image}.{key}") for key in keys), f.struct(*names).alias(image))

    left, right = only_in(old, new, _BEFORE), only_in(new, old, _AFTER)
    same = [f.col(f"`{_BEFORE}.{key}`").eqNullSafe(f.col(f"`{_AFTER}.{key}`")) for key in keys]
    both = left.join(right, functools.reduce(operator.and_, same), "full_outer")
    either = [f.coalesce(f.col(f"`{_BEFORE}.{key}`"), f.col(f"`{_AFTER}.{key}`")).alias(key) for key in keys]
    return both.select(*either, _BEFORE, _AFTER)


def _counted(net: DataFrame, keys: Sequence[str], names: Sequence[str], counted_from: str) -> RowDifference:
    net = net.cache()
    try:
        totals = net.agg(*_kind_counts(), *_column_counts(net, keys, names)).collect()[0].asDict()
        return RowDifference(
            added=totals["added"],
            removed=totals["removed"],
            changed=totals["changed"],
            columns=_columns(totals, [name for name in names if name not in keys]),
            by={key: _groups(net, key) for key in keys} if len(keys) > 1 else {},
            examples=_examples(net, keys),
            counted_from=counted_from,
        )
    finally:
        net.unpersist()


def _kinds() -> dict[str, Column]:
    from pyspark.sql import functions as f

    was, is_ = f.col(_BEFORE).isNotNull(), f.col(_AFTER).isNotNull()
    return {"added": ~was, "removed": ~is_, "changed": was & is_}


def _kind_counts() -> list[Column]:
    from pyspark.sql import functions as f

    return [f.count_if(condition).alias(kind) for kind, condition in _kinds().items()]


def _column_counts(net: DataFrame, keys: Sequence[str], names: Sequence[str]) -> list[Column]:
    """Per column, how many changed rows differ in it, and by how much where it holds numbers."""
    from pyspark.sql import functions as f
    from pyspark.sql.types import NumericType

    kinds = {column.name: column.dataType for column in net.schema[_AFTER].dataType.fields}  # type: ignore[attr-defined] # a struct, as made above
    found = []
    for name in (name for name in names if name not in keys):
        one, other = f.col(f"{_BEFORE}.`{name}`"), f.col(f"{_AFTER}.`{name}`")
        found.append(f.count_if(_kinds()["changed"] & ~one.eqNullSafe(other)).alias(f"rows {name}"))
        if isinstance(kinds[name], NumericType):
            found.append(f.max(f.abs(other.cast("double") - one.cast("double"))).alias(f"largest {name}"))
    return found


def _columns(totals: Mapping[str, Any], names: Sequence[str]) -> dict[str, dict[str, Any]]:
    return {
        name: {"rows": int(totals[f"rows {name}"]), "largest": _plain(totals.get(f"largest {name}"))}
        for name in names
        if totals[f"rows {name}"]
    }


def _groups(net: DataFrame, key: str) -> dict[str, Any]:
    from pyspark.sql import functions as f

    groups = net.groupBy(key).agg(*_kind_counts(), f.count("*").alias("rows"))
    most = groups.orderBy(f.col("rows").desc(), key).limit(GROUPS).collect()
    shown = [{key: _plain(row[key]), **{kind: row[kind] for kind in _KINDS if row[kind]}} for row in most]
    return {"values": len(most) if len(most) < GROUPS else groups.count(), "most": shown}


def _examples(net: DataFrame, keys: Sequence[str]) -> dict[str, list[dict[str, Any]]]:
    found = {}
    for kind, condition in _kinds().items():
        rows = [row.asDict(recursive=True) for row in net.where(condition).orderBy(*keys).limit(EXAMPLES).collect()]
        if rows:
            found[kind] = [_example(row, keys) for row in rows]
    return found


def _example(row: Mapping[str, Any], keys: Sequence[str]) -> dict[str, Any]:
    before, after = row[_BEFORE], row[_AFTER]
    if before is None or after is None:
        return {name: _plain(value) for name, value in (before or after).items()}
    changed = {name: {"from": _plain(before[name]), "to": _plain(after[name])} for name in after}
    return {
        **{key: _plain(row[key]) for key in keys},
        **{name: pair for name, pair in changed.items() if name not in keys and pair["from"] != pair["to"]},
    }


def _plain(value: Any) -> Any:
    """A value that JSON has; anything else as its text."""
    if value is None or isinstance(value, str | int):
        return value
    return value if isinstance(value, float) and math.isfinite(value) else str(value)
