"""`repro forget`: remove one person from raw versions, change data and outputs, and say what can't be had again.

The table is rewritten without the person, every data version that holds them is given up, then vacuum and gc take the
files. What is left is searched again: a file that still holds the person is an error.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from repro_assets.errors import BadInput, DataDamaged, Outside
from repro_assets.experiment import EXPERIMENT
from repro_assets.pins.data_version import decode
from repro_assets.pins.retention import FoundFile, Holder
from repro_assets.resources import storage
from repro_assets.resources.person_search import artifacts_with, as_value, files_with
from repro_assets.resources.raw_version import table_properties
from repro_assets.resources.table_files import logged_versions
from repro_assets.resources.table_vacuum import found_files, remove_files
from repro_assets.verbs import unpin
from repro_assets.verbs.vacuum import plan as plan_vacuum
from repro_assets.verbs.vacuum import vacuum

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

    from repro_assets.resources.raw_tables import RawTables
    from repro_assets.settings import Settings

SCHEMA = "repro-forget/1"


@dataclass(frozen=True)
class ForgetPlan:
    """What forgetting a person takes.

    Attributes:
        table: The raw table that has a row per person.
        files: Its data and change data files that hold the person, relative to it.
        versions: Its versions that need one of them, ascending.
        in_newest: Whether the newest version holds the person.
        keys: Data versions to give up.
        runs: Who can't count on them any more; these runs can't be reproduced.
        outputs: Output files that hold the person, relative to the lake.
        by_hand: Places that are only found, not changed: texts in MLflow, workspaces that were kept.
    """

    table: str
    files: tuple[str, ...]
    versions: tuple[int, ...]
    in_newest: bool
    keys: tuple[str, ...]
    runs: tuple[str, ...]
    outputs: tuple[str, ...]
    by_hand: tuple[str, ...]


def plan(table: str, person: str, settings: Settings, raw_tables: RawTables, holders: Sequence[Holder]) -> ForgetPlan:
    """Find a person everywhere; nothing is changed.

    Args:
        table: The raw table that has a row per person.
        person: The id, as text.
        settings: Where things are stored.
        raw_tables: As they stand now.
        holders: Everybody who needs a data version.

    Raises:
        BadInput: Another table, an id of another type, or a table with column mapping, whose files name columns
            otherwise.
        DataDamaged: A file can't be searched.
    """
    _require_searchable(table, raw_tables)
    uri, column = raw_tables.uri(table), EXPERIMENT.split_key
    files = files_with(uri, [file.path for file in found_files(uri)], column, person)
    logged = list(logged_versions(uri))
    versions = tuple(one.version for one in logged if one.files & set(files))
    outputs = files_with(settings.lake, _output_files(settings.lake), column, person)
    keys = {holder.key for holder in holders if _holds(holder.key, table, versions)} | {
        path.split("/")[1] for path in outputs
    }
    kept_workspaces = [str(path) for path in sorted((settings.var / "reproductions").glob("*"))]
    return ForgetPlan(
        table=table,
        files=tuple(sorted(files)),
        versions=versions,
        in_newest=bool(logged) and logged[-1].version in versions,
        keys=tuple(sorted(keys)),
        runs=tuple(sorted({holder.who for holder in holders if holder.key in keys})),
        outputs=tuple(sorted(outputs)),
        by_hand=(*(str(path) for path in artifacts_with(settings.mlflow_artifacts, person)), *kept_workspaces),
    )


def forget(
    wanted: ForgetPlan,
    person: str,
    why: str,
    raw_tables: RawTables,
    holders: Sequence[Holder],
    open_spark: Callable[[], SparkSession],
    collect: Callable[[], None],
) -> None:
    """Do it, under the lock of the table (`vacuum.nobody_writes`).

    Args:
        wanted: As `plan` gives it.
        person: The id; it is written down nowhere.
        why: The reason, which is.
        raw_tables: As they stand now.
        holders: Everybody who needs a data version.
        open_spark: Opens the session.
        collect: Removes the outputs of what was given up (`repro gc`).

    Raises:
        BadInput: A data version is in use: a run of it is under way, or the champion is of it; nothing was changed.
        Outside: Spark stopped; start it again, what is done stays done.
    """
    already, newest = unpin.state(raw_tables)
    # All of them before the first: what is refused leaves everything as it was.
    given_up = [unpin.plan(key, why, holders, [*already, key], newest) for key in wanted.keys]
    if wanted.in_newest:
        _delete(open_spark(), raw_tables.uri(wanted.table), person)
    for one in given_up:
        unpin.unpin(one, raw_tables)
    everybody = [*already, *wanted.keys]
    tables = _anew(raw_tables)
    vacuum(plan_vacuum(wanted.table, tables, holders, everybody), tables, open_spark)
    _remove_what_still_holds(wanted.table, person, tables, open_spark)
    collect()


def require_forgotten(left: ForgetPlan) -> None:
    """Search again, after everything was printed.

    Raises:
        DataDamaged: A file still holds the person.
    """
    files = [*left.files, *left.outputs]
    if files:
        raise DataDamaged(
            "files still hold the person",
            where=left.table,
            stored=f"{len(files)}, first {files[0]}",
            fix="Start it again",
        )


def document(wanted: ForgetPlan, *, dry_run: bool) -> dict[str, Any]:
    """The `forget` document; it does not name the person."""
    return {"schema": SCHEMA, "dry_run": dry_run, **asdict(wanted)}


def _require_searchable(table: str, raw_tables: RawTables) -> None:
    if table != EXPERIMENT.split_table.name:
        raise BadInput(
            "not the table that has a row per person", stored=repr(table)[:80], expected=EXPERIMENT.split_table.name
        )
    if not raw_tables.versions(table):
        raise BadInput("there is no such raw table", where=raw_tables.uri(table))
    properties = table_properties(raw_tables.uri(table), table)
    if properties.get("delta.columnMapping.mode", "none") != "none":
        raise BadInput(
            "files of a table with column mapping name its columns otherwise",
            where=raw_tables.uri(table),
            fix="Follow the steps of docs/forgetting.md by hand",
        )


def _holds(key: str, table: str, versions: Sequence[int]) -> bool:
    try:
        return decode(key, EXPERIMENT.table_names)[table] in versions
    except BadInput:
        return False  # of another experiment


def _output_files(lake: str) -> list[str]:
    return [path for path in storage.files_below(lake) if not path.startswith(("raw/", "_")) and path.count("/") > 2]


def _delete(spark: SparkSession, uri: str, person: str) -> None:
    """Rewrite the newest version without the person; where that only hid the row, rewrite the files too."""
    from delta.tables import DeltaTable
    from py4j.protocol import Py4JJavaError
    from pyspark.errors import PySparkException
    from pyspark.sql import functions as f

    column = EXPERIMENT.split_key
    try:
        table = DeltaTable.forPath(spark, uri)
        empty = table.toDF().select(column).limit(0).toArrow()
        table.delete(f.col(column) == f.lit(as_value(person, empty.schema.field(column).type)))
        spark.sql(f"REORG TABLE delta.`{uri}` APPLY (PURGE)").collect()
    except (Py4JJavaError, PySparkException) as error:
        raise Outside(
            "the table can't be rewritten", where=uri, stored=str(error).strip().splitlines()[0][:300], fix="Try again"
        ) from error


def _remove_what_still_holds(
    table: str, person: str, raw_tables: RawTables, open_spark: Callable[[], SparkSession]
) -> None:
    """Change data of the deletion itself, and files that no commit names: a vacuum leaves both for a time."""
    uri = raw_tables.uri(table)
    logged = list(logged_versions(uri))
    left = set(files_with(uri, [file.path for file in found_files(uri)], EXPERIMENT.split_key, person))
    if left and logged and left & logged[-1].files:
        raise Outside(
            "the newest version still holds the person", where=uri, fix="Somebody wrote them anew: start again"
        )
    files: list[FoundFile] = [file for file in found_files(uri) if file.path in left]
    if files:
        remove_files(open_spark(), uri, files)


def _anew(raw_tables: RawTables) -> RawTables:
    """The tables without what this process remembers of their logs."""
    return type(raw_tables)(lake=raw_tables.lake)
