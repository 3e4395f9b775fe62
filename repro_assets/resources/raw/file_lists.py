"""The SHA-256 of every file behind a pinned version: recorded when the version is first pinned, proved by `repro verify`.

The files of the log that lead to it are among them.
Lists lie beside the other records of pins, at `_files/TABLE/VERSION-….json` of the lake, written only if absent.
Data files of Delta never change, so a file that the list of a neighbouring version has is taken from there: only new
files are hashed when a version is pinned. `check_files` hashes all of them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from repro_assets.errors import DataDamaged, ReproError, VersionExpired
from repro_assets.pins.canonical import digest
from repro_assets.pins.data import CommitPin
from repro_assets.pins.data_files import DataFile, FileList
from repro_assets.pins.table_files import live_digest
from repro_assets.resources import storage
from repro_assets.resources.raw.expiry import what_took
from repro_assets.resources.raw.table_files import (
    RESTORE,
    file_uri,
    files_of_version,
    log_files,
    sha256_of,
    sizes,
    wrong_files,
)

if TYPE_CHECKING:
    from repro_assets.resources.raw.raw_tables import RawTables


def known_list(tables: RawTables, pin: CommitPin) -> FileList | None:
    """The list that was recorded for a commit, or None.

    Raises:
        DataDamaged: It can't be read, or speaks of another commit.
    """
    where = storage.join(_folder(tables, pin), _name(pin))
    try:
        found = FileList.from_json(storage.read_bytes(where), where)
    except FileNotFoundError:
        return None
    if (found.table_id, found.version, found.commit_sha256) != (pin.table_id, pin.version, pin.commit_sha256):
        raise DataDamaged("the list of a version's files speaks of another commit", where=where, fix="Remove the file")
    return found


def record_list(tables: RawTables, pin: CommitPin) -> FileList:
    """The list of a commit, made and recorded where there is none yet.

    Args:
        tables: The raw tables as they stand now.
        pin: A commit that is the pinned one (`RawTables.check`).

    Raises:
        VersionExpired: A file is gone.
        DataDamaged: A file has another size than the log says, or the log can't be read.
    """
    known = known_list(tables, pin)
    if known is not None:
        return known
    hashed = _hashed_before(tables, pin)
    uri = tables.uri(pin.table)
    live = files_of_version(uri, pin.version)
    needed = sizes(live)
    log = {where.removeprefix(f"{uri}/"): None for where in log_files(uri, pin.version)}
    found = {path: _known_or_hashed(tables, pin, path, size, hashed) for path, size in {**needed, **log}.items()}
    made = FileList(
        pin.table_id,
        pin.version,
        pin.commit_sha256,
        files=tuple(found[path] for path in sorted(needed)),
        log=tuple(found[path] for path in log),
        live_sha256=live_digest(live),
    )
    where = storage.join(_folder(tables, pin), _name(pin))
    if storage.write_if_absent(where, made.to_json()):
        return made
    return known_list(tables, pin) or made


def wrong_bytes(tables: RawTables, pin: CommitPin, recorded: FileList) -> Iterator[ReproError]:
    """Hash every file of a list anew: an error for each that is gone or holds other bytes.

    Of the log nothing has to stay: whether it still leads to the version is `wrong_log`'s.

    Args:
        tables: The raw tables as they stand now.
        pin: The commit of the list.
        recorded: What the files were.
    """
    name = f"{pin.table}@{pin.version}"
    for file in recorded.log or ():
        where = file_uri(tables.uri(pin.table), file.path)
        found = _sha256_if_there(where)
        if found not in (None, file.sha256):
            yield _damaged(f"the log that leads to {name} is damaged", where, found, file)
    for file in recorded.files:
        where = file_uri(tables.uri(pin.table), file.path)
        found = _sha256_if_there(where)
        if found is None:
            yield gone(tables, pin, where, expected=file.sha256)
        elif found != file.sha256:
            yield _damaged(f"a data file of {name} is damaged", where, found, file)


def wrong_log(tables: RawTables, pin: CommitPin, recorded: FileList) -> Iterator[ReproError]:
    """An error for each file of the log that holds other bytes than were pinned; else one if it leads to other files.

    A log that grew a checkpoint or was cleaned up since then passes, as long as it leads to the same files.

    Raises:
        VersionExpired: Nothing leads to the version.
        DataDamaged: A commit or checkpoint can't be read.
    """
    wrong = list(wrong_bytes(tables, pin, replace(recorded, files=())))
    yield from wrong or other_files(tables, pin, recorded)


def other_files(tables: RawTables, pin: CommitPin, recorded: FileList) -> Iterator[ReproError]:
    """One error where a version consists of other files, by its log, than were pinned.

    Raises:
        VersionExpired, DataDamaged: As `wrong_log`.
    """
    uri = tables.uri(pin.table)
    live = files_of_version(uri, pin.version)
    now, before = sizes(live), {file.path: file.bytes for file in recorded.files}
    other = {path for path in now.keys() & before.keys() if now[path] not in (None, before[path])}
    if now.keys() == before.keys() and not other and recorded.live_sha256 in (None, live_digest(live)):
        return
    differing = sorted((now.keys() ^ before.keys()) | other)
    yield DataDamaged(
        f"the log leads to other files of {pin.table}@{pin.version} than were pinned",
        where=uri,
        stored=f"{len(now)} files, differing in {differing[0] if differing else 'deletion vectors'}",
        expected=f"{len(before)} files",
        fix=f"A commit or checkpoint before it is damaged. {RESTORE}",
    )


def wrong_version(tables: RawTables, pin: CommitPin) -> Iterator[ReproError]:
    """What is wrong with the log and the files of a version, as far as can be told without reading a data file.

    Raises:
        VersionExpired: Nothing leads to the version.
        DataDamaged: A commit, a checkpoint or the list of its files can't be read.
    """
    recorded = known_list(tables, pin)
    wrong = list(wrong_log(tables, pin, recorded)) if recorded else []
    if wrong:
        # Which files the version needs is not known then.
        yield from wrong
        return
    uri, name = tables.uri(pin.table), f"{pin.table}@{pin.version}"
    files = files_of_version(uri, pin.version)
    yield from wrong_files(uri, files, name, lambda: what_took(tables, pin.table, pin.version))


def gone(tables: RawTables, pin: CommitPin, where: str, expected: str | None = None) -> VersionExpired:
    """The error for a file of a version that is not there, with what took it as far as that is known."""
    return VersionExpired(
        f"a data file of {pin.table}@{pin.version} is gone",
        where=where,
        stored="nothing",
        expected=expected,
        fix=what_took(tables, pin.table, pin.version),
    )


def _known_or_hashed(
    tables: RawTables, pin: CommitPin, path: str, size: int | None, hashed: Mapping[str, DataFile]
) -> DataFile:
    """What a neighbouring version's list says of a file that never changes, else what it is now."""
    before = hashed.get(path)
    return before if before is not None and size in (None, before.bytes) else _hash(tables, pin, path, size)


