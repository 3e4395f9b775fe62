"""Which publications a raw table already holds, read from its Delta log without a JVM.

A commit names its publications in `userMetadata`.
A publication that changed no row makes no commit; it is noted in a small file beside the table, so that it is known
again the next time instead of looking older than the table's newest publication.
Log format: https://github.com/delta-io/delta/blob/master/PROTOCOL.md, "Delta Log Entries" and "Commit Provenance".
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from repro_assets.errors import DataDamaged
from repro_assets.feeds.publication import Publication, from_user_metadata, is_same, newest, to_user_metadata
from repro_assets.pins.canonical import canonical_json, digest
from repro_assets.resources import delta_log, storage


@dataclass(frozen=True)
class Recorded:
    """A publication that a table knows.

    Attributes:
        publication: As recorded.
        version: The commit that holds it; None where it changed no row.
    """

    publication: Publication
    version: int | None


@dataclass(frozen=True)
class TableHistory:
    """The publications of one table.

    Attributes:
        uri: Location of the table.
        table_id: `metaData.id`; None where there is no table yet.
        version: Newest version; None where there is no table yet.
        recorded: Every publication, those without a change last.
    """

    uri: str
    table_id: str | None = None
    version: int | None = None
    recorded: tuple[Recorded, ...] = ()

    def holding(self, publication: Publication) -> Recorded | None:
        """The newest record of this very publication, if there is one."""
        same = [entry for entry in self.recorded if is_same(publication, entry.publication)]
        return max(same, key=lambda entry: -1 if entry.version is None else entry.version, default=None)

    def newest_published(self, part: str | None) -> str | None:
        """The latest known publication time of this part of the table."""
        return newest(entry.publication.published for entry in self.recorded if entry.publication.part == part)


def read_history(uri: str) -> TableHistory:
    """Read every commit's publications, and those that changed no row.

    Raises:
        DataDamaged: A commit file is not JSON lines.
    """
    history = read_on(TableHistory(uri))
    if history.version is None:
        return history
    return replace(history, recorded=(*history.recorded, *_read_unchanged(history)))


def read_on(history: TableHistory) -> TableHistory:
    """The same history with the commits that came since.

    Raises:
        DataDamaged: A commit file is not JSON lines.
    """
    since = -1 if history.version is None else history.version
    for version in (version for version in delta_log.versions(history.uri) if version > since):
        commit = delta_log.read_commit(history.uri, version)
        found = tuple(Recorded(item, version) for item in from_user_metadata(commit.user_metadata))
        history = replace(
            history,
            version=version,
            table_id=commit.table_id or history.table_id,
            recorded=(*history.recorded, *found),
        )
    return history


def read_commit_info(uri: str, version: int) -> Mapping[str, Any]:
    """The `commitInfo` of one commit: who wrote it, on what it was based and what it did.

    Raises:
        DataDamaged: There is none.
    """
    where = delta_log.commit_uri(uri, version)
    for line in storage.read_bytes(where).splitlines():
        action = _parse(line, where)
        if "commitInfo" in action:
            return dict(action["commitInfo"])
    raise DataDamaged("a commit does not say who made it", where=where, expected="commitInfo")


def note_unchanged(history: TableHistory, publications: Sequence[Publication]) -> TableHistory:
    """Write down publications that changed no row; the history that knows them."""
    for publication in publications:
        document = {"table_id": history.table_id, "user_metadata": to_user_metadata([publication])}
        storage.write_if_absent(
            storage.join(_unchanged_folder(history.uri), f"{digest(document)}.json"), canonical_json(document)
        )
    return replace(history, recorded=(*history.recorded, *(Recorded(item, None) for item in publications)))


def _read_unchanged(history: TableHistory) -> Iterable[Recorded]:
    folder = _unchanged_folder(history.uri)
    for name in storage.names(folder):
        if not name.endswith(".json"):
            continue  # what a killed process was about to write
        where = storage.join(folder, name)
        document = _parse(storage.read_bytes(where), where)
        # Another table may stand at the same place now: it has not seen these.
        if document.get("table_id") == history.table_id:
            yield from (Recorded(item, None) for item in from_user_metadata(document["user_metadata"]))


def _parse(line: bytes, where: str) -> dict[str, Any]:
    try:
        document = json.loads(line)
    except ValueError as error:
        raise DataDamaged("a record of the table is not JSON", where=where, stored=repr(line[:40])) from error
    if not isinstance(document, dict):
        raise DataDamaged("a record of the table is not an object", where=where, stored=repr(line[:40]))
    return document


def _unchanged_folder(uri: str) -> str:
    parent, _, name = uri.rpartition("/")
    return storage.join(parent, "_unchanged", name)
