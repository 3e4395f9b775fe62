"""`repro sql`: a query over the tables of all data versions, through Spark.

The views are `resources.lake_views`; here are what may be asked, and the answer as plain values.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from repro_assets.errors import BadInput, DataDamaged, ReproError
from repro_assets.experiment import EXPERIMENT
from repro_assets.resources.outputs.lake import Lake
from repro_assets.resources.outputs.lake_views import View, views
from repro_assets.resources.raw.raw_tables import RawTables
from repro_assets.resources.raw.read_errors import cause

if TYPE_CHECKING:
    import dagster as dg
    from pyspark.sql import DataFrame, SparkSession

_MOST_MATERIALIZATIONS = 10_000
_READING = ("SELECT", "WITH", "SHOW", "DESCRIBE", "DESC")
_WRITING = ("INSERT", "MERGE", "UPDATE", "DELETE")
# Text in which a word means nothing: strings, quoted names, comments.
_OPAQUE = re.compile(
    r"""'(?:[^'\\]|\\.|'')*' | "(?:[^"\\]|\\.|"")*" | `(?:[^`]|``)*` | --[^\n]* | /\*.*?\*/""",
    re.DOTALL | re.VERBOSE,
)
_SHOWN = 300
_LOOK = "`repro verify --all` says what is damaged"
# Functions that call any Java method.
_REFLECTING = {"REFLECT", "JAVA_METHOD", "TRY_REFLECT"}
_MOST_ROWS = 2**31 - 2  # Spark counts them in 32 bits, and one more is asked for


@dataclass(frozen=True)
class Query:
    """A query that only reads.

    Attributes:
        text: The query, without its closing semicolon.
        words: Every name in it, in lower case: what views it may need.
        limit: How many rows are wanted; None for all.
    """

    text: str
    words: frozenset[str]
    limit: int | None

    @property
    def lists(self) -> bool:
        """Whether it asks for the names of the views, so that all are needed."""
        return "show" in self.words


@dataclass(frozen=True)
class Answer:
    """Rows of a query.

    Attributes:
        columns: Name and Arrow type of each column; a name may occur twice.
        rows: Values as Python has them.
        truncated: There are more rows than these.
    """

    columns: tuple[tuple[str, str], ...]
    rows: tuple[tuple[Any, ...], ...]
    truncated: bool


class _Stopped(BadInput):
    """A query that Spark took, and could not bring to an end: what it reads may be the reason."""


def plan(query: str, limit: int) -> Query:
    """Check that a query only reads.

    Args:
        query: Spark SQL.
        limit: Rows to give; 0 for all.

    Raises:
        BadInput: Something else than SELECT, WITH, SHOW or DESCRIBE, several statements, or a limit that is none.
    """
    text = query.strip().rstrip(";").rstrip()
    plain = _OPAQUE.sub(" ", text)
    names = plain + " " + " ".join(found.strip("`") for found in _OPAQUE.findall(text) if found.startswith("`"))
    words = re.findall(r"[A-Za-z_][A-Za-z0-9_]*", plain)
    first = words[0].upper() if words else ""
    writes = first == "WITH" and any(word.upper() in _WRITING for word in words)
    if first not in _READING or not plain.strip().upper().startswith(first) or writes:
        raise BadInput("not a query that only reads", stored=repr(text)[:80], expected="SELECT, WITH, SHOW or DESCRIBE")
    if ";" in plain:
        raise BadInput("several statements", stored=repr(text)[:80], expected="one query")
    if called := _REFLECTING & {word.upper() for word in words}:
        raise BadInput("a query can't call Java", stored=", ".join(sorted(called)).lower(), expected="SQL functions")
    if not 0 <= limit <= _MOST_ROWS:
        raise BadInput("not a limit", stored=limit, expected=f"a number of rows up to {_MOST_ROWS}, 0 for all")
    return Query(text, frozenset(re.findall(r"[a-z_][a-z0-9_]*", names.lower())), limit or None)


