"""A capsule compared with the commit it was captured at: whether it differs, and a patch for people to read.

Here belongs the comparison of two trees of files by git.
What does not: capturing (`resources.source_tree`) and where a patch lies (`resources.capsule_store`).

Compared is what the capsule holds, unpacked, with what the commit holds, submodules included, both as git trees.
So nothing that hides an edit from `git status` hides it here: no `assume-unchanged`, no sparse checkout, no time stamp.
Index and objects of the comparison are thrown away: the repository keeps its content (git may renew an object's time).
"""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from repro_assets.pins.assigned_secrets import find_assigned
from repro_assets.pins.capsule import shown
from repro_assets.pins.redaction import redact
from repro_assets.pins.secret_rules import find_secret
from repro_assets.resources.code import git_tree

# Everything that a person's own configuration could make different, or dangerous.
_SETTINGS = {
    "core.hooksPath": "/dev/null",
    "core.looseCompression": "0",
    "core.protectHFS": "false",
    "core.protectNTFS": "false",
    "core.quotePath": "true",
    "core.safecrlf": "false",
    "core.sparseCheckout": "false",
    "core.splitIndex": "false",
    "core.untrackedCache": "false",
    "diff.suppressBlankEmpty": "false",
}
_FORM = ("--full-index", "--no-renames", "--no-ext-diff", "--no-textconv", "--no-color", "--unified=3")
_MORE_FORM = ("--inter-hunk-context=0", "--diff-algorithm=myers", "--indent-heuristic")
_PREFIXES = ("--src-prefix=a/", "--dst-prefix=b/")


@dataclass(frozen=True)
class Comparison:
    """What became of a commit's files.

    Attributes:
        differs: Whether any file was changed, added or removed, after git's own conversions (line endings, LFS).
        patch: Unified diff, bytes as the files have them; empty where nothing differs.
    """

    differs: bool
    patch: bytes


@dataclass
class _Sides:
    """The repository as the comparison sees it: real history, an index and objects of its own."""

    project: Path
    work_tree: Path
    prefix: str
    variables: dict[str, str]
    notes: list[str] = field(default_factory=list)

    def git(self, *arguments: str | bytes, given: bytes = b"") -> bytes:
        settings = [part for name, value in _SETTINGS.items() for part in ("-c", f"{name}={value}")]
        return git_tree.git(self.work_tree, *settings, *arguments, variables=self.variables, given=given)

    @property
    def scope(self) -> str:
        """Pathspec of the project in its repository."""
        return f":(literal){self.prefix.rstrip('/')}" if self.prefix else "."


def prefix_of(project: Path) -> str:
    """Path of a project inside its repository, with a slash at its end; empty at the top."""
    return os.fsdecode(git_tree.git(project, "rev-parse", "--show-prefix").removesuffix(b"\n"))


def compare(project: Path, commit: str, unpacked: Path, scratch: Path) -> Comparison:
    """Compare a capsule's files with a commit.

    Files that the commit holds and that look like a secret are named in the patch and not shown: a secret that was
    just taken out of the tree would come back with the patch.

    Args:
        project: The folder that was captured, in a repository.
        commit: The commit it stood at.
        unpacked: Folder with the capsule's files below `prefix_of(project)`, and nothing else.
        scratch: Empty folder for what is thrown away.

    Raises:
        CapsuleRefused: Git can't read the commit or convert a file; with its words.
    """
    sides = _open(project, unpacked, scratch)
    sides.git("read-tree", commit)
    _expand_submodules(sides, scratch)
    before = sides.git("write-tree").decode().strip()
    # Everything the capsule holds, ignored or not; what it doesn't hold is gone.
    sides.git("add", "--all", "--force", "--", sides.scope)
    after = sides.git("write-tree").decode().strip()
    if before == after:
        return Comparison(differs=False, patch=b"")
    hidden = dict(_secrets(sides, before, after))
    excluded = [b":(top,exclude,literal)" + os.fsencode(path) for path in hidden]
    within = ("-r", "-p", *_FORM, *_MORE_FORM, *_PREFIXES, *_relative(sides.prefix))
    text = sides.git("diff-tree", *within, before, after, "--", sides.scope, *excluded)
    sides.notes.extend(
        f"{shown(redact(path))} differs and is not shown: it held {rule}" for path, rule in hidden.items()
    )
    head = [f"The source tree against commit {commit}.", *sides.notes]
    return Comparison(differs=True, patch="".join(f"# {line}\n" for line in head).encode() + text)


