"""The files behind a pinned version of a raw table, each with its SHA-256: what a pin's `files_sha256` names.

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
    """All data and deletion vector files of one version.

    Attributes:
        table_id: Delta's `metaData.id`.
        version: Number of the commit.
        commit_sha256: Digest of the commit file.
        files: By path.
    """

    table_id: str
    version: int
    commit_sha256: str
    files: tuple[DataFile, ...]

    def to_json(self) -> bytes:
        """The document that is stored."""
        return canonical_json({"schema": SCHEMA, **asdict(self)})

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
            return cls(files=files, **document)
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise DataDamaged(
                "the list of a version's files can't be read", where=where, stored=str(error), expected=SCHEMA
            ) from error