def sql(wanted: Query, instance: dg.DagsterInstance, open_spark: Callable[[], SparkSession]) -> Answer:
    """Ask the query over the views it names.

    Raises:
        BadInput: Spark refuses the query, or there is nothing in the lake yet.
        DataDamaged: A file that is read is not what its marker or its table says.
        VersionExpired: A file of a raw table is gone.
    """
    raw_tables = RawTables()
    found = views(Lake(), raw_tables, EXPERIMENT.table_names, lambda asset: latest_identities(instance, asset))
    if not found:
        raise BadInput("there is nothing to ask yet", fix="`repro ingest TABLE FILE…`, then `repro run KEY`")
    try:
        return ask(wanted, found, open_spark())
    except _Stopped as stopped:
        raise _unreadable(wanted, raw_tables, str(stopped)) or stopped from stopped


def _unreadable(wanted: Query, raw_tables: RawTables, said: str) -> ReproError | None:
    read = [table for table in EXPERIMENT.table_names if table in wanted.words and raw_tables.versions(table)]
    return cause(raw_tables, [raw_tables.pin(table, raw_tables.versions(table)[-1]) for table in read], said)


def ask(wanted: Query, found: Mapping[str, View], spark: SparkSession) -> Answer:
    """Make the views that a query names, and give its rows.

    Raises:
        BadInput: Spark refuses the query.
        DataDamaged: What a view stands for can't be read.
    """
    from py4j.protocol import Py4JJavaError
    from pyspark.errors import AnalysisException, PySparkException

    # What is wrong with a query is one line of ours: Spark would write stack traces beside it.
    logging.getLogger("SQLQueryContextLogger").disabled = True
    spark.sparkContext.setLogLevel("OFF")
    for name, frame in found.items():
        if wanted.lists or name in wanted.words:
            try:
                frame(spark).createOrReplaceTempView(name)
            except (PySparkException, Py4JJavaError) as error:
                raise DataDamaged(f"the view {name} can't be made", stored=_said(error), fix=_LOOK) from error
    try:
        return _answer(spark.sql(wanted.text), wanted.limit)
    except (PySparkException, Py4JJavaError) as error:
        # An unknown column or word is the query's own: no file has to be looked at to say so.
        kind = BadInput if isinstance(error, AnalysisException) else _Stopped
        raise kind("Spark refuses the query", stored=_said(error), fix=f"There are: {', '.join(found)}") from error


def latest_identities(instance: dg.DagsterInstance, asset: str) -> dict[str, str]:
    """Identity that the latest materialization of every data version of an asset names."""
    import dagster as dg

    latest: dict[str, str] = {}
    for record in instance.fetch_materializations(dg.AssetKey(asset), limit=_MOST_MATERIALIZATIONS).records:
        materialization = record.asset_materialization
        identity = materialization.metadata.get("identity") if materialization else None
        if materialization is not None and materialization.partition is not None and identity is not None:
            latest.setdefault(materialization.partition, str(identity.value))
    return latest


def _answer(frame: DataFrame, limit: int | None) -> Answer:
    # Through Arrow: collected rows would have timestamps in this machine's time zone.
    table = (frame if limit is None else frame.limit(limit + 1)).toArrow()
    more = limit is not None and table.num_rows > limit
    if more:
        table = table.slice(0, limit)
    columns = tuple((field.name, str(field.type)) for field in table.schema)
    return Answer(columns, tuple(zip(*[column.to_pylist() for column in table.columns], strict=True)), more)


def _said(error: Exception) -> str:
    """The first line of what Spark says; the plan and the stack below it help nobody here."""
    java = getattr(error, "java_exception", None)
    text = str(java.getMessage()) if java is not None else str(error)
    return text.strip().splitlines()[0][:_SHOWN].rstrip(". ") if text.strip() else type(error).__name__
