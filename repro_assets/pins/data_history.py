"""From the commits of all raw tables to the ordered list of data versions (design section 7)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta

from repro_assets.errors import BadInput, NoSuchVersion
from repro_assets.pins.data import Commit
from repro_assets.pins.data_version import encode


@dataclass(frozen=True)
class DataVersion:
    """One data version: its key, the commit of each table, and when it came to be (milliseconds, UTC)."""

    key: str
    commits: Mapping[str, Commit]
    timestamp: int


def data_versions(history: Mapping[str, Sequence[Commit]]) -> list[DataVersion]:
    """One version per row-changing commit of any table, in order of commit time.

    Each commit is paired with every other table's newest row-changing version by then; its first, if it had none yet.

    Args:
        history: Commits of each raw table by ascending version, tables in key order.

    Returns:
        Versions by commit time; a key that comes up twice stands at its first place. Empty while a table has no rows.
    """
    changing = {table: _row_changing(commits) for table, commits in history.items()}
    if not changing or not all(changing.values()):
        return []
    tables = list(history)
    events = sorted(
        (commit.timestamp, tables.index(table), commit.version)
        for table, commits in changing.items()
        for commit in commits
    )
    versions: dict[str, DataVersion] = {}
    for timestamp, _, _ in events:
        version = _version_at(changing, timestamp)
        versions.setdefault(version.key, version)
    return list(versions.values())


def as_of(history: Mapping[str, Sequence[Commit]], timestamp: int) -> DataVersion:
    """The data version at a commit time, as Delta's time travel means it: the newest commits not after it.

    Raises:
        NoSuchVersion: A table had no rows yet; Delta's own readers would quietly take its first version.
    """
    changing = {table: _row_changing(commits) for table, commits in history.items()}
    for table, commits in changing.items():
        if not commits or commits[0].timestamp > timestamp:
            raise NoSuchVersion("the table had no rows at that time", where=table, expected=_range(commits))
    return _version_at(changing, timestamp)


def _row_changing(commits: Sequence[Commit]) -> list[Commit]:
    """Row-changing commits, their times made to ascend as Delta's time travel does: never lose one to a clock."""
    latest = -1
    found = []
    for commit in commits:
        latest = max(commit.timestamp, latest + 1)
        if commit.changes_rows:
            found.append(replace(commit, timestamp=latest))
    return found


def _version_at(changing: Mapping[str, Sequence[Commit]], timestamp: int) -> DataVersion:
    newest = {table: _newest_by(commits, timestamp) for table, commits in changing.items()}
    key = encode({table: commit.version for table, commit in newest.items()}, list(changing))
    return DataVersion(key, newest, timestamp)


def _newest_by(commits: Sequence[Commit], timestamp: int) -> Commit:
    until = [commit for commit in commits if commit.timestamp <= timestamp]
    return until[-1] if until else commits[0]


def parse_time(text: str) -> int:
    """Milliseconds since 1970 of an ISO 8601 date or time; without a zone it is UTC, a date is its end.

    Raises:
        BadInput: It is no such text.
    """
    try:
        moment = datetime.fromisoformat(text.strip())
        if is_day(text):
            moment += timedelta(days=1, milliseconds=-1)
        moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise BadInput(
            "not a time", stored=repr(text)[:60], expected="e.g. 2020-06-12 or 2020-06-12T08:00:00Z"
        ) from error
    return round((moment - datetime(1970, 1, 1, tzinfo=UTC)) / timedelta(milliseconds=1))


def is_day(text: str) -> bool:
    """Whether a text is an ISO 8601 date without a time, however it is spelled."""
    try:
        date.fromisoformat(text.strip())
    except ValueError:
        return False
    return True


def _range(commits: Sequence[Commit]) -> str:
    return f"from {commits[0].timestamp} ms" if commits else "a first publication"
