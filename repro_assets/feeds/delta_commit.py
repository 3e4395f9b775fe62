"""One batch of publications → one Delta commit, by Spark.

The first commit creates the table with its rows; later ones are a MERGE of the changed rows only, so that inserts,
corrections and deletions show in the change data feed. What the commit says it did is compared with what was asked.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from repro_assets.errors import BadInput, DataDamaged, Outside
from repro_assets.experiment import EXPERIMENT
from repro_assets.feeds.against_table import judged, judged_within
from repro_assets.feeds.anomalies import AnomalyKind, AnomalyRefused, refusal
from repro_assets.feeds.difference import OPERATION, Counts, count, difference, first_shared_key
from repro_assets.feeds.history import TableHistory, read_commit_info
from repro_assets.feeds.parsed_feed import ParsedFeed
from repro_assets.feeds.publication import Publication, to_user_metadata
from repro_assets.feeds.registry import Feed

if TYPE_CHECKING:
    import pyarrow as pa
    from pyspark.sql import Column, SparkSession

# Both durations: Spark refuses time travel older than the second one even if every file is there.
TABLE_PROPERTIES: Mapping[str, str] = {
    "delta.logRetentionDuration": "interval 3650 days",
    "delta.deletedFileRetentionDuration": "interval 3650 days",
    "delta.enableChangeDataFeed": "true",
    "delta.checkpointInterval": "10",
}

# The log has each file's smallest and largest values, and lives for years: of persons it is to hold none, so that they
# can be forgotten. https://docs.delta.io/latest/optimizations-oss.html#data-skipping
PERSONS_PROPERTIES: Mapping[str, str] = {"delta.dataSkippingNumIndexedCols": "0"}

_USER_METADATA = "spark.databricks.delta.commitInfo.userMetadata"


@dataclass(frozen=True)
class BatchItem:
    """One publication and its rows."""

    publication: Publication
    feed: ParsedFeed


@dataclass(frozen=True)
class Outcome:
    """What became of a batch.

    Attributes:
        version: The commit; None where nothing changed.
        counts: Changed rows per part.
        publications: Of the batch, in its order, with what the table showed about them.
    """

    version: int | None
    counts: Mapping[str | None, Counts] = field(default_factory=dict)
    publications: tuple[Publication, ...] = ()


def commit_batch(
    spark: SparkSession,
    feed: Feed,
    history: TableHistory,
    batch: Sequence[BatchItem],
    accept: frozenset[AnomalyKind] = frozenset(),
) -> Outcome:
    """Bring the table to what the publications say, in one commit or, where that changes nothing, in none.

    Args:
        spark: Session with Delta.
        feed: The table's keys and parts.
        history: As read under the table's lock.
        batch: Publications of different parts.
        accept: Anomalies that a publication is not refused for.

    Raises:
        AnomalyRefused: A key of the publication stands in another part of the table, too many of the table's keys
            are gone, or its rows change, fall or leap as nobody accepted; nothing is committed.
        BadInput: The table has other columns.
        DataDamaged: A key stands twice in the table, or the commit did something else than was asked.
        Outside: Spark or another writer stopped the commit.
    """
    import pyarrow as pa

    published = pa.concat_tables([item.feed.rows for item in batch])
    publications = tuple(item.publication for item in batch)
    with _as_outside(history.uri):
        if history.version is None:
            publications = _judged_within(batch, None)
            metadata = to_user_metadata(publications)
            changes = published.append_column(OPERATION, pa.array(["insert"] * published.num_rows))
            _create(spark, history.uri, published, metadata)
        else:
            stored = _stored_rows(spark, history, published.schema, feed.keys)
            changes = _changes(feed, stored, published, batch)
            if not changes.num_rows:
                return Outcome(None, publications=publications)
            publications = tuple(
                judged(feed, publication, stored, published, changes, accept)
                for publication in _judged_within(batch, stored)
            )
            metadata = to_user_metadata(publications)
            _merge(spark, history.uri, changes, feed.keys, metadata)
    version = 0 if history.version is None else history.version + 1
    _prove(history, version, metadata, count(changes))
    return Outcome(version, _counts_by_part(feed, changes, batch), publications)


def _judged_within(batch: Sequence[BatchItem], stored: pa.Table | None) -> tuple[Publication, ...]:
    return tuple(judged_within(item.publication, item.feed, stored) for item in batch)


def _changes(feed: Feed, stored: pa.Table, published: pa.Table, batch: Sequence[BatchItem]) -> pa.Table:
    import pyarrow as pa
    import pyarrow.compute as pc

    if feed.part_column is None:
        return difference(stored, published, feed.keys)
    replaced = pa.array([feed.parts[item.feed.part] for item in batch if item.feed.part is not None])
    is_replaced = pc.is_in(stored[feed.part_column], value_set=replaced)
    kept = stored.filter(pc.invert(is_replaced))
    for item in batch:
        refuse_shared_keys(feed, item, kept, "in the table's other part")
    return difference(stored.filter(is_replaced), published, feed.keys)


def refuse_shared_keys(feed: Feed, item: BatchItem, others: pa.Table, place: str) -> None:
    """Refuse a publication that names a key which another part already has.

    Raises:
        AnomalyRefused: With the row of the first such key.
    """
    position = first_shared_key(item.feed.rows, others, feed.keys)
    if position is not None:
        raise _shared_key(feed, item, position, place)


def _shared_key(feed: Feed, item: BatchItem, position: int, place: str) -> AnomalyRefused:
    row = item.feed.rows.slice(position, 1).to_pylist()[0]
    return refusal(
        AnomalyKind.SHARED_KEY,
        f"a key already stands {place}",
        item.publication.source,
        item.feed.lines[position],
        ", ".join(feed.keys),
        stored=", ".join(str(row[key]) for key in feed.keys),
        expected="each key in one part only",
        fix="Give both parts in one call where a row moved from one to the other",
        noted=item.publication.anomalies,
    )


def _counts_by_part(feed: Feed, changes: pa.Table, batch: Sequence[BatchItem]) -> dict[str | None, Counts]:
    import pyarrow.compute as pc

    if feed.part_column is None:
        return {None: count(changes)}
    parts = [item.feed.part for item in batch if item.feed.part is not None]
    column = changes[feed.part_column]
    return {part: count(changes.filter(pc.equal(column, feed.parts[part]))) for part in parts}


def _stored_rows(spark: SparkSession, history: TableHistory, schema: pa.Schema, keys: Sequence[str]) -> pa.Table:
    frame = spark.read.format("delta").option("versionAsOf", str(history.version)).load(history.uri)
    if sorted(frame.columns) != sorted(schema.names):
        raise BadInput(
            "the table has other columns than its feed",
            where=history.uri,
            stored=", ".join(frame.columns),
            expected=", ".join(schema.names),
            fix="Ingest into an empty location",
        )
    rows = frame.select(*schema.names).toArrow().cast(schema)
    if rows.group_by(list(keys)).aggregate([]).num_rows != rows.num_rows:
        raise DataDamaged(
            "a key stands twice in the table",
            where=f"{history.uri} version {history.version}",
            expected=f"each {', '.join(keys)} once",
            fix="Remove the rows that another writer added",
        )
    return rows


def _create(spark: SparkSession, uri: str, rows: pa.Table, metadata: str) -> None:
    writer = spark.createDataFrame(rows).coalesce(1).write.format("delta").mode("errorifexists")
    persons = PERSONS_PROPERTIES if EXPERIMENT.split_key in rows.column_names else {}
    writer.options(**TABLE_PROPERTIES, **persons).option("userMetadata", metadata).save(uri)


def _merge(spark: SparkSession, uri: str, changes: pa.Table, keys: Sequence[str], metadata: str) -> None:
    from delta.tables import DeltaTable

    columns = [name for name in changes.column_names if name != OPERATION]
    values: dict[str, str | Column] = {name: f"published.`{name}`" for name in columns}
    same_key = " AND ".join(f"stored.`{key}` = published.`{key}`" for key in keys)
    merge = (
        DeltaTable.forPath(spark, uri)
        .alias("stored")
        .merge(spark.createDataFrame(changes).alias("published"), same_key)
        .whenNotMatchedInsert(condition=f"published.{OPERATION} = 'insert'", values=values)
    )
    counts = count(changes)
    # Without a clause for matched rows Delta appends and rewrites no file: most publications only add a day.
    if counts.updated:
        merge = merge.whenMatchedUpdate(condition=f"published.{OPERATION} = 'update'", set=values)
    if counts.deleted:
        merge = merge.whenMatchedDelete(condition=f"published.{OPERATION} = 'delete'")
    with _user_metadata(spark, metadata):
        merge.execute()


@contextmanager
def _user_metadata(spark: SparkSession, metadata: str) -> Generator[None]:
    """MERGE takes no writer option: the session carries the text, for this one commit."""
    before = spark.conf.get(_USER_METADATA, None)
    spark.conf.set(_USER_METADATA, metadata)
    try:
        yield
    finally:
        if before is None:
            spark.conf.unset(_USER_METADATA)
        else:
            spark.conf.set(_USER_METADATA, before)


def _prove(history: TableHistory, version: int, metadata: str, asked: Counts) -> None:
    """Read the commit back: ours, based on the version that was compared, with the counts that were asked."""
    info = read_commit_info(history.uri, version)
    if info.get("userMetadata") != metadata or info.get("readVersion") != history.version:
        raise DataDamaged(
            "another writer committed at the same time, so the table may not hold what was published",
            where=f"{history.uri} version {version}",
            stored=f"based on version {info.get('readVersion')}",
            expected=f"based on version {history.version}",
            fix="RESTORE the table to the expected version and ingest again while nobody else writes",
        )
    names = ("numTargetRowsInserted", "numTargetRowsUpdated", "numTargetRowsDeleted")
    if history.version is None:
        names = ("numOutputRows", "", "")
    metrics = info.get("operationMetrics", {})
    done = Counts(*(int(metrics.get(name, 0)) for name in names))
    if done != asked:
        raise DataDamaged(
            "the commit changed other rows than the publication does",
            where=f"{history.uri} version {version}",
            stored=done,
            expected=asked,
            fix="RESTORE the table to the version before and ingest again",
        )


@contextmanager
def _as_outside(uri: str) -> Generator[None]:
    from py4j.protocol import Py4JError
    from pyspark.errors import PySparkException

    try:
        yield
    except (PySparkException, Py4JError) as error:
        raise Outside(
            "Spark could not commit",
            where=uri,
            stored=next(iter(str(error).splitlines()), type(error).__name__)[:300],
            fix="Run the same command again: what is in the table already is skipped",
        ) from error
