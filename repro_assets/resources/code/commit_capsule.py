"""A capsule of a commit as it stands in git's history, without checking it out.

The same files give the same capsule as a clean working tree at that commit (`resources.source_tree`), as long as no
filter of git's (line endings, LFS) stands between the two.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from repro_assets.errors import BadInput, CapsuleRefused
from repro_assets.pins.capsule import MOST_FILES, Entry, pack
from repro_assets.pins.swap import check_code
from repro_assets.resources.code import git_tree
from repro_assets.resources.code.capsule_store import keep
from repro_assets.resources.code.source_tree import LIMIT_BYTES, refuse_secrets

_LINK, _EXECUTABLE = b"120000", b"100755"


def capture_commit(project: Path, revision: str, store: Path) -> str:
    """Store the project's files of a commit.

    Args:
        project: The project's folder, in a git repository.
        revision: A commit, tag or branch.
        store: Folder of capsules.

    Returns:
        Digest of the capsule.

    Raises:
        BadInput: There is no such commit here, or it doesn't have this project.
        CapsuleRefused: A file of it looks like a secret, or it is too large.
        DataDamaged: What lies in the store is not what was captured.
        Outside: The store can't be written.
    """
    commit = _commit(project, revision)
    entries = list(_entries(project, commit))
    if not any(entry.path == "pyproject.toml" for entry in entries):
        raise BadInput("the commit doesn't hold this project", where=project, stored=commit, expected="pyproject.toml")
    size = sum(len(entry.content) for entry in entries)
    if len(entries) > MOST_FILES or size > LIMIT_BYTES:
        raise CapsuleRefused(
            "a commit's files are too many for a capsule",
            where=commit,
            stored=f"{len(entries):,} files, {size:,} bytes",
            expected=f"at most {MOST_FILES:,} files, {LIMIT_BYTES:,} bytes",
        )
    refuse_secrets(entries)
    return keep(pack(entries), store)


def _commit(project: Path, revision: str) -> str:
    fix = "Name a commit, tag or branch of the repository that this project stands in"
    check_code(revision)
    if not git_tree.knows(project):
        raise BadInput("there is no git history to take a commit from", where=project, stored=revision)
    named = ("rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}")
    found = git_tree.answer(project, *named)
    if found is None:
        raise BadInput("no such commit", where=project, stored=repr(revision)[:80], fix=fix)
    return found


def _entries(project: Path, commit: str) -> Iterator[Entry]:
    """Files and links; submodules hold commits of other repositories, whose files git does not have here."""
    listed = git_tree.git(project, "ls-tree", "-r", "-z", commit, "--", ".").split(b"\0")
    members = [line.split(b"\t", 1) for line in listed if line]
    facts = [(about.split(b" "), os.fsdecode(path)) for about, path in members]
    files = [(mode, blob, path) for (mode, kind, blob), path in facts if kind == b"blob"]
    contents = _contents(project, [blob for _, blob, _ in files])
    for (mode, _, path), content in zip(files, contents, strict=True):
        if mode == _LINK:
            yield Entry(path, b"", executable=False, link=os.fsdecode(content))
        else:
            yield Entry(path, content, executable=mode == _EXECUTABLE)


def _contents(project: Path, blobs: list[bytes]) -> Iterator[bytes]:
    """The bytes of blobs, in order: `HASH blob SIZE`, a line feed, SIZE bytes, a line feed; see git-cat-file."""
    answer = git_tree.git(project, "cat-file", "--batch", given=b"".join(blob + b"\n" for blob in blobs))
    at = 0
    for _ in blobs:
        end = answer.index(b"\n", at)
        size = int(answer[at:end].rsplit(b" ", 1)[1])
        yield answer[end + 1 : end + 1 + size]
        at = end + 1 + size + 1
