"""`repro pin`: name one data version by table versions or by time, keep it, and give its key."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from repro_assets.defs.partitions import register
from repro_assets.errors import BadInput, NoSuchVersion, VersionExpired
from repro_assets.experiment import EXPERIMENT
from repro_assets.feeds.publication import from_user_metadata, is_earlier, newest, utc_time
from repro_assets.pins.data import Commit
from repro_assets.pins.data_history import DataVersion, as_of, is_day, parse_time
from repro_assets.pins.data_version import encode
from repro_assets.resources.raw.file_lists import record_list
from repro_assets.verbs.versions import register_all

if TYPE_CHECKING:
    import dagster as dg

    from repro_assets.resources.raw.raw_tables import RawTables

_SPEC = re.compile(r"(?P<table>[^@]+)@(?P<version>[0-9]{1,18})", re.ASCII)


def plan(
    history: Mapping[str, Sequence[Commit]],
    specs: Sequence[str] = (),
    *,
    as_of_time: str | None = None,
    published_as_of: str | None = None,
) -> DataVersion:
    """The data version that is meant.

    Args:
        history: Commits of every raw table.
        specs: `TABLE@VERSION`; a table not named stands at its newest version.
        as_of_time: Commit time, as in Delta's time travel.
        published_as_of: Publication time, as the feed recorded it.

    Raises:
        BadInput: Several ways at once, or a spelling that is none.
        NoSuchVersion: A table has no such version, or had none by that time.
    """
    if sum(way is not None for way in (specs or None, as_of_time, published_as_of)) > 1:
        raise BadInput("a data version is pinned by versions or by one time", expected="only one of the three")
    if as_of_time is not None:
        return as_of(history, parse_time(as_of_time))
    if published_as_of is not None:
        return _published(history, _moment(published_as_of))
    chosen = [_parse(spec, history) for spec in specs]
    if len(dict(chosen)) < len(chosen):
        raise BadInput("a table is named twice", stored=" ".join(specs), expected="one version per table")
    return _by_versions(history, dict(chosen))


def pin(wanted: DataVersion, raw_tables: RawTables, instance: dg.DagsterInstance) -> str:
    """Register and keep a data version; returns its key. An explicit pair is appended to the registered keys.

    Every file behind it is hashed first, as far as that was not done before.

    Raises:
        VersionExpired: A file of it is gone; nothing is registered.
        DataDamaged: A file has another size than the log says; likewise.
    """
    for table, commit in wanted.commits.items():
        found = raw_tables.pin(table, commit.version)
        raw_tables.require_files(found)
        record_list(raw_tables, found)
    register_all(raw_tables, instance)
    register(instance, [wanted])
    for table, commit in wanted.commits.items():
        raw_tables.pin_of_key(wanted.key, table, commit.version)
    raw_tables.keep(wanted.key)
    return wanted.key


def _parse(spec: str, history: Mapping[str, Sequence[Commit]]) -> tuple[str, int]:
    match = _SPEC.fullmatch(spec)
    if not match or match["table"] not in history:
        raise BadInput("not a table version", stored=repr(spec)[:80], expected=" or ".join(f"{t}@N" for t in history))
    return match["table"], int(match["version"])


def _by_versions(history: Mapping[str, Sequence[Commit]], chosen: Mapping[str, int]) -> DataVersion:
    commits = {}
    for table, known in history.items():
        changing = [commit for commit in known if commit.changes_rows]
        by_version = {commit.version: commit for commit in known}
        if not changing:
            raise NoSuchVersion(
                "the raw table is empty or not there",
                where=table,
                fix=f"`repro ingest {table} FILE…`, or any Delta writer, fills it",
            )
        version = chosen.get(table, changing[-1].version)
        if version not in by_version:
            last = known[-1].version
            if version < last:
                raise VersionExpired(f"version {version} of {table} is gone from the log", fix="Restore its log")
            raise NoSuchVersion(f"{table} has no version {version}", expected=f"{known[0].version} to {last}")
        commits[table] = by_version[version]
    return _version(commits)


def _published(history: Mapping[str, Sequence[Commit]], moment: str) -> DataVersion:
    commits = {}
    for table, known in history.items():
        changing = [commit for commit in known if commit.changes_rows]
        # A feed without publication times (the job table) counts as published from the start.
        until = [commit for commit in changing if not is_earlier(moment, _published_at(commit))]
        if not until:
            raise NoSuchVersion("nothing of the table was published by that time", where=table, stored=moment)
        commits[table] = until[-1]
    return _version(commits)


def _published_at(commit: Commit) -> str | None:
    return newest(publication.published for publication in from_user_metadata(commit.user_metadata))


def _moment(text: str) -> str:
    """The text as publication times are written; a day stays a day, so that days are compared with days."""
    milliseconds = parse_time(text)
    moment = utc_time(milliseconds // 1000)
    return moment[: len("2020-06-12")] if is_day(text) else moment


def _version(commits: Mapping[str, Commit]) -> DataVersion:
    key = encode({table: commit.version for table, commit in commits.items()}, EXPERIMENT.table_names)
    return DataVersion(key, commits, max(commit.timestamp for commit in commits.values()))
