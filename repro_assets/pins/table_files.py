"""Which files a version of a Delta table consists of, as its log says: data files and deletion vectors.

Here belongs the replay of a log's actions; reading them from commits and checkpoints is `resources.table_files`'.
Source: Delta transaction protocol, "Add File and Remove File", "Deletion Vectors", "Action Reconciliation".
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any
from urllib.parse import unquote

from repro_assets.errors import DataDamaged
from repro_assets.pins.canonical import digest

# The alphabet of Z85 (rfc.zeromq.org/spec/32), in which the log writes the UUID of a deletion vector's file.
_Z85 = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-:+=^!/*?&<>()[]{}@%$#"
_UUID_LENGTH = 20


@dataclass(frozen=True)
class LiveFile:
    """A data file that belongs to a version.

    Attributes:
        path: Relative to the table, decoded; a URI or an absolute path where the file lies elsewhere.
        bytes: Its size as the log has it.
        vector: Name of the deletion vector that hides some of its rows, as the log writes it; None where all count.
        vector_path: File that holds the vector, like `path`; None where the log itself holds it.
    """

    path: str
    bytes: int
    vector: str | None = None
    vector_path: str | None = None


class Replay:
    """The files that are left after the actions so far.

    Args:
        where: The table, for messages.
    """

    def __init__(self, where: str) -> None:
        self._where = where
        self._live: dict[tuple[str, str | None], LiveFile] = {}

    def apply(self, actions: Iterable[Mapping[str, Any]]) -> None:
        """Go on with the actions of a checkpoint or commit.

        Raises:
            DataDamaged: An action of a file is of another form.
        """
        try:
            for action in actions:
                if (add := action.get("add")) is not None:
                    file = live_file(add)
                    self._live[file.path, file.vector] = file
                elif (remove := action.get("remove")) is not None:
                    self._live.pop((location(remove["path"]), _vector_name(remove.get("deletionVector"))), None)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise DataDamaged(
                "the log speaks of a file in another form",
                where=self._where,
                stored=f"{type(error).__name__}: {error}",
            ) from error

    def files(self) -> list[LiveFile]:
        """What is left, by path."""
        return sorted(self._live.values(), key=lambda file: (file.path, file.vector or ""))


def live_files(actions: Iterable[Mapping[str, Any]], where: str) -> list[LiveFile]:
    """Replay actions, oldest first, to the files that are left, by path.

    Args:
        actions: Those of a checkpoint and of all commits after it, or of all commits.
        where: The table, for messages.

    Raises:
        DataDamaged: An action of a file is of another form.
    """
    replay = Replay(where)
    replay.apply(actions)
    return replay.files()


def live_digest(files: Iterable[LiveFile]) -> str:
    """Digest of which files a version consists of, whichever commits and checkpoints told it."""
    ordered = sorted(files, key=lambda file: (file.path, file.vector or ""))
    return digest({"files": [asdict(file) for file in ordered]})


def live_file(add: Mapping[str, Any]) -> LiveFile:
    """The file that an `add` action names."""
    vector = add.get("deletionVector")
    return LiveFile(location(add["path"]), int(add["size"]), _vector_name(vector), vector_location(vector))


def change_files(actions: Iterable[Mapping[str, Any]]) -> list[str]:
    """Paths of the change data files that a commit wrote."""
    return [location(action["cdc"]["path"]) for action in actions if action.get("cdc") is not None]


def location(path: str) -> str:
    """A path of the log, decoded; one that is not relative stays a URI."""
    return unquote(path)


def vector_location(vector: Mapping[str, Any] | None) -> str | None:
    """Where the file of a deletion vector lies: relative to the table, or absolute; None where there is no file.

    Raises:
        ValueError: It is stored in a way that the protocol does not have.
    """
    if vector is None or vector.get("storageType") in (None, "i"):
        return None
    text = str(vector["pathOrInlineDv"])
    if vector["storageType"] == "p":
        return location(text)
    if vector["storageType"] != "u" or len(text) < _UUID_LENGTH:
        raise ValueError(f"a deletion vector of storage type {vector['storageType']!r}")
    prefix, name = text[:-_UUID_LENGTH], uuid.UUID(bytes=_z85(text[-_UUID_LENGTH:]))
    return f"{prefix}/deletion_vector_{name}.bin" if prefix else f"deletion_vector_{name}.bin"


def is_elsewhere(path: str) -> bool:
    """Whether a file does not lie below its table: a shallow clone's, for example."""
    return "://" in path or path.startswith(("/", "file:"))


def _vector_name(vector: Mapping[str, Any] | None) -> str | None:
    """What tells two vectors apart: several may lie in one file."""
    if vector is None or vector.get("storageType") is None:
        return None
    return f"{vector['storageType']}{vector['pathOrInlineDv']}@{vector.get('offset') or 0}"


def _z85(text: str) -> bytes:
    content = b""
    for start in range(0, len(text), 5):
        value = 0
        for character in text[start : start + 5]:
            value = value * 85 + _Z85.index(character)
        content += value.to_bytes(4, "big")
    return content