def _open(project: Path, unpacked: Path, scratch: Path) -> _Sides:
    objects = scratch / "objects"
    (objects / "info").mkdir(parents=True)
    _add_alternate(objects, _objects_of(project))
    variables = {
        "GIT_DIR": os.fsdecode(git_tree.git(project, "rev-parse", "--absolute-git-dir").removesuffix(b"\n")),
        "GIT_WORK_TREE": str(unpacked),
        "GIT_INDEX_FILE": str(scratch / "index"),
        "GIT_OBJECT_DIRECTORY": str(objects),
    }
    return _Sides(project, unpacked, prefix_of(project), variables)


def _expand_submodules(sides: _Sides, scratch: Path) -> None:
    """Replace each submodule of the index by the files of the commit that it names."""
    pending = _submodules(sides)
    while pending:
        path, commit = pending.pop()
        sides.git("update-index", "--force-remove", "-z", "--stdin", given=os.fsencode(path) + b"\0")
        folder = sides.project / path.removeprefix(sides.prefix)
        if not (folder / ".git").exists():
            continue  # not checked out: the pin names it
        _add_alternate(scratch / "objects", _objects_of(folder))
        if git_tree.run(folder, "cat-file", "-e", f"{commit}^{{commit}}").returncode != 0:
            sides.notes.append(f"submodule {shown(path)}: its commit {commit} is not here, its files count as added")
            continue
        sides.git("read-tree", f"--prefix={path}/", commit)
        pending.extend(below for below in _submodules(sides) if below[0].startswith(f"{path}/"))


def _submodules(sides: _Sides) -> list[tuple[str, str]]:
    """Path and commit of every submodule of the index below the project."""
    entries = sides.git("ls-files", "-z", "--stage", "--", sides.scope).split(b"\0")
    wanted = [entry.split(b"\t", 1) for entry in entries if entry.startswith(git_tree.SUBMODULE)]
    return [(os.fsdecode(path), facts.split()[1].decode()) for facts, path in wanted]


def _objects_of(folder: Path) -> Path:
    name = git_tree.git(folder, "rev-parse", "--git-path", "objects").removesuffix(b"\n")
    return (folder / os.fsdecode(name)).absolute()


def _add_alternate(objects: Path, other: Path) -> None:
    with open(objects / "info" / "alternates", "ab") as sink:
        sink.write(os.fsencode(other) + b"\n")


def _secrets(sides: _Sides, before: str, after: str) -> Iterator[tuple[str, str]]:
    """Paths that differ and whose committed content looks like a secret, with the kind of secret."""
    listed = sides.git("diff-tree", "-r", "-z", "--raw", "--no-renames", before, after, "--", sides.scope)
    fields = listed.split(b"\0")
    changes = [
        (facts.lstrip(b":").split(), os.fsdecode(path)) for facts, path in zip(fields[::2], fields[1::2], strict=False)
    ]
    committed = [(path, facts[2]) for facts, path in changes if facts[0] not in (b"000000", git_tree.SUBMODULE)]
    contents = io.BytesIO(sides.git("cat-file", "--batch", given=b"".join(blob + b"\n" for _, blob in committed)))
    for path, _ in committed:
        # A line "digest, kind, size", the content, a line's end.
        content = contents.read(int(contents.readline().split()[2]))
        contents.read(1)
        found = find_secret(content) or find_secret(os.fsencode(path)) or find_assigned(content, path)
        if found:
            yield path, found.rule


def _relative(prefix: str) -> tuple[str, ...]:
    return (f"--relative={prefix}",) if prefix else ()
