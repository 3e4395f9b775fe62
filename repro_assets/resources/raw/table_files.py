"""The files of a version of a Delta table, read from its log without a JVM, and what is there of them.

The log is replayed here and not by delta-rs, which does not tell the files of deletion vectors.
What the actions mean is `pins.table_files`'.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from repro_assets.errors import DataDamaged, ReproError, VersionExpired
from repro_assets.pins.table_files import LiveFile, Replay, change_files, is_elsewhere, live_files
from repro_assets.resources import storage
from repro_assets.resources.raw import delta_log

_CHUNK = 2**22
RESTORE = "Restore it from a backup"


def files_of_version(uri: str, version: int) -> list[LiveFile]:
    """Data files of a version with their deletion vectors, by path.

    Args:
        uri: The table.
        version: A commit that is in the log, or that a checkpoint holds.

    Raises:
        VersionExpired: The log has a gap and no checkpoint after it.
        DataDamaged: A commit or checkpoint can't be read.
    """
    missing = delta_log.missing_for(uri, version)
    if missing:
        raise VersionExpired(
            f"nothing leads to version {version} any more: its log has a gap and no checkpoint after it",
            where=uri,
            stored=f"{len(missing)} commits missing, first {missing[0]}",
            fix=f"Delta's log clean-up or a removed file took it. {RESTORE}",
        )
    return live_files(_actions(uri, version), uri)


@dataclass(frozen=True)
class LoggedVersion:
    """One version that can be reconstructed from the log.

    Attributes:
        version: Its number.
        files: Every data and deletion vector file that it needs.
        changes: Change data files that its commit wrote.
    """

    version: int
    files: frozenset[str]
    changes: frozenset[str]


def logged_versions(uri: str) -> Iterator[LoggedVersion]:
    """Every version that the log leads to, ascending, in one pass over it.

    Raises:
        DataDamaged: A commit or checkpoint can't be read.
    """
    replay, at = Replay(uri), -1
    for version in delta_log.versions(uri):
        if version != at + 1:
            # A gap: only a checkpoint leads on.
            if delta_log.missing_for(uri, version):
                continue
            replay = Replay(uri)
            replay.apply(_actions(uri, version))
            actions = commit_actions(uri, version)
        else:
            actions = commit_actions(uri, version)
            replay.apply(actions)
        at = version
        yield LoggedVersion(version, frozenset(sizes(replay.files())), frozenset(change_files(actions)))


def sizes(files: Iterable[LiveFile]) -> dict[str, int | None]:
    """Size by path of everything that has to be there; None where the log does not tell it, as for deletion vectors."""
    found: dict[str, int | None] = {}
    for file in files:
        if file.vector_path is not None:
            found[file.vector_path] = None
        found[file.path] = file.bytes
    return found


def wrong_files(uri: str, files: Iterable[LiveFile], name: str, what_took: Callable[[], str]) -> Iterator[ReproError]:
    """What is not there of a version, or has another size: one error for each of the two.

    Args:
        uri: The table.
        files: Of the version.
        name: The version as people call it.
        what_took: Says what removed files of it, and what to do; asked where some are gone.
    """
    wanted = sizes(files)
    here = storage.sizes_below(uri)
    elsewhere = {path: storage.size(path) for path in wanted if is_elsewhere(path)}
    found = {**here, **{path: size for path, size in elsewhere.items() if size is not None}}
    gone = sorted(path for path in wanted if path not in found)
    if gone:
        yield VersionExpired(
            f"{len(gone)} of {len(wanted)} data files of {name} are gone",
            where=uri,
            stored=f"nothing at {gone[0]}",
            fix=what_took(),
        )
    other = sorted(path for path, size in wanted.items() if size is not None and found.get(path, size) != size)
    if other:
        yield DataDamaged(
            f"{len(other)} of {len(wanted)} data files of {name} have another size",
            where=file_uri(uri, other[0]),
            stored=f"{found[other[0]]:,} bytes",
            expected=f"{wanted[other[0]]:,} bytes",
            fix=RESTORE,
        )


def file_uri(uri: str, path: str) -> str:
    """Where a file of a table lies."""
    return path if is_elsewhere(path) else storage.join(uri, path)


def sha256_of(uri: str) -> tuple[str, int]:
    """SHA-256 and size in bytes of one file, read in pieces.

    Raises:
        FileNotFoundError: There is none.
        Outside: The store does not answer.
    """
    hasher, size = hashlib.sha256(), 0
    for piece in storage.read_pieces(uri, _CHUNK):
        hasher.update(piece)
        size += len(piece)
    return hasher.hexdigest(), size


def log_files(uri: str, version: int) -> list[str]:
    """URIs of the files of the log that `files_of_version` reads: a checkpoint with its sidecars, then commits.

    Raises:
        DataDamaged: The checkpoint can't be read.
    """
    checkpoint, names = delta_log.checkpoint_before(uri, version)
    sidecars = [where for name in names for row in _checkpoint_rows(name) for where in _sidecar(uri, row)]
    commits = [delta_log.commit_uri(uri, number) for number in range(checkpoint + 1, version + 1)]
    return [*names, *sidecars, *commits]


def _actions(uri: str, version: int) -> Iterator[Mapping[str, Any]]:
    checkpoint, names = delta_log.checkpoint_before(uri, version)
    for name in names:
        yield from _of_checkpoint(uri, name)
    for number in range(checkpoint + 1, version + 1):
        yield from commit_actions(uri, number)


def commit_actions(uri: str, version: int) -> list[dict[str, Any]]:
    """All actions of one commit.

    Raises:
        FileNotFoundError: It is not in the log.
        DataDamaged: It is not JSON lines.
    """
    where = delta_log.commit_uri(uri, version)
    return _lines(storage.read_bytes(where), where)


def _of_checkpoint(uri: str, name: str) -> Iterator[Mapping[str, Any]]:
    for row in _checkpoint_rows(name):
        for where in _sidecar(uri, row):
            yield from _parquet_rows(where)
        if row.get("add") is not None:
            yield row


def _checkpoint_rows(name: str) -> list[dict[str, Any]]:
    return _lines(_of_log(name), name) if name.endswith(".json") else _parquet_rows(name)


def _sidecar(uri: str, row: Mapping[str, Any]) -> list[str]:
    """Where the sidecar lies that a row of a checkpoint names, if it names one."""
    sidecar = row.get("sidecar")
    if not isinstance(sidecar, dict) or not sidecar.get("path"):
        return []
    path = str(sidecar["path"])
    return [path if is_elsewhere(path) else storage.join(uri, "_delta_log", "_sidecars", path)]


def _parquet_rows(where: str) -> list[dict[str, Any]]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    wanted = ["add.path", "add.size", "add.deletionVector", "sidecar.path"]
    content = _of_log(where)
    try:
        # Not by `read_table`, which flattens nested columns and refuses those that a checkpoint lacks.
        file = pq.ParquetFile(pa.BufferReader(content), page_checksum_verification=True)
        rows = file.read(columns=wanted).to_pylist()
    # pyarrow has one kind of error for a page, another for the footer (OSError) and for text (UnicodeDecodeError).
    except (pa.ArrowException, OSError, ValueError) as error:
        raise DataDamaged("a checkpoint can't be read", where=where, stored=str(error)[:300], fix=RESTORE) from error
    found: list[dict[str, Any]] = rows
    return found


def _of_log(where: str) -> bytes:
    try:
        return storage.read_bytes(where)
    except FileNotFoundError as error:
        raise VersionExpired(
            "a file of a checkpoint is gone, so nothing leads to the versions after it",
            where=where,
            stored="nothing",
            fix=f"Delta's log clean-up or a person took it. {RESTORE}",
        ) from error


def _lines(content: bytes, where: str) -> list[dict[str, Any]]:
    try:
        actions = [json.loads(line) for line in content.splitlines() if line.strip()]
    except (ValueError, RecursionError) as error:
        raise DataDamaged("a commit file is not JSON lines", where=where, stored=str(error)) from error
    if not all(isinstance(action, dict) for action in actions):
        raise DataDamaged("a commit file holds no actions", where=where, stored=f"{len(content)} bytes")
    return actions
