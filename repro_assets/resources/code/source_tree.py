"""Capturing the code: from the source tree as it stands now to a stored capsule and the pin that names it.

Here belong which files count, reading them without being fooled by a change in between, and the checks before storing.
What does not: the capsule's bytes (`pins.capsule`), its folder (`resources.capsule_store`), git (`resources.git_tree`),
the proof of what was stored (`resources.capsule_proof`).

Four kinds of tree are captured: a git repository (or a folder of one), a folder without git, an installed wheel,
an unpacked capsule.
"""

from __future__ import annotations

import errno
import os
import stat
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from importlib.metadata import distributions
from pathlib import Path

from repro_assets.errors import CapsuleRefused
from repro_assets.pins.assigned_secrets import find_assigned
from repro_assets.pins.capsule import MOST_FILES, CodePin, Entry, as_bytes, pack, shown
from repro_assets.pins.redaction import redact
from repro_assets.pins.secret_rules import find_secret
from repro_assets.resources.code import git_tree
from repro_assets.resources.code.capsule_proof import prove
from repro_assets.resources.code.capsule_store import (
    UNPACKED_LIST,
    capsule_path,
    keep,
    keep_patch,
    patch_path,
    unpacked_from,
)
from repro_assets.resources.code.git_tree import History
from repro_assets.resources.environments.installed_packages import read_record
from repro_assets.resources.known_secrets import clean

LIMIT_BYTES = 50 * 1024 * 1024
DISTRIBUTION = "repro-assets"

# What `.gitignore` names, for trees without git: anywhere in the tree, and at its top only.
IGNORED_NAMES = frozenset(
    {".DS_Store", ".git", ".hg", ".hypothesis", ".idea", ".import_linter_cache", ".ipynb_checkpoints", ".mypy_cache"}
    | {".pytest_cache", ".ruff_cache", ".svn", "__pycache__"}
)
IGNORED_AT_TOP = frozenset(
    {".env", ".tools", ".venv", "derby.log", "dist", "metastore_db", "spark-warehouse", "var", "venv"}
)

# What an installer writes into a wheel's metadata by itself: it differs between installers and machines.
_INSTALLER_FILES = frozenset({"INSTALLER", "RECORD", "REQUESTED", "direct_url.json", "uv_build.json", "uv_cache.json"})

_ATTEMPTS = 3
_NAMED_AT_MOST = 5
_NO_HISTORY = History(commit=None, branch=None, remote=None)

# Mode, size, time of last change of content and of metadata, inode: what a change of a file can't leave alone.
_Signature = tuple[int, int, int, int, int]


class _Moved(Exception):
    """The tree changed while it was read; names a path."""


@dataclass(frozen=True)
class _Survey:
    """What a tree looks like at one moment, without its contents."""

    kind: str
    tracked: Mapping[str, bool]
    signatures: Mapping[str, _Signature] = field(default_factory=dict)
    history: History = _NO_HISTORY
    recorded: Mapping[str, str] = field(default_factory=dict)
    absent: tuple[str, ...] = ()
    unpacked_from: str | None = None


def capture(project: Path, store: Path, limit_bytes: int = LIMIT_BYTES) -> CodePin:
    """Store the source tree as it stands, prove what was stored, and write a patch against the commit beside it.

    Args:
        project: Folder of `pyproject.toml`; without one, the folder that this project's wheel is installed in.
        store: Folder of capsules; left out of the capsule where it lies inside the project.
        limit_bytes: Sum of the files' sizes above which nothing is captured.

    Returns:
        The pin. The same files give the same capsule, wherever they lie; an unpacked capsule gives itself.

    Raises:
        CapsuleRefused: The tree, its branch or its remote holds a secret, the tree is too large, holds a special file, an
            unreadable file, a link leading outside or a submodule that no git knows, keeps changing, or there is no tree.
        DataDamaged: What lies in the store is not what was captured.
        Outside: The store can't be written.
    """
    survey, entries = _read_steadily(project, store, limit_bytes)
    _refuse_names(survey.history)
    refuse_secrets(entries)
    capsule = keep(pack(entries), store)
    history = survey.history
    compared = prove(capsule_path(store, capsule), capsule, entries, project, history.commit)
    if compared is not None and history.commit is not None:
        keep_patch(compared.patch, patch_path(store, capsule, history.commit))
    return CodePin(
        commit=history.commit,
        branch=history.branch,
        remote=history.remote,
        dirty=_is_dirty(survey, entries, capsule) if compared is None else compared.differs,
        capsule=capsule,
        files=len(entries),
        bytes=sum(len(entry.content) for entry in entries),
        absent_submodules=tuple(shown(path) for path in survey.absent),
    )


def _is_dirty(survey: _Survey, entries: list[Entry], capsule: str) -> bool:
    """Whether a tree without a commit is another than the one it came as."""
    if survey.kind == "git":
        return True
    found = {entry.path: entry.digest for entry in entries}
    edited = any(found.get(path) != sha256 for path, sha256 in survey.recorded.items())
    return edited or survey.unpacked_from not in (None, capsule)


