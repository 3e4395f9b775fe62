"""Which publications a raw table already holds, read from its Delta log without a JVM.

A commit names its publications in `userMetadata`.
A publication that changed no row makes no commit; it is noted in a small file beside the table, so that it is known
again the next time instead of looking older than the table's newest publication.
A RESTORE takes the table back to an earlier version: what came in between is known no more, and can be ingested again.
Log format: https://github.com/delta-io/delta/blob/master/PROTOCOL.md, "Delta Log Entries" and "Commit Provenance".
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from repro_assets.errors import DataDamaged
from repro_assets.feeds.publication import Publication, from_user_metadata, is_same, newest, to_user_metadata
from repro_assets.pins.canonical import canonical_json, digest
from repro_assets.resources import storage
from repro_assets.resources.raw import delta_log


@dataclass(frozen=True)
class Recorded:
    """A publication that a table knows.

    Attributes:
        publication: As recorded.
        version: The commit that holds it; None where it changed no row.
        state: The version whose rows it was found to be; None where that was not written down.
    """

    publication: Publication
    version: int | None
    state: int | None = None


@dataclass(frozen=True)
class TableHistory:
    """The publications of one table.

    Attributes:
        uri: Location of the table.
        table_id: `metaData.id`; None where there is no table yet.
        version: Newest version; None where there is no table yet.
        known: Every publication that was ever recorded, those without a change last.
        restores: Version of each RESTORE and the version that it went back to, ascending; -1 where that is before all.
    """

    uri: str
    table_id: str | None = None
    version: int | None = None
    known: tuple[Recorded, ...] = ()
    restores: tuple[tuple[int, int], ...] = ()

    @property
    def recorded(self) -> tuple[Recorded, ...]:
        """The publications that the table's rows are of: what a RESTORE took back is not among them."""
        return tuple(entry for entry in self.known if self._leads_here(entry))

    def _leads_here(self, entry: Recorded) -> bool:
        state = entry.version if entry.state is None else entry.state
        if not self.restores or state is None:
            return not self.restores  # of which version, an older record does not say: it is looked at again
        reached = self.version
        # Backwards, as a RESTORE may itself have been taken back by another.
        for restore, target in reversed(self.restores):
            if reached is None or restore > reached:
                continue
            if state >= restore:
                break
            reached = target
        return reached is not None and state <= reached

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
    return replace(history, known=(*history.known, *_read_unchanged(history)))


def read_on(history: TableHistory) -> TableHistory:
    """The same history with the commits that came since.

    Raises:
        DataDamaged: A commit file is not JSON lines.
    """
    since = -1 if history.version is None else history.version
    for version in (version for version in delta_log.versions(history.uri) if version > since):
        commit = delta_log.read_commit(history.uri, version)
        found = tuple(Recorded(item, version, version) for item in from_user_metadata(commit.user_metadata))
        restores = history.restores
        if commit.operation == "RESTORE":
            restores = (*restores, (version, _restored_version(history.uri, version)))
        history = replace(
            history,
            version=version,
            table_id=commit.table_id or history.table_id,
            known=(*history.known, *found),
            restores=restores,
        )
    return history


def _restored_version(uri: str, version: int) -> int:
    """The version that a RESTORE went back to: given as a number, or as a time, which is that of the last commit by then.

    Spark writes a number or text without a zone, taken for UTC, beside a null; delta-rs the version or milliseconds as
    text.

    Raises:
        DataDamaged: The commit does not say.
    """
    given = read_commit_info(uri, version).get("operationParameters") or {}
    try:
        if given.get("version") is not None:
            return int(given["version"])
        moment = _milliseconds(str(given.get("datetime") or given.get("timestamp")))
    except (AttributeError, TypeError, ValueError) as error:
        raise DataDamaged(
            "a RESTORE does not say what it went back to",
            where=delta_log.commit_uri(uri, version),
            stored=repr(given)[:100],
            expected="a version or a time",
            fix="RESTORE the table once more, to a version",
        ) from error
    before = (number for number in reversed(delta_log.versions(uri)) if number < version)
    return next((number for number in before if delta_log.read_commit(uri, number).timestamp <= moment), -1)


def _milliseconds(text: str) -> int:
    if text.isdecimal():
        return int(text)
    moment = datetime.fromisoformat(text)
    return round((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1000)


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
        document = {
            "table_id": history.table_id,
            "user_metadata": to_user_metadata([publication]),
            "version": history.version,
        }
        storage.write_if_absent(
            storage.join(_unchanged_folder(history.uri), f"{digest(document)}.json"), canonical_json(document)
        )
    noted = tuple(Recorded(item, None, history.version) for item in publications)
    return replace(history, known=(*history.known, *noted))


def _read_unchanged(history: TableHistory) -> Iterable[Recorded]:
    folder = _unchanged_folder(history.uri)
    for name in storage.names(folder):
        if not name.endswith(".json"):
            continue  # what a killed process was about to write
        where = storage.join(folder, name)
        document = _parse(storage.read_bytes(where), where)
        # Another table may stand at the same place now: it has not seen these.
        if document.get("table_id") == history.table_id:
            yield from (
                Recorded(item, None, document.get("version")) for item in from_user_metadata(document["user_metadata"])
            )


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
