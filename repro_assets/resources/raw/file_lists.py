"""The SHA-256 of every file behind a pinned version: recorded when the version is first pinned, proved by `repro verify`.

Lists lie beside the other records of pins, at `_files/TABLE/VERSION-….json` of the lake, written only if absent.
Data files of Delta never change, so a file that the list of a neighbouring version has is taken from there: only new
files are hashed when a version is pinned. `check_files` hashes all of them.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from repro_assets.errors import DataDamaged, ReproError, VersionExpired
from repro_assets.pins.canonical import digest
from repro_assets.pins.data import CommitPin
from repro_assets.pins.data_files import DataFile, FileList
from repro_assets.resources import storage
from repro_assets.resources.raw.expiry import what_took
from repro_assets.resources.raw.table_files import RESTORE, file_uri, files_of_version, sha256_of, sizes

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
    files = []
    for path, size in sorted(sizes(files_of_version(uri, pin.version)).items()):
        before = hashed.get(path)
        is_same = before is not None and size in (None, before.bytes)
        files.append(before if before is not None and is_same else _hash(tables, pin, path, size))
    made = FileList(pin.table_id, pin.version, pin.commit_sha256, tuple(files))
    where = storage.join(_folder(tables, pin), _name(pin))
    if storage.write_if_absent(where, made.to_json()):
        return made
    return known_list(tables, pin) or made


def wrong_bytes(tables: RawTables, pin: CommitPin, recorded: FileList) -> Iterator[ReproError]:
    """Hash every file of a list anew: an error for each that is gone or holds other bytes.

    Args:
        tables: The raw tables as they stand now.
        pin: The commit of the list.
        recorded: What the files were.
    """
    for file in recorded.files:
        where = file_uri(tables.uri(pin.table), file.path)
        try:
            found, _ = sha256_of(where)
        except FileNotFoundError:
            yield gone(tables, pin, where, expected=file.sha256)
            continue
        if found != file.sha256:
            yield DataDamaged(
                f"a data file of {pin.table}@{pin.version} is damaged",
                where=where,
                stored=found,
                expected=file.sha256,
                fix=RESTORE,
            )


def gone(tables: RawTables, pin: CommitPin, where: str, expected: str | None = None) -> VersionExpired:
    """The error for a file of a version that is not there, with what took it as far as that is known."""
    return VersionExpired(
        f"a data file of {pin.table}@{pin.version} is gone",
        where=where,
        stored="nothing",
        expected=expected,
        fix=f"{what_took(tables, pin.table, pin.version)}. {RESTORE}",
    )


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
            found.update({file.path: file for file in other.files})
    return found


def _folder(tables: RawTables, pin: CommitPin) -> str:
    return storage.join(tables.records, "_files", pin.table)


def _name(pin: CommitPin) -> str:
    commit = digest({"table_id": pin.table_id, "version": pin.version, "commit_sha256": pin.commit_sha256})
    return f"{pin.version:020d}-{commit[:16]}.json"
