"""Capsules on disk: stored once per digest, proved when written and when read.

Here belongs what reads and writes `CAPSULES/SHA256.tar.gz`, the patch beside it, and what unpacks one.
What does not: the format itself (`pins.capsule`) and capturing a tree (`resources.source_tree`).
"""

from __future__ import annotations

import gzip
import hashlib
import os
import shutil
import tempfile
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from repro_assets.errors import BadInput, Blocked, DataDamaged, Outside
from repro_assets.pins.capsule import MOST_FILES, Entry, as_bytes, entries_of

MOST_BYTES = 512 * 1024 * 1024

_HEXADECIMAL = frozenset("0123456789abcdef")

# Written beside the files of an unpacked capsule, never part of one: where they are from and how they are called.
UNPACKED_LIST = ".capsule-files"


def capsule_path(store: Path, sha256: str) -> Path:
    """Where a capsule lies.

    Args:
        store: Folder of capsules.
        sha256: Digest of the uncompressed tar, 64 hexadecimal digits.

    Raises:
        BadInput: Not such a digest; it would become part of a path.
    """
    if len(sha256) != 64 or not set(sha256) <= _HEXADECIMAL:
        raise BadInput("not the digest of a capsule", stored=repr(sha256)[:80], expected="64 hexadecimal digits")
    return store / f"{sha256}.tar.gz"


def patch_path(store: Path, sha256: str, commit: str) -> Path:
    """Where the patch of a capsule against a commit lies: the same files may be captured at several commits.

    Args:
        store: Folder of capsules.
        sha256: Digest of the capsule.
        commit: The git commit, hexadecimal.

    Raises:
        BadInput: Not such a digest or commit; they would become part of a path.
    """
    if not commit or not set(commit) <= _HEXADECIMAL:
        raise BadInput("not a git commit", stored=repr(commit)[:80], expected="hexadecimal digits")
    return capsule_path(store, sha256).with_name(f"{sha256}.{commit}.patch")


def keep_patch(patch: bytes, path: Path) -> None:
    """Store a patch if there is none yet; it is for people, nothing is computed from it.

    Raises:
        Outside: The folder can't be written.
    """
    try:
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            _write(path, patch)
    except OSError as error:
        raise _unwritable(path, error) from error


def keep(tar_bytes: bytes, store: Path) -> str:
    """Store a capsule under its digest if it isn't there yet, and prove what lies there either way.

    Args:
        tar_bytes: The uncompressed tar.
        store: Folder of capsules; created if absent.

    Returns:
        SHA-256 of `tar_bytes`.

    Raises:
        DataDamaged: What lies there, or what was just written, is not these bytes.
        Outside: The folder can't be written.
    """
    sha256 = hashlib.sha256(tar_bytes).hexdigest()
    path = capsule_path(store, sha256)
    try:
        if not path.exists():
            store.mkdir(parents=True, exist_ok=True)
            _write(path, gzip.compress(tar_bytes, mtime=0))
    except OSError as error:
        raise _unwritable(path, error) from error
    load(path, sha256, most_bytes=len(tar_bytes))
    return sha256


def load(capsule: Path, sha256: str, *, most_bytes: int = MOST_BYTES) -> bytes:
    """Read a capsule's tar and check its digest.

    Args:
        capsule: The stored file.
        sha256: Digest of the uncompressed tar.
        most_bytes: Size of the uncompressed tar above which reading stops.

    Raises:
        Blocked: The capsule isn't there.
        DataDamaged: It can't be uncompressed, is too long, or has another digest.
    """
    try:
        with gzip.open(capsule, "rb") as source:
            content = source.read(most_bytes + 1)
    except FileNotFoundError as error:
        raise Blocked("the code capsule is gone", where=capsule, expected=f"sha256 {sha256}") from error
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise _damaged(capsule, sha256, str(error)) from error
    except OSError as error:
        raise Outside("the code capsule can't be read", where=capsule, stored=error.strerror or error) from error
    if len(content) > most_bytes:
        raise _damaged(capsule, sha256, f"more than {most_bytes} bytes")
    found = hashlib.sha256(content).hexdigest()
    if found != sha256:
        raise _damaged(capsule, sha256, f"sha256 {found}")
    return content


def read_files(capsule: Path, sha256: str) -> dict[str, str]:
    """Say what a capsule holds, without unpacking it.

    Args:
        capsule: The stored file.
        sha256: Digest of the uncompressed tar.

    Returns:
        SHA-256 of the content per path; of a link, that of its target.

    Raises:
        Blocked: The capsule isn't there.
        CapsuleRefused: It holds an unsafe member.
        DataDamaged: It isn't what was recorded.
    """
    return {entry.path: entry.digest for entry in entries_of(load(capsule, sha256), where=capsule)}


