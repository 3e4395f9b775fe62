"""The data pin: what is needed to read exactly the same rows of a raw table again.

Commits are parsed from Delta's JSON log (Delta transaction protocol, section "Delta Log Entries");
times come from the commits' own records, never from file times.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from repro_assets.errors import DataDamaged

_MERGE_COUNTS = ("numTargetRowsInserted", "numTargetRowsUpdated", "numTargetRowsDeleted")


@dataclass(frozen=True)
class Commit:
    """One version of a Delta table, as its log says.

    Attributes:
        version: Number of the commit.
        sha256: Of the commit file's bytes.
        timestamp: Commit time, milliseconds since 1970 UTC.
        operation: Delta's name of what was done, e.g. `MERGE`.
        changes_rows: False where the log shows that no row changed (OPTIMIZE, VACUUM, properties, an empty MERGE).
        table_id: `metaData.id` where this commit sets it.
        user_metadata: Text given with the commit, usually JSON.
    """

    version: int
    sha256: str
    timestamp: int
    operation: str
    changes_rows: bool
    table_id: str | None
    user_metadata: str | None


@dataclass(frozen=True)
class CommitPin:
    """Which commit of which table; enough to check a location before a row is read.

    Attributes:
        table: Name of the raw table.
        uri: Where it stands.
        table_id: Delta's `metaData.id`: another id is another table.
        version: Number of the commit.
        commit_sha256: Digest of the commit file.
        timestamp: Commit time, milliseconds since 1970 UTC.
    """

    table: str
    uri: str
    table_id: str
    version: int
    commit_sha256: str
    timestamp: int


@dataclass(frozen=True)
class RowsPin:
    """What the rows of a pinned commit were.

    Attributes:
        fingerprint: `tblfp/1` digest of the rows.
        rows: Their count.
        schema: (column, canonical type) by name.
    """

    fingerprint: str
    rows: int
    schema: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class DataPin:
    """A raw table at one version: the commit, its rows and the files they lay in.

    Attributes:
        commit: Which commit.
        rows: What its rows were.
        files_sha256: Digest of the list of its data files (`pins.data_files`); None in pins of before there were any.
            It is part of no identity.
    """

    commit: CommitPin
    rows: RowsPin
    files_sha256: str | None = None

    def as_document(self) -> dict[str, Any]:
        """The pin as the manifest holds it."""
        files = {} if self.files_sha256 is None else {"files_sha256": self.files_sha256}
        schema = [list(column) for column in self.rows.schema]
        return {**asdict(self.commit), **asdict(self.rows), "schema": schema, **files}

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> DataPin:
        """Inverse of `as_document`."""
        commit = CommitPin(**{name: document[name] for name in CommitPin.__dataclass_fields__})
        schema = tuple((name, kind) for name, kind in document["schema"])
        rows = RowsPin(document["fingerprint"], document["rows"], schema)
        return cls(commit, rows, document.get("files_sha256"))


def parse_commit(version: int, content: bytes, where: str) -> Commit:
    """Parse one `_delta_log/*.json`.

    Raises:
        DataDamaged: It is empty, not JSON lines, or has no commit time.
    """
    try:
        # By bytes: text may hold U+2028 and U+0085 as they are, and `str.splitlines` would break a line there.
        actions = [json.loads(line.decode("utf-8")) for line in content.splitlines() if line.strip()]
    except (ValueError, RecursionError) as error:
        raise DataDamaged("a commit file is not JSON lines", where=where, stored=str(error)) from error
    if not actions or not all(isinstance(action, dict) for action in actions):
        raise DataDamaged("a commit file is empty or holds no actions", where=where, stored=f"{len(content)} bytes")
    try:
        return _commit(version, content, actions, where)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise DataDamaged("a commit file holds an action of another form", where=where, stored=str(error)) from error


def _commit(version: int, content: bytes, actions: list[dict[str, Any]], where: str) -> Commit:
    info: dict[str, Any] = next((action["commitInfo"] for action in actions if "commitInfo" in action), {})
    timestamp = info.get("inCommitTimestamp", info.get("timestamp"))
    if not isinstance(timestamp, int) or isinstance(timestamp, bool):
        raise DataDamaged("a commit does not say when it was made", where=where, expected="commitInfo.timestamp")
    return Commit(
        version=version,
        sha256=hashlib.sha256(content).hexdigest(),
        timestamp=timestamp,
        operation=str(info.get("operation", "UNKNOWN")),
        changes_rows=_changes_rows(actions, info),
        table_id=next((action["metaData"]["id"] for action in actions if "metaData" in action), None),
        user_metadata=info.get("userMetadata"),
    )


def _changes_rows(actions: list[dict[str, Any]], info: Mapping[str, Any]) -> bool:
    files = [action.get("add") or action.get("remove") for action in actions if "add" in action or "remove" in action]
    if not any(file.get("dataChange", True) for file in files if file):
        return False
    metrics = info.get("operationMetrics") or {}
    counts = [metrics.get(name) for name in _MERGE_COUNTS]
    is_empty_merge = info.get("operation") == "MERGE" and all(count is not None and int(count) == 0 for count in counts)
    return not is_empty_merge
