"""Bytes at a URI: the few operations that lake and logs need, over fsspec.

Locations are URIs and never `pathlib` paths, so that an object store works where a folder does.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from repro_assets.errors import BadInput, Outside


def join(uri: str, *parts: str) -> str:
    """`uri/part/part`."""
    return "/".join([uri.rstrip("/"), *parts])


def read_bytes(uri: str) -> bytes:
    """Content of one object.

    Raises:
        FileNotFoundError: There is none.
        Outside: The store does not answer.
    """
    filesystem, path = _open(uri)
    with _talking(uri, "read", besides=FileNotFoundError):
        return filesystem.cat_file(path)


def read_pieces(uri: str, size: int) -> Iterator[bytes]:
    """Content of one object in pieces of at most `size` bytes, so that a large one is never held whole.

    Raises:
        FileNotFoundError: There is none.
        Outside: The store does not answer.
    """
    filesystem, path = _open(uri)
    with _talking(uri, "read", besides=FileNotFoundError), filesystem.open(path, "rb") as file:
        while piece := file.read(size):
            yield piece


def exists(uri: str) -> bool:
    """Whether something stands at `uri`."""
    filesystem, path = _open(uri)
    with _talking(uri, "read"):
        return bool(filesystem.exists(path))


def names(uri: str) -> list[str]:
    """Names directly below a folder, sorted; empty where there is no such folder."""
    filesystem, path = _open(uri)
    with _talking(uri, "read"):
        filesystem.invalidate_cache()
        if not filesystem.exists(path):
            return []
        return sorted(entry.rstrip("/").rsplit("/", 1)[-1] for entry in filesystem.ls(path, detail=False))


def files_below(uri: str) -> list[str]:
    """Paths of all objects below `uri`, relative to it, sorted."""
    return sorted(sizes_below(uri))


def sizes_below(uri: str) -> dict[str, int]:
    """Size in bytes of all objects below `uri`, by path relative to it."""
    filesystem, path = _open(uri)
    root = path.rstrip("/") + "/"
    with _talking(uri, "read"):
        filesystem.invalidate_cache()
        return {
            name.removeprefix(root): int(found["size"]) for name, found in filesystem.find(path, detail=True).items()
        }


def stats_below(uri: str) -> dict[str, tuple[int, datetime | None]]:
    """Size in bytes and time of the last write (UTC) of all objects below `uri`, by path relative to it.

    The time is None where the store does not tell it with its listing.
    """
    filesystem, path = _open(uri)
    root = path.rstrip("/") + "/"
    with _talking(uri, "read"):
        filesystem.invalidate_cache()
        found = filesystem.find(path, detail=True)
    return {name.removeprefix(root): (int(one["size"]), _written(one)) for name, one in found.items()}


def _written(info: Mapping[str, Any]) -> datetime | None:
    # Each store has a name of its own for it.
    moment = next((info[name] for name in ("mtime", "LastModified", "last_modified", "updated") if name in info), None)
    if isinstance(moment, (int, float)):
        return datetime.fromtimestamp(moment, UTC)
    if isinstance(moment, datetime):
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    return None


def size(uri: str) -> int | None:
    """Size in bytes of one object; None where there is none."""
    filesystem, path = _open(uri)
    with _talking(uri, "read"):
        return int(filesystem.size(path)) if filesystem.exists(path) else None


def modified(uri: str) -> datetime:
    """When one object was last written (UTC).

    Raises:
        FileNotFoundError: There is none.
        Outside: The store does not answer.
    """
    filesystem, path = _open(uri)
    with _talking(uri, "read", besides=FileNotFoundError):
        found: datetime = filesystem.modified(path)
    return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)


def write_bytes(uri: str, content: bytes) -> None:
    """Write one object, making its folders; what stood there is replaced.

    On a local folder a reader sees the old bytes or the new ones, never a mixture.

    Raises:
        Outside: The store does not take it.
    """
    filesystem, path = _open(uri)
    with _talking(uri, "written"):
        filesystem.makedirs(path.rsplit("/", 1)[0], exist_ok=True)
        if "file" in _protocols(filesystem):
            os.replace(_staged(path, content), path)
            return
        with filesystem.open(path, "wb") as file:
            file.write(content)


def write_if_absent(uri: str, content: bytes) -> bool:
    """Write one object whole, only where nothing stands; returns whether this call wrote it.

    On a local folder the name appears with all its bytes or not at all, even when the process is killed.
    """
    filesystem, path = _open(uri)
    with _talking(uri, "written"):
        filesystem.makedirs(path.rsplit("/", 1)[0], exist_ok=True)
        if "file" in _protocols(filesystem):
            return _link_if_absent(path, content)
        try:
            with filesystem.open(path, "xb") as file:
                file.write(content)
        except FileExistsError:
            return False
        return True


def remove(uri: str) -> None:
    """Remove a folder and all below it; nothing where it is gone already."""
    filesystem, path = _open(uri)
    with _talking(uri, "removed"):
        if filesystem.exists(path):
            filesystem.rm(path, recursive=True)


def _staged(path: str, content: bytes) -> str:
    staged = f"{path}.{uuid.uuid4().hex}.part"
    with open(staged, "xb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    return staged


def _link_if_absent(path: str, content: bytes) -> bool:
    staged = _staged(path, content)
    try:
        os.link(staged, path)
    except FileExistsError:
        return False
    finally:
        os.unlink(staged)
    return True


@contextmanager
def _talking(uri: str, done: str, besides: type[OSError] | tuple[()] = ()) -> Generator[None, None, None]:
    """Turn what a store raises into one line, except an error that the caller has a meaning for."""
    try:
        yield
    except besides:
        raise
    except OSError as error:
        raise Outside(f"a location can't be {done}", where=uri, stored=str(error)) from error


def _open(uri: str) -> tuple[Any, str]:
    from fsspec.core import url_to_fs

    try:
        filesystem, path = url_to_fs(uri)
    except (ValueError, ImportError) as error:
        raise BadInput("no driver for this store", where=uri, stored=str(error), fix="Set REPRO_LAKE") from error
    return filesystem, path


def _protocols(filesystem: Any) -> tuple[str, ...]:
    protocol = filesystem.protocol
    return (protocol,) if isinstance(protocol, str) else tuple(protocol)
