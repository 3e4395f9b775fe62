"""`repro forget`: remove one person from raw versions, change data and outputs, and say what can't be had again.

The table is rewritten without the person, every data version that holds them is given up, then the files that hold them
and the outputs of those data versions go, and nothing else. What is left is searched again: a file that still holds the
person is an error.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from repro_assets.errors import BadInput, DataDamaged, Outside
from repro_assets.experiment import EXPERIMENT
from repro_assets.pins.retention import SAFE_AGE, FoundFile, Holder, kept_keys, kept_versions, named_versions
from repro_assets.resources import storage
from repro_assets.resources.keeping.leftovers import is_output_path
from repro_assets.resources.keeping.person_in_log import log_files_with
from repro_assets.resources.keeping.person_records import records_with
from repro_assets.resources.keeping.person_search import as_value, files_with, require_spelled
from repro_assets.resources.keeping.person_texts import is_named, places_with
from repro_assets.resources.raw import column_names
from repro_assets.resources.raw.expiry import FORGET
from repro_assets.resources.raw.row_deletion import delete_rows
from repro_assets.resources.raw.table_vacuum import found_files, needed_files, recorded_files, remove_files
from repro_assets.resources.tracking.store import redacted, sqlite_file
from repro_assets.verbs import unpin
from repro_assets.verbs.vacuum import note_removal

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

    from repro_assets.resources.raw.raw_tables import RawTables
    from repro_assets.settings import Settings

SCHEMA = "repro-forget/1"


@dataclass(frozen=True)
class Ways:
    """How forgetting is carried out.

    Attributes:
        holders: Everybody who needs a data version, asked anew each time.
        open_spark: Opens the session.
        collect: Removes the outputs of the data versions that were given up, as `repro gc` does.
        safe_age: How old a file must be that no commit names: a writer may have yet to.
    """

    holders: Callable[[], Sequence[Holder]]
    open_spark: Callable[[], SparkSession]
    collect: Callable[[Collection[str]], None]
    safe_age: timedelta = SAFE_AGE


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
        by_hand: Places that are only found, not changed: texts in MLflow or its address where the store is another's,
            logs, Dagster's history, reasons written down before, workspaces that were kept, the table's log, files in the lake that are nobody's
            output.
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
        BadInput: As `require_searchable`.
        DataDamaged: A file can't be searched.
    """
    require_searchable(table, person, raw_tables)
    uri = raw_tables.uri(table)
    columns = column_names.stored_names(uri, EXPERIMENT.split_key)
    files = files_with(uri, [file.path for file in found_files(uri)], columns, person)
    logged = needed_files(uri)
    recorded = recorded_files(raw_tables.records, table, uri)
    versions = versions_with(files, {one.version: one.files for one in logged}, recorded)
    holding = files_with(settings.lake, _lake_files(settings.lake), {EXPERIMENT.split_key}, person)
    outputs = [path for path in holding if is_output_path(path)]
    keys = {holder.key for holder in holders if _holds(holder.key, table, versions)} | {
        path.split("/")[1] for path in outputs
    }
    return ForgetPlan(
        table=table,
        files=tuple(sorted(files)),
        versions=versions,
        in_newest=bool(logged) and logged[-1].version in versions,
        keys=tuple(sorted(keys)),
        runs=tuple(sorted({holder.who for holder in holders if holder.key in keys})),
        outputs=tuple(sorted(outputs)),
        by_hand=(
            *_by_hand(settings, person),
            *records_with(raw_tables.records, person),
            *log_files_with(uri, columns, person),
            *(storage.join(settings.lake, path) for path in holding if path not in outputs),
        ),
    )