def _read_steadily(project: Path, store: Path, limit_bytes: int) -> tuple[_Survey, list[Entry]]:
    """Read a tree that looks the same before and after; somebody may be saving files right now."""
    moved = ""
    for _ in range(_ATTEMPTS):
        before = _survey(project, store)
        _refuse_oversize(before, limit_bytes)
        try:
            entries = [_entry(project, path, signature) for path, signature in before.signatures.items()]
        except _Moved as error:
            moved = str(error)
            continue
        after = _survey(project, store)
        if after == before:
            return before, entries
        moved = _first_difference(before, after)
    raise CapsuleRefused(
        "the source tree keeps changing while it is read",
        where=shown(moved) if moved else project,
        fix="Stop what writes there, or ignore that file",
    )


def _survey(project: Path, store: Path) -> _Survey:
    survey = _list(project)
    own = _relative(store, project)
    links: dict[str, bool] = {}
    signatures = {}
    for path in sorted(survey.tracked, key=as_bytes):
        if path == UNPACKED_LIST or (own and f"{path}/".startswith(own)) or _is_below_link(project, path, links):
            continue
        signature = _signature(project, path)
        if signature is not None:
            signatures[path] = signature
    return replace(survey, signatures=signatures)


def _list(project: Path) -> _Survey:
    """Say what kind of tree this is and which files count."""
    unpacked = None if os.path.lexists(project / ".git") else unpacked_from(project)
    if unpacked is not None:
        sha256, members = unpacked
        return _Survey("capsule", dict.fromkeys([*members, *_walk(project)], False), unpacked_from=sha256)
    if not (project / "pyproject.toml").is_file():
        recorded = _recorded(project)
        return _Survey("wheel", dict.fromkeys(recorded, True), recorded=recorded)
    if git_tree.knows(project):
        listing = git_tree.list_files(project)
        return _Survey("git", listing.files, history=git_tree.history(project), absent=listing.absent)
    return _Survey("folder", dict.fromkeys(_walk(project), False))


def _signature(project: Path, path: str) -> _Signature | None:
    """None where the file is gone: a tracked file that was deleted is left out."""
    try:
        found = os.lstat(_on_disk(project, path))
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise _unreadable(path, error) from error
    if not (stat.S_ISREG(found.st_mode) or stat.S_ISLNK(found.st_mode)):
        raise CapsuleRefused(
            "the source tree holds something that is neither file nor link",
            where=shown(path),
            stored=_kind_of(found.st_mode),
            fix="Remove or ignore it",
        )
    return (found.st_mode, found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino)


def _entry(project: Path, path: str, signature: _Signature) -> Entry:
    mode, size = signature[:2]
    where = _on_disk(project, path)
    try:
        if stat.S_ISLNK(mode):
            return Entry(path, b"", link=os.readlink(where).decode("utf-8", "surrogateescape"))
        content = _read(where, size)
    except OSError as error:
        # EINVAL and ELOOP: a link became a file, or a file a link.
        if error.errno in (errno.ENOENT, errno.ENOTDIR, errno.EINVAL, errno.ELOOP):
            raise _Moved(path) from error
        raise _unreadable(path, error) from error
    if len(content) != size:
        raise _Moved(path)
    return Entry(path, content, executable=bool(mode & stat.S_IXUSR))


