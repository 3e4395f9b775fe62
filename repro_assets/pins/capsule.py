"""The capsule format: a source tree as one deterministic tar, and the pin that names it.

Here belong the bytes of a capsule and the rules its members keep.
What does not: where files come from (`resources.source_tree`) and where capsules lie (`resources.capsule_store`).

The same files give the same bytes, whatever the host, user, time, umask or order of listing:
members in bytewise order of their paths, no owner, time 0, mode 644 or 755, no folder entries.
Paths are text with the surrogate escapes of `os.fsdecode`, so a name of any bytes comes back unchanged.
"""

from __future__ import annotations

import hashlib
import io
import tarfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from repro_assets.errors import CapsuleRefused, DataDamaged

# Raw bytes in names, as every POSIX file system has them; a pax header would need a character set.
_FORMAT = tarfile.GNU_FORMAT
_ENCODING = "utf-8"
_ESCAPES = "surrogateescape"

MOST_FILES = 20_000
# What every file system that Linux and macOS use can hold.
_LONGEST_PATH = 4_000
_LONGEST_NAME = 255

# More hops than any kernel follows: such a link leads nowhere, so it doesn't lead outside.
_MOST_HOPS = 64


@dataclass(frozen=True)
class CodePin:
    """What names the code of a result.

    Attributes:
        commit: Git commit that was checked out; None outside git, in a repository without commits, from a wheel.
        branch: Branch that was checked out; None outside git and where HEAD is detached.
        remote: Address of the remote without credentials; None where there is none.
        dirty: Whether the files differ from the commit (from a wheel: from what was installed).
        capsule: SHA-256 of the uncompressed tar.
        files: Number of files and links in it.
        bytes: Sum of their contents.
        absent_submodules: Submodules that were not checked out, so none of their files are in it.
    """

    commit: str | None
    branch: str | None
    remote: str | None
    dirty: bool
    capsule: str
    files: int
    bytes: int
    absent_submodules: tuple[str, ...] = ()


@dataclass(frozen=True)
class Entry:
    """One member of a capsule.

    Attributes:
        path: Relative path, POSIX separators.
        content: Bytes of the file; empty for a link.
        executable: Whether its owner may execute the file.
        link: Target of a symbolic link; None for a file.
    """

    path: str
    content: bytes
    executable: bool = False
    link: str | None = None

    @property
    def digest(self) -> str:
        """SHA-256 of the content; of a link, that of its target."""
        content = self.content if self.link is None else as_bytes(self.link)
        return hashlib.sha256(content).hexdigest()


def as_bytes(path: str) -> bytes:
    """Bytes of a path, as the file system holds them."""
    return path.encode(_ENCODING, _ESCAPES)


def shown(path: str) -> str:
    """A path for people and messages: whatever can't be printed on one line is escaped."""
    plain = path.isprintable() and path == path.strip()
    return path if plain else ascii(path)


def pack(entries: Iterable[Entry]) -> bytes:
    """Write a capsule's tar, uncompressed.

    Args:
        entries: Files and links in any order.

    Raises:
        CapsuleRefused: A path is unsafe or occurs twice, or a link leads outside.
    """
    ordered = sorted(entries, key=lambda entry: as_bytes(entry.path))
    refuse_unsafe(ordered)
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=_FORMAT, encoding=_ENCODING, errors=_ESCAPES) as tar:
        for entry in ordered:
            tar.addfile(_header(entry), io.BytesIO(entry.content))
    return buffer.getvalue()


def entries_of(tar_bytes: bytes, *, where: object = None, most_files: int = MOST_FILES) -> tuple[Entry, ...]:
    """Read a capsule's tar back; the inverse of `pack`.

    Args:
        tar_bytes: The uncompressed tar.
        where: Named in messages.
        most_files: Number of members above which reading stops.

    Raises:
        CapsuleRefused: A member is neither a file nor a link, its path is unsafe, a link leads outside, or there are
            too many.
        DataDamaged: This is no tar, or it ends too early.
    """
    found: list[Entry] = []
    try:
        for entry in _members(tar_bytes):
            found.append(entry)
            if len(found) > most_files:
                raise CapsuleRefused("a capsule holds too many files", where=where, expected=f"at most {most_files}")
    except (tarfile.TarError, EOFError, ValueError, OverflowError) as error:
        raise DataDamaged("not a readable capsule", where=where, stored=str(error)) from error
    refuse_unsafe(found)
    return tuple(found)


