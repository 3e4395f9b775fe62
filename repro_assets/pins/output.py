"""The record of one stored output: its marker, which names the digest of every part."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from repro_assets.errors import DataDamaged
from repro_assets.pins.canonical import canonical_json, digest

SCHEMA = "repro-output/1"


@dataclass(frozen=True)
class StoredFile:
    """One file of a part: path relative to the output's folder, size in bytes, SHA-256."""

    path: str
    bytes: int
    sha256: str


@dataclass(frozen=True)
class Part:
    """One table or model of an output.

    Attributes:
        name: E.g. `train`.
        kind: `table` (Parquet files), `model` (one file) or `spark_model` (a folder as Spark ML saves it).
        digest: Row fingerprint of a table, state digest of a model.
        rows: Count of a table's rows; None for a model.
        files: The files that hold it.
    """

    name: str
    kind: str
    digest: str
    rows: int | None
    files: tuple[StoredFile, ...]


@dataclass(frozen=True)
class Output:
    """A complete output of one asset.

    Attributes:
        asset: Name of the asset.
        data_version: Key of the partition.
        identity: Digest of what determined it.
        digest: Digest of the result; the asset's data version in Dagster.
        parts: Its tables and models by name.
        data: Document of the data pin of every raw table behind it (`DataPin.as_document`).
        lineage: `identity` and `digest` of every output it was made of, by asset.
        metrics: Numbers that belong to the result.
        mlflow_run_id: Nested run that computed it.
        mlflow_parent_run_id: Parent of that run.
        dagster_run_id: Dagster run that computed it.
        manifest_sha256: Digest of its manifest.
    """

    asset: str
    data_version: str
    identity: str
    digest: str
    parts: tuple[Part, ...]
    data: Mapping[str, Mapping[str, Any]]
    lineage: Mapping[str, Mapping[str, str]]
    mlflow_run_id: str
    mlflow_parent_run_id: str
    dagster_run_id: str
    manifest_sha256: str
    metrics: Mapping[str, float] = field(default_factory=dict)

    @property
    def descent(self) -> dict[str, Mapping[str, str]]:
        """`lineage` with this output itself: what whoever reads it descends from."""
        return {**self.lineage, self.asset: {"identity": self.identity, "digest": self.digest}}

    def part(self, name: str) -> Part:
        """The part of that name."""
        return next(part for part in self.parts if part.name == name)

    def to_json(self) -> bytes:
        """The marker's content."""
        return canonical_json({"schema": SCHEMA, **asdict(self)})

    @classmethod
    def from_json(cls, content: bytes, where: str) -> Output:
        """Read a marker.

        Raises:
            DataDamaged: It is not one.
        """
        try:
            document = json.loads(content)
            if document.pop("schema") != SCHEMA:
                raise ValueError("another schema")
            parts = tuple(
                Part(**{**part, "files": tuple(StoredFile(**file) for file in part["files"])})
                for part in document.pop("parts")
            )
            unsafe = [file.path for part in parts for file in part.files if not is_inside(file.path)]
            if unsafe:
                raise ValueError(f"{unsafe[0]!r} leads out of its folder")
            return cls(parts=parts, **document)
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise DataDamaged(
                "an output's marker can't be read",
                where=where,
                stored=str(error),
                expected=SCHEMA,
                fix="Remove its folder",
            ) from error


def is_inside(path: object) -> bool:
    """Whether a relative path stays below its folder: plain printable names between single slashes, no `..`."""
    if not isinstance(path, str) or not path.isprintable() or "\\" in path:
        return False
    return all(name not in ("", ".", "..") for name in path.split("/"))


def output_digest(part_digests: Mapping[str, str]) -> str:
    """Digest of an output from its parts: that of the only part, else the digest over all by name."""
    if len(part_digests) == 1:
        return next(iter(part_digests.values()))
    return digest({"schema": SCHEMA, "parts": dict(part_digests)})
