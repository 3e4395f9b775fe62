"""What the sensor remembers of the Delta logs, and what follows from the commits that came since.

Here belongs the cursor (`repro-cursor/1`, a JSON text on the page) and the pure step from it to the next one.
How a log is read belongs to `resources.log_watch`; the rule that pairs tables is `pins.data_history`'s alone.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields

from repro_assets.errors import BadInput
from repro_assets.pins.canonical import canonical_json
from repro_assets.pins.data import Commit
from repro_assets.pins.data_history import DataVersion, data_versions

SCHEMA = "repro-cursor/1"
_NAMED_IN_A_MESSAGE = 3


@dataclass(frozen=True)
class Seen:
    """How far one table's log was read.

    Attributes:
        table_id: Delta's `metaData.id`.
        version: Newest commit that was read.
        commit_sha256: Digest of that commit's file: the log up to it is the one that was read.
        rows_version: Newest commit that changed rows: later commits of other tables are paired with it.
        folder: State of the log's folder when it was listed (`resources.log_watch`); None where it has none.
    """

    table_id: str
    version: int
    commit_sha256: str
    rows_version: int
    folder: str | None


@dataclass(frozen=True)
class LogCursor:
    """How far the logs of all tables were read.

    Attributes:
        tables: By table, in key order.
        horizon: No commit that was read is later (milliseconds since 1970 UTC), even after times that don't ascend
            with the version were moved up as Delta's time travel moves them.
    """

    tables: Mapping[str, Seen]
    horizon: int

    def as_json(self) -> str:
        """The text that Dagster keeps; `parse_cursor` reads it."""
        tables = {table: asdict(seen) for table, seen in self.tables.items()}
        return canonical_json({"schema": SCHEMA, "horizon": self.horizon, "tables": tables}).decode()


@dataclass(frozen=True)
class LogTail:
    """What one look at a table's log found.

    Attributes:
        table_id: Delta's `metaData.id`.
        commits: New ones, ascending; all of them where there is no cursor yet.
        folder: As `Seen.folder`.
    """

    table_id: str
    commits: Sequence[Commit]
    folder: str | None


@dataclass(frozen=True)
class TickPlan:
    """What a tick answers.

    Attributes:
        register: Keys of new data versions, in commit order.
        request: Those of them that get a run, in commit order.
        message: One line for the page.
        cursor: What the next tick starts from; None where there is nothing to remember yet.
    """

    register: Sequence[str]
    request: Sequence[str]
    message: str
    cursor: LogCursor | None


def parse_cursor(text: str | None, tables: Sequence[str]) -> LogCursor | None:
    """Read a cursor back.

    Args:
        text: As kept by Dagster; None or empty before the first tick and after a reset on the page.
        tables: The experiment's raw tables, in key order.

    Returns:
        None where nothing was seen yet; also where the experiment has other tables now, since their keys are others.

    Raises:
        BadInput: It is no `repro-cursor/1`.
    """
    if not text:
        return None
    try:
        document = json.loads(text)
        if document["schema"] != SCHEMA or type(document["horizon"]) is not int:
            raise ValueError(f"schema {document['schema']!r}")
        seen = {table: _seen(entry) for table, entry in document["tables"].items()}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise BadInput(
            "the sensor's cursor can't be read",
            stored=f"{text[:60]!r} ({type(error).__name__}: {error})",
            expected=SCHEMA,
            fix="Reset the cursor on the sensor's page",
        ) from error
    if set(seen) != set(tables):
        return None
    return LogCursor({table: seen[table] for table in tables}, document["horizon"])


def has_late_commit(cursor: LogCursor, tails: Mapping[str, LogTail]) -> bool:
    """Whether a new commit is not later than everything seen: then pairs of the past change and need the whole log."""
    return any(commit.timestamp <= cursor.horizon for tail in tails.values() for commit in tail.commits)


def plan_tick(
    cursor: LogCursor | None, tails: Mapping[str, LogTail], earlier: Mapping[str, Sequence[Commit]]
) -> TickPlan:
    """Decide what to register and what to run.

    Every new data version is registered. Those later than all that was seen get a run each. Where none is (a history
    seen for the first time, a commit that arrived late), only the newest does: the others are states of the past.

    Args:
        cursor: What was seen before; None for the first time.
        tails: What was found now, tables in key order.
        earlier: Commits up to the cursor, by table: all of them if `has_late_commit`, else at least the newest that
            changed rows. Not looked at where no new commit changed a row.

    Returns:
        The plan; its new keys are those of `data_versions` over the whole log that it had not before these commits.
    """
    rowless = [table for table, tail in tails.items() if cursor is None and not _changing(tail.commits)]
    if rowless:
        return TickPlan((), (), f"no data version yet: {', '.join(rowless)} without rows", None)
    fresh = _new_versions(tails, earlier) if any(_changing(tail.commits) for tail in tails.values()) else []
    after = [version.key for version in fresh if cursor and version.timestamp > cursor.horizon]
    register = [version.key for version in fresh]
    request = after or register[-1:]
    return TickPlan(register, request, _message(tails, register, request), _next(cursor, tails))


def _seen(entry: Mapping[str, object]) -> Seen:
    seen = Seen(**{field.name: entry[field.name] for field in fields(Seen)})  # type: ignore[arg-type]  # checked below
    texts, numbers = (seen.table_id, seen.commit_sha256), (seen.version, seen.rows_version)
    is_valid = all(type(text) is str for text in texts) and all(type(number) is int for number in numbers)
    if not is_valid or not (seen.folder is None or isinstance(seen.folder, str)):
        raise ValueError(f"not an entry of a table: {entry}")
    return seen


def _changing(commits: Sequence[Commit]) -> list[Commit]:
    return [commit for commit in commits if commit.changes_rows]


def _new_versions(tails: Mapping[str, LogTail], earlier: Mapping[str, Sequence[Commit]]) -> list[DataVersion]:
    before = {table: list(earlier.get(table, ())) for table in tails}
    known = {version.key for version in data_versions(before)}
    now = data_versions({table: [*before[table], *tail.commits] for table, tail in tails.items()})
    return [version for version in now if version.key not in known]


def _next(cursor: LogCursor | None, tails: Mapping[str, LogTail]) -> LogCursor:
    tables: dict[str, Seen] = {}
    horizons = [] if cursor is None else [cursor.horizon]
    for table, tail in tails.items():
        before = cursor.tables[table] if cursor else None
        tables[table] = _advance(before, tail)
        time = None if cursor is None else cursor.horizon
        for commit in tail.commits:
            # Delta moves a time that doesn't ascend to one millisecond after the commit before it.
            time = commit.timestamp if time is None else max(commit.timestamp, time + 1)
            horizons.append(time)
    return LogCursor(tables, max(horizons))


def _advance(before: Seen | None, tail: LogTail) -> Seen:
    changing = _changing(tail.commits)
    newest = tail.commits[-1] if tail.commits else None
    if before is None:
        # A table is first remembered when it has rows, so there is a newest commit and one that changed rows.
        last = tail.commits[-1]
        return Seen(tail.table_id, last.version, last.sha256, changing[-1].version, tail.folder)
    return Seen(
        table_id=tail.table_id,
        version=newest.version if newest else before.version,
        commit_sha256=newest.sha256 if newest else before.commit_sha256,
        rows_version=changing[-1].version if changing else before.rows_version,
        folder=tail.folder,
    )


def _message(tails: Mapping[str, LogTail], register: Sequence[str], request: Sequence[str]) -> str:
    if register:
        span = request[0] if len(request) == 1 else f"{request[0]} to {request[-1]}"
        noun = "data version" if len(register) == 1 else "data versions"
        return f"{len(register)} new {noun} registered, {len(request)} requested: {span}"
    rowless = [
        f"{table} {commit.version} ({commit.operation})" for table, tail in tails.items() for commit in tail.commits
    ]
    if not rowless:
        return "nothing new"
    more = len(rowless) - _NAMED_IN_A_MESSAGE
    named = ", ".join(rowless[:_NAMED_IN_A_MESSAGE]) + (f" and {more} more" if more > 0 else "")
    return f"no row changed: {named}"