def refuse_unsafe(entries: Iterable[Entry]) -> None:
    """Check that nothing can be written outside of the folder that entries are unpacked into.

    Raises:
        CapsuleRefused: An absolute path, `..`, a name longer than a file system takes, a path twice, a path below a file
            or link, a link leading outside.
    """
    by_path: dict[str, Entry] = {}
    for entry in entries:
        if not _is_plain(entry.path):
            raise CapsuleRefused("a path can't stand in a capsule", where=shown(entry.path), expected="a relative path")
        if entry.path in by_path:
            raise CapsuleRefused("a path occurs twice in a capsule", where=shown(entry.path))
        by_path[entry.path] = entry
    links = {path: entry.link for path, entry in by_path.items() if entry.link is not None}
    for path in by_path:
        if any(parent in by_path for parent in _parents(path)):
            raise CapsuleRefused("a capsule has a file or link where it needs a folder", where=shown(path))
    for path, target in links.items():
        if not stays_inside(path, links):
            raise CapsuleRefused(
                "a link leads out of the source tree",
                where=shown(path),
                stored=shown(target),
                expected="a relative target inside the tree",
                fix="Put the file itself there, make the target relative, or ignore the link",
            )


def stays_inside(path: str, links: Mapping[str, str]) -> bool:
    """Follow a path through links, as the kernel would, and say whether it stays below its root.

    `..` is resolved after the links before it: `a/..` is not the root where `a` is a link to a folder further down.

    Args:
        path: Relative path to follow.
        links: Target per path of every link in the tree.
    """
    pending = path.split("/")[::-1]
    place: list[str] = []
    hops = 0
    while pending and hops < _MOST_HOPS:
        part = pending.pop()
        if part == "..":
            if not place:
                return False
            place.pop()
        elif part not in ("", "."):
            place.append(part)
            target = links.get("/".join(place))
            if target is not None:
                if target.startswith("/"):
                    return False
                hops += 1
                place.pop()
                pending.extend(target.split("/")[::-1])
    return True


def _header(entry: Entry) -> tarfile.TarInfo:
    header = tarfile.TarInfo(entry.path)
    header.mtime = 0
    if entry.link is not None:
        header.type = tarfile.SYMTYPE
        header.linkname = entry.link
        header.mode = 0o777
    else:
        header.size = len(entry.content)
        header.mode = 0o755 if entry.executable else 0o644
    return header


def _members(tar_bytes: bytes) -> Iterator[Entry]:
    with tarfile.open(fileobj=io.BytesIO(tar_bytes), mode="r:", encoding=_ENCODING, errors=_ESCAPES) as tar:
        for member in tar:
            if member.type == tarfile.SYMTYPE:
                yield Entry(member.name, b"", link=member.linkname)
                continue
            source = tar.extractfile(member) if member.type in (tarfile.REGTYPE, tarfile.AREGTYPE) else None
            if source is None:
                raise CapsuleRefused(
                    "a capsule holds something else than files and links",
                    where=shown(member.name),
                    stored=f"tar type {member.type!r}",
                )
            content = source.read()
            if len(content) != member.size:
                raise DataDamaged("a file in a capsule ends too early", where=shown(member.name))
            yield Entry(member.name, content, executable=bool(member.mode & 0o100))


def _is_plain(path: str) -> bool:
    parts = path.split("/")
    fits = len(as_bytes(path)) <= _LONGEST_PATH and all(len(as_bytes(part)) <= _LONGEST_NAME for part in parts)
    return fits and "\0" not in path and all(part not in ("", ".", "..") for part in parts)


def _parents(path: str) -> Iterator[str]:
    parts = path.split("/")
    return ("/".join(parts[:length]) for length in range(1, len(parts)))