def _sha256_if_there(where: str) -> str | None:
    try:
        return sha256_of(where)[0]
    except FileNotFoundError:
        return None


def _damaged(what: str, where: str, found: str | None, file: DataFile) -> DataDamaged:
    return DataDamaged(what, where=where, stored=found, expected=file.sha256, fix=RESTORE)


def _hash(tables: RawTables, pin: CommitPin, path: str, size: int | None) -> DataFile:
    where = file_uri(tables.uri(pin.table), path)
    try:
        sha256, found = sha256_of(where)
    except FileNotFoundError as error:
        raise gone(tables, pin, where) from error
    if size is not None and found != size:
        raise DataDamaged(
            f"a data file of {pin.table}@{pin.version} has another size than its commit says",
            where=where,
            stored=f"{found:,} bytes",
            expected=f"{size:,} bytes",
            fix=RESTORE,
        )
    return DataFile(path, found, sha256)


def _hashed_before(tables: RawTables, pin: CommitPin) -> dict[str, DataFile]:
    """Files of the nearest version below and of the nearest above that have a list; the same table's only."""
    folder = _folder(tables, pin)
    lists = [name for name in storage.names(folder) if name.endswith(".json")]
    own = _name(pin)
    near = [*[name for name in lists if name < own][-1:], *[name for name in lists if name > own][:1]]
    found: dict[str, DataFile] = {}
    for name in near:
        where = storage.join(folder, name)
        other = FileList.from_json(storage.read_bytes(where), where)
        if other.table_id == pin.table_id:
            found.update({file.path: file for file in (*other.files, *(other.log or ()))})
    return found


def _folder(tables: RawTables, pin: CommitPin) -> str:
    return storage.join(tables.records, "_files", pin.table)


def _name(pin: CommitPin) -> str:
    commit = digest({"table_id": pin.table_id, "version": pin.version, "commit_sha256": pin.commit_sha256})
    return f"{pin.version:020d}-{commit[:16]}.json"