def forget(
    wanted: ForgetPlan,
    person: str,
    why: str,
    raw_tables: RawTables,
    ways: Ways,
) -> list[str]:
    """Do it, under the lock of the table (`table_lock.hold_table`).

    Args:
        wanted: As `plan` gives it.
        person: The id; it is written down nowhere.
        why: The reason, which is.
        raw_tables: As they stand now.
        ways: How it is carried out.

    Returns:
        Files that hold the person and stay for now: no commit names them, and they are young.

    Raises:
        BadInput: A data version is in use: a run of it is under way, or the champion is of it; nothing was changed.
        Outside: Spark stopped; start it again, what is done stays done.
    """
    already, newest = unpin.state(raw_tables)
    # All of them before the first: what is refused leaves everything as it was.
    holders = ways.holders()
    given_up = [unpin.plan(key, why, holders, [*already, key], newest) for key in wanted.keys]
    if wanted.in_newest:
        _rewrite_newest(ways.open_spark(), raw_tables.uri(wanted.table), person)
    for one in given_up:
        unpin.unpin(one, raw_tables)
    # Read anew: rewriting the table took its time. Whoever came to a version with the person meanwhile stops it.
    young = _remove_what_still_holds(wanted.table, person, _anew(raw_tables), ways, [*already, *wanted.keys])
    ways.collect(wanted.keys)
    return young


def require_searchable(table: str, person: str, raw_tables: RawTables) -> None:
    """Refuse what can't be searched for: first of all, since everything else asks for the id as it is spelt.

    Raises:
        BadInput: Another table, none, or an id of another type or in another spelling.
        DataDamaged: The table's log can't be read.
    """
    if table != EXPERIMENT.split_table.name:
        raise BadInput(
            "not the table that has a row per person", stored=repr(table)[:80], expected=EXPERIMENT.split_table.name
        )
    if not raw_tables.versions(table):
        raise BadInput("there is no such raw table", where=raw_tables.uri(table))
    require_spelled(person, column_names.column_type(raw_tables.uri(table), EXPERIMENT.split_key))


def require_discreet(why: str, person: str) -> None:
    """Refuse a reason that names the id: it is kept, and shown to whoever asks what was given up.

    Raises:
        BadInput: It does.
    """
    if is_named(why, person):
        raise BadInput("the reason names the person, and it is kept", fix="Say it without the id; nothing was done")


def is_found(wanted: ForgetPlan) -> bool:
    """Whether any file holds the person; where none does, nothing is done."""
    return bool(wanted.files or wanted.outputs)


def require_found(wanted: ForgetPlan) -> None:
    """Say that nobody of an id is there: a mistyped one must not look as if somebody had been forgotten.

    Raises:
        BadInput: No file holds the person.
    """
    if not is_found(wanted):
        raise BadInput(
            "nobody of that id is found, in no file of the table and of the outputs; nothing was done",
            where=wanted.table,
            fix="Look at the id; if forgetting them was killed at its end, `repro gc` takes the outputs that were left",
        )


def require_forgotten(left: ForgetPlan, young: Sequence[str] = ()) -> None:
    """Search again, after everything was printed.

    Args:
        left: What a new search finds.
        young: Files that were left since a writer may have yet to commit them.

    Raises:
        DataDamaged: A file still holds the person.
    """
    still = [path for path in young if path in left.files]
    if still:
        raise DataDamaged(
            f"{len(still)} files that hold the person are too young: no commit names them, and a writer may have yet to",
            where=left.table,
            stored=still[0],
            fix="Run it again when the writer has ended, with `--safe-hours 0`, or after the seven days of `--safe-hours`",
        )
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


def versions_with(files: Collection[str], *needed: Mapping[int, Collection[str]]) -> tuple[int, ...]:
    """Versions that need one of some files, ascending.

    Args:
        files: Paths relative to the table.
        needed: Files by version: as the log has them, and as they were written down of those whose log is lost.
    """
    wanted = set(files)
    return tuple(sorted({version for lists in needed for version, paths in lists.items() if wanted & set(paths)}))


def _holds(key: str, table: str, versions: Sequence[int]) -> bool:
    return any(name == table and version in versions for name, version in named_versions(key))


