"""Delta logs written by hand: commit files as the protocol describes them, without an engine."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from repro_assets.pins.data import Commit

TABLE_ID = "00000000-0000-4000-8000-000000000001"
ADDED_ROWS = {"add": {"path": "part-0.parquet", "size": 4, "dataChange": True}}


def commit_lines(*actions: Mapping[str, Any]) -> bytes:
    """One action per line; text stays as it is, as Delta writes it."""
    return "".join(json.dumps(action, ensure_ascii=False) + "\n" for action in actions).encode()


def commit_file(*actions: Mapping[str, Any], timestamp: int = 1_000, operation: str = "WRITE", **info: Any) -> bytes:
    """A commit with its `commitInfo` first."""
    return commit_lines({"commitInfo": {"timestamp": timestamp, "operation": operation, **info}}, *actions)


def metadata(table_id: str = TABLE_ID) -> dict[str, Any]:
    """The action that gives a table its id."""
    return {"metaData": {"id": table_id, "format": {"provider": "parquet"}, "schemaString": "{}"}}


def log_file(lake: Path, table: str, version: int) -> Path:
    """Where a commit of a raw table stands."""
    return lake / "raw" / table / "_delta_log" / f"{version:020d}.json"


def write_commit(lake: Path, table: str, version: int, content: bytes) -> Path:
    """Put one commit file into a table's log."""
    path = log_file(lake, table, version)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def write_table(lake: Path, table: str, *timestamps: int, table_id: str = TABLE_ID) -> None:
    """A log of one row-changing commit per timestamp."""
    for version, timestamp in enumerate(timestamps):
        head = (metadata(table_id),) if version == 0 else ()
        write_commit(lake, table, version, commit_file(*head, ADDED_ROWS, timestamp=timestamp))


def commit(version: int, timestamp: int, *, changes_rows: bool = True, user_metadata: str | None = None) -> Commit:
    """A parsed commit; its digest follows from its version."""
    return Commit(
        version=version,
        sha256=f"{version:064x}",
        timestamp=timestamp,
        operation="MERGE",
        changes_rows=changes_rows,
        table_id=TABLE_ID if version == 0 else None,
        user_metadata=user_metadata,
    )