def _read(where: bytes, size: int) -> bytes:
    """Read a regular file; a FIFO that took its place meanwhile must not hang."""
    handle = os.open(where, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(handle, "rb") as source:
        return source.read(size + 1)


def refuse_secrets(entries: list[Entry]) -> None:
    """Refuse files that look like a secret, and those that are called like one or lead to what is.

    Raises:
        CapsuleRefused: The first one, with its line.
    """
    for entry in entries:
        for name in (entry.path, entry.link or ""):
            if named := find_secret(as_bytes(name)):
                raise CapsuleRefused(
                    "a name in the source tree looks like a secret",
                    where=shown(redact(entry.path)),
                    stored=named.rule,
                    fix="Rename or ignore it; if the secret was ever shared, revoke it",
                )
        found = find_secret(entry.content) or find_assigned(entry.content, entry.path)
        if found:
            raise CapsuleRefused(
                "a file of the source tree looks like a secret",
                where=f"{shown(entry.path)}:{found.line}",
                stored=found.rule,
                fix="Move it out of the source tree or ignore the file; if it was ever shared, revoke it. A line that opens "
                "nothing says so in a comment: repro: no secret",
            )


def _refuse_names(history: History) -> None:
    """Branch and remote stand in every manifest, and in MLflow's tags."""
    for what, name in (("branch", history.branch), ("remote's address", history.remote)):
        if name is not None and (cleaned := clean(name)) != name:
            raise CapsuleRefused(
                f"the git {what} holds what looks like a secret, and it would stand in every manifest",
                stored=shown(cleaned),
                fix=f"Change it (`git {'branch -m' if what == 'branch' else 'remote set-url'}`); if the secret was ever "
                "shared, revoke it",
            )


def _refuse_oversize(survey: _Survey, limit_bytes: int) -> None:
    sizes = {path: signature[1] for path, signature in survey.signatures.items()}
    total = sum(sizes.values())
    if len(sizes) > MOST_FILES:
        fullest, count = Counter(path.partition("/")[0] for path in sizes).most_common(1)[0]
        raise CapsuleRefused(
            "the source tree has too many files for a capsule",
            where=f"{shown(fullest)} ({count:,} files)",
            stored=f"{len(sizes):,} files",
            expected=f"at most {MOST_FILES:,} files",
            fix="Ignore the folders that hold no source",
        )
    if total <= limit_bytes:
        return
    largest = sorted(sizes, key=lambda path: (-sizes[path], as_bytes(path)))[:_NAMED_AT_MOST]
    raise CapsuleRefused(
        "the source tree is too large for a capsule",
        where=", ".join(f"{shown(path)} ({sizes[path]:,} bytes)" for path in largest),
        stored=f"{total:,} bytes in {len(sizes)} files",
        expected=f"at most {limit_bytes:,} bytes",
        fix=_how_to_ignore(survey, largest[0]),
    )


def _how_to_ignore(survey: _Survey, path: str) -> str:
    if survey.kind != "git":
        return "Move large files out of the project's folder"
    rule = "".join(f"\\{letter}" if letter in "\\*?[" else letter for letter in f"/{path}")
    advice = f"Add a rule such as `{shown(rule)}` to the project's .gitignore"
    if survey.tracked[path]:
        return f"{advice} and untrack the file with `git rm --cached`"
    return advice


def _walk(project: Path) -> list[str]:
    """List a tree without git; what `.gitignore` would leave out is left out by name."""

    def refuse(error: OSError) -> None:
        raise _unreadable(os.fsdecode(error.filename), error)

    top = os.fsencode(project)
    found: list[str] = []
    for folder, folders, names in os.walk(top, onerror=refuse):
        ignored = IGNORED_NAMES | IGNORED_AT_TOP if folder == top else IGNORED_NAMES
        here = [name for name in [*folders, *names] if os.fsdecode(name) not in ignored]
        folders[:] = [name for name in folders if name in here and not os.path.islink(os.path.join(folder, name))]
        below = set(folders)
        paths = [os.path.relpath(os.path.join(folder, name), top) for name in here if name not in below]
        found.extend(path.decode("utf-8", "surrogateescape") for path in paths)
    return found


def _recorded(project: Path) -> dict[str, str]:
    """Files of this project's wheel and the digests it was installed with."""
    installed = next(iter(distributions(name=DISTRIBUTION, path=[str(project)])), None)
    record = read_record(installed) if installed else None
    if record is None:
        raise CapsuleRefused(
            "there is no source tree to capture",
            where=project,
            expected=f"a pyproject.toml, or an installed wheel of {DISTRIBUTION} with its RECORD",
            fix="Set REPRO_PROJECT to the folder of pyproject.toml",
        )
    # Scripts lie outside the folder (`../../../bin`) and carry the interpreter's path.
    return {
        entry.path: entry.sha256
        for entry in record
        if entry.sha256 and not entry.is_outside and Path(entry.path).name not in _INSTALLER_FILES
    }


def _is_below_link(project: Path, path: str, known: dict[str, bool]) -> bool:
    """Whether a folder on the way was replaced by a link: what git tracked behind it is gone."""
    parts = path.split("/")[:-1]
    for length in range(1, len(parts) + 1):
        parent = "/".join(parts[:length])
        if parent not in known:
            known[parent] = os.path.islink(_on_disk(project, parent))
        if known[parent]:
            return True
    return False


def _relative(store: Path, project: Path) -> str:
    """The store's folder as a prefix of paths; empty where it lies elsewhere."""
    inside = store.resolve()
    top = project.resolve()
    return f"{inside.relative_to(top).as_posix()}/" if inside != top and inside.is_relative_to(top) else ""


def _first_difference(before: _Survey, after: _Survey) -> str:
    paths = sorted(before.signatures.keys() | after.signatures.keys(), key=as_bytes)
    return next((path for path in paths if before.signatures.get(path) != after.signatures.get(path)), "")


def _on_disk(project: Path, path: str) -> bytes:
    return os.path.join(os.fsencode(project), as_bytes(path))


def _unreadable(path: str, error: OSError) -> CapsuleRefused:
    return CapsuleRefused(
        "a file of the source tree can't be read",
        where=shown(path),
        stored=error.strerror or error,
        fix="Make it readable or ignore it",
    )


def _kind_of(mode: int) -> str:
    names = ((stat.S_ISFIFO, "a FIFO"), (stat.S_ISSOCK, "a socket"), (stat.S_ISDIR, "a folder"))
    return next((name for is_kind, name in names if is_kind(mode)), "a device")