def _lake_files(lake: str) -> list[str]:
    return [path for path in storage.files_below(lake) if not path.startswith(("raw/", "_"))]


def _by_hand(settings: Settings, person: str) -> list[str]:
    database = sqlite_file(settings.mlflow_tracking_uri)
    is_own = database is not None and database.is_relative_to(settings.var)
    own = [settings.var / name for name in ("mlflow", "logs", "clusters")]
    roots = [*own, *([database] if database and is_own else []), settings.dagster_home]
    found = [place for root in roots for place in places_with(root, person)]
    workspaces = sorted((settings.var / "reproductions").glob("*"))
    return [
        *([] if is_own else [redacted(settings.mlflow_tracking_uri)]),
        *dict.fromkeys(found),
        *(str(path) for path in workspaces),
    ]


def _rewrite_newest(spark: SparkSession, uri: str, person: str) -> None:
    column = EXPERIMENT.split_key
    delete_rows(spark, uri, column, as_value(person, column_names.column_type(uri, column)))


def _remove_what_still_holds(
    table: str, person: str, raw_tables: RawTables, ways: Ways, given_up: Collection[str]
) -> list[str]:
    """Take every file with the person; those that no commit names and that are young stay, and are returned."""
    uri = raw_tables.uri(table)
    found = found_files(uri)
    logged = needed_files(uri)
    columns = column_names.stored_names(uri, EXPERIMENT.split_key)
    left = set(files_with(uri, [file.path for file in found], columns, person))
    if left and logged and left & logged[-1].files:
        raise Outside(
            "the newest version still holds the person", where=uri, fix="Somebody wrote them anew: start again"
        )
    named = {path for one in logged for path in (*one.files, *one.changes)}
    goes, young = split_young([file for file in found if file.path in left], named, ways.safe_age, datetime.now(UTC))
    if goes:
        paths = [file.path for file in goes]
        lists, in_log = recorded_files(raw_tables.records, table, uri), {one.version: one.files for one in logged}
        lost, needs = versions_with(paths, in_log, lists), {**lists, **in_log}
        require_unused(table, lost, kept_keys(ways.holders(), given_up))
        there = {file.path for file in found}
        expired = [version for version in lost if there.issuperset(needs[version])]
        kept = [one.version for one in logged if one.version not in lost]
        note_removal(raw_tables, table, expired, kept, goes, by=FORGET)
        remove_files(ways.open_spark(), uri, goes)
    return [file.path for file in young]


def require_unused(table: str, versions: Sequence[int], keys: Mapping[str, Sequence[str]]) -> None:
    """Stop where somebody needs a version that is about to go: a run that began meanwhile takes no lock of the table.

    Args:
        table: Name of the raw table.
        versions: Its versions that are about to go.
        keys: Who keeps each data version, as `kept_keys` gives it.

    Raises:
        BadInput: One of them is kept.
    """
    kept = kept_versions(keys, EXPERIMENT.table_names)[table]
    used = [(version, kept[version][0]) for version in versions if version in kept]
    if used:
        version, who = used[0]
        raise BadInput(
            "a version that holds the person came into use meanwhile; its files stay",
            where=f"{table}@{version}",
            stored=who,
            fix="Let it end, then start again: what is done stays done",
        )


def split_young(
    files: Sequence[FoundFile], named: Collection[str], safe_age: timedelta, now: datetime
) -> tuple[list[FoundFile], list[FoundFile]]:
    """Files that may go, and those that may have a writer yet: no commit names them, and they are not old enough."""
    young = [
        file
        for file in files
        if safe_age and file.path not in named and (file.written is None or file.written >= now - safe_age)
    ]
    return [file for file in files if file not in young], young


def _anew(raw_tables: RawTables) -> RawTables:
    """The tables without what this process remembers of their logs."""
    return type(raw_tables)(lake=raw_tables.lake)
