"""The files behind a pinned version of a raw table, each with its SHA-256: what a pin's `files_sha256` names.

With them stand the files of the log that lead to the version: a log that says something else leads to other rows, and
the pinned commit's own digest tells nothing of the commits before it.
Row fingerprints say whether rows are the same; this says whether bytes are, down to a single bit, and which file's.
It is part of no identity: the same rows in other files are the same input.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass

from repro_assets.errors import DataDamaged
from repro_assets.pins.canonical import canonical_json

SCHEMA = "repro-data-files/1"


@dataclass(frozen=True)
class DataFile:
    """One file: path as `pins.table_files` has it, size in bytes, SHA-256."""

    path: str
    bytes: int
    sha256: str


@dataclass(frozen=True)
class FileList:
    """All data and deletion vector files of one version, and the log that led to them.

    Attributes:
        table_id: Delta's `metaData.id`.
        version: Number of the commit.
        commit_sha256: Digest of the commit file.
        files: By path.
        log: Files of the log that the version was read by: a checkpoint and the commits after it. None in lists of
            before they were recorded.
        live_sha256: What the log led to: digest over files, sizes and deletion vectors (`pins.table_files`). It stays
            where the log later grows a checkpoint or is cleaned up. None likewise.
    """

    table_id: str
    version: int
    commit_sha256: str
    files: tuple[DataFile, ...]
    log: tuple[DataFile, ...] | None = None
    live_sha256: str | None = None

    def to_json(self) -> bytes:
        """The document that is stored; of an older list the same bytes as ever."""
        known = {name: value for name, value in asdict(self).items() if value is not None}
        return canonical_json({"schema": SCHEMA, **known})

    def digest(self) -> str:
        """SHA-256 of the document, 64 hexadecimal digits: what the pin holds."""
        return hashlib.sha256(self.to_json()).hexdigest()

    @classmethod
    def from_json(cls, content: bytes, where: str) -> FileList:
        """Inverse of `to_json`.

        Raises:
            DataDamaged: It is no such document.
        """
        try:
            document = json.loads(content)
            if document.pop("schema") != SCHEMA:
                raise ValueError("another schema")
            files = tuple(DataFile(**file) for file in document.pop("files"))
            log = document.pop("log", None)
            if log is not None:
                log = tuple(DataFile(**file) for file in log)
            return cls(files=files, log=log, **document)
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise DataDamaged(
                "the list of a version's files can't be read", where=where, stored=str(error), expected=SCHEMA
            ) from error