def unpack(
    capsule: Path, sha256: str, target: Path, *, most_files: int = MOST_FILES, most_bytes: int = MOST_BYTES
) -> None:
    """Write a capsule's files into a new folder; all of them or none.

    Beside them stands `UNPACKED_LIST`, so that a capture of the folder gives the same capsule again, whatever git
    repository is around it and whatever names a tree without git leaves out.

    Args:
        capsule: The stored file.
        sha256: Digest of the uncompressed tar; checked before anything is written.
        target: Folder to create; may exist if it is empty.
        most_files: Number of members above which the capsule is refused.
        most_bytes: Size of the uncompressed tar above which it is refused.

    Raises:
        BadInput: `target` exists and is not an empty folder.
        Blocked: The capsule isn't there.
        CapsuleRefused: It holds a device, an unsafe path, a link leading outside, or too many files.
        DataDamaged: It isn't what was recorded.
        Outside: `target` can't be written.
    """
    entries = entries_of(load(capsule, sha256, most_bytes=most_bytes), where=capsule, most_files=most_files)
    if os.path.lexists(target) and not (target.is_dir() and not target.is_symlink() and not any(target.iterdir())):
        raise BadInput("a capsule is unpacked into a new folder only", where=target, expected="no such folder yet")
    try:
        with _scratch_beside(target) as scratch:
            _write_all(entries, scratch)
            _write_list(entries, sha256, scratch / UNPACKED_LIST)
            scratch.rename(target)
    except OSError as error:
        raise Outside("a capsule can't be unpacked", where=target, stored=error.strerror or error) from error


def unpacked_from(folder: Path) -> tuple[str, tuple[str, ...]] | None:
    """Say what a folder was unpacked from.

    Returns:
        Digest of the capsule and the paths of its members; None where the folder isn't an unpacked capsule.
    """
    try:
        content = (folder / UNPACKED_LIST).read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return None
    sha256, *paths = content.decode("utf-8", "surrogateescape").split("\0")
    return sha256, tuple(paths)


def _write_list(entries: Iterable[Entry], sha256: str, path: Path) -> None:
    with open(path, "xb") as sink:
        sink.write(b"\0".join([sha256.encode(), *(as_bytes(entry.path) for entry in entries)]))
        os.fchmod(sink.fileno(), 0o644)


def _write_all(entries: Iterable[Entry], folder: Path) -> None:
    """Files first, links last: nothing is ever written through a link."""
    ordered = sorted(entries, key=lambda entry: entry.link is not None)
    for entry in ordered:
        path = folder / entry.path
        _make_folders(folder, path.parent)
        if entry.link is not None:
            path.symlink_to(entry.link)
            continue
        with open(path, "xb") as sink:
            sink.write(entry.content)
            os.fchmod(sink.fileno(), 0o755 if entry.executable else 0o644)


def _make_folders(root: Path, folder: Path) -> None:
    """Create parents with mode 755, whatever the umask, so that another user can read the tree."""
    missing = []
    while folder != root and not folder.exists():
        missing.append(folder)
        folder = folder.parent
    for one in reversed(missing):
        one.mkdir()
        one.chmod(0o755)


@contextmanager
def _scratch_beside(target: Path) -> Iterator[Path]:
    target.parent.mkdir(parents=True, exist_ok=True)
    scratch = Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=target.parent))
    try:
        scratch.chmod(0o755)
        yield scratch
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _write(path: Path, content: bytes) -> None:
    """Write beside and rename, so that a capsule under its name is always whole."""
    handle, temporary = tempfile.mkstemp(prefix=".capsule.", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as sink:
            sink.write(content)
            sink.flush()
            os.fchmod(handle, 0o644)  # mkstemp's 600 would shut out the other hosts and users that read capsules
            os.fsync(handle)
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise


def _unwritable(path: Path, error: OSError) -> Outside:
    return Outside(
        "the capsule can't be stored",
        where=path,
        stored=error.strerror or error,
        fix="Make room or set REPRO_CAPSULES to a folder that can be written",
    )


def _damaged(capsule: Path, sha256: str, stored: str) -> DataDamaged:
    return DataDamaged(
        "a code capsule is damaged",
        where=capsule,
        stored=stored,
        expected=f"sha256 {sha256}",
        fix="Restore it from a copy; once it is removed, the next capture of the same tree stores it again",
    )
