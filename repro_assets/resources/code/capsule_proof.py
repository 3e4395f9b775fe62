"""The proof at capture: the stored capsule, unpacked as a reproduction would, is the tree that was read.

Here belongs the comparison of an unpacked capsule with the files it was made of, and with the commit it was made at.
What does not: capturing (`resources.source_tree`) and the comparison inside git (`resources.git_patch`).
"""

from __future__ import annotations

import os
import stat
import tempfile
from collections.abc import Iterable
from pathlib import Path

from repro_assets.errors import DataDamaged, Outside
from repro_assets.pins.capsule import Entry, as_bytes, shown
from repro_assets.resources.code import git_patch
from repro_assets.resources.code.capsule_store import UNPACKED_LIST, unpack


def prove(
    capsule: Path, sha256: str, entries: Iterable[Entry], project: Path, commit: str | None
) -> git_patch.Comparison | None:
    """Unpack a stored capsule into a scratch folder and compare it with what was captured.

    Args:
        capsule: The stored file.
        sha256: Its digest.
        entries: The files as they were read.
        project: The folder they were read from.
        commit: The git commit it stood at; None where there is none.

    Returns:
        How the capsule differs from the commit; None without a commit.

    Raises:
        CapsuleRefused: Git can't compare the files; with its words.
        DataDamaged: A file comes back different, or not at all.
        Outside: There is no room to unpack.
    """
    try:
        with tempfile.TemporaryDirectory(prefix="repro-capsule.") as scratch:
            tree = Path(scratch) / "tree"
            folder = tree if commit is None else Path(os.path.join(tree, git_patch.prefix_of(project)))
            unpack(capsule, sha256, folder)
            refuse_difference(entries, folder)
            if commit is None:
                return None
            (folder / UNPACKED_LIST).unlink()
            return git_patch.compare(project, commit, tree, Path(scratch) / "git")
    except OSError as error:
        raise Outside(
            "a capsule can't be proved",
            where=error.filename or tempfile.gettempdir(),
            stored=error.strerror or error,
            fix="Make room, or set TMPDIR to a folder that can be written",
        ) from error


def refuse_difference(entries: Iterable[Entry], folder: Path) -> None:
    """Compare files with what stands in a folder: paths, contents, who may execute them, targets of links.

    Args:
        entries: What should be there.
        folder: An unpacked capsule.

    Raises:
        DataDamaged: Something differs; with the first such path.
    """
    expected = {entry.path: entry for entry in entries}
    found = {entry.path: entry for entry in _read(folder)}
    for path in sorted(expected.keys() | found.keys(), key=as_bytes):
        if expected.get(path) != found.get(path):
            raise DataDamaged(
                "an unpacked capsule is not the tree it was made of",
                where=shown(path),
                stored=_told(found.get(path)),
                expected=_told(expected.get(path)),
                fix="Two names that this file system takes for one? Rename one of them",
            )


def _read(folder: Path) -> Iterable[Entry]:
    top = os.fsencode(folder)
    for parent, folders, names in os.walk(top):
        for name in [*names, *(name for name in folders if os.path.islink(os.path.join(parent, name)))]:
            where = os.path.join(parent, name)
            path = os.path.relpath(where, top).decode("utf-8", "surrogateescape")
            if path == UNPACKED_LIST:
                continue
            if os.path.islink(where):
                yield Entry(path, b"", link=os.readlink(where).decode("utf-8", "surrogateescape"))
            else:
                executable = bool(os.stat(where).st_mode & stat.S_IXUSR)
                yield Entry(path, Path(os.fsdecode(where)).read_bytes(), executable=executable)


def _told(entry: Entry | None) -> str:
    if entry is None:
        return "nothing"
    kind = "link" if entry.link is not None else "executable file" if entry.executable else "file"
    return f"{kind}, sha256 {entry.digest}"
