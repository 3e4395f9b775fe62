"""What git knows of a source tree: its files, commit, branch and remote.

Here belongs every call of the git program.
What does not: reading the files and what becomes of them (`resources.source_tree`).

Git is asked, never told: nothing is staged, refreshed or locked, hooks and file system monitors stay off.
Variables such as `GIT_DIR` (set inside a hook) don't redirect it to another repository.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from repro_assets.errors import CapsuleRefused

# What git itself sets for hooks and aliases; each would make it look at another repository than the folder's.
_REDIRECTIONS = frozenset(
    {"GIT_ALTERNATE_OBJECT_DIRECTORIES", "GIT_COMMON_DIR", "GIT_DIR", "GIT_INDEX_FILE", "GIT_NAMESPACE"}
    | {"GIT_OBJECT_DIRECTORY", "GIT_PREFIX", "GIT_WORK_TREE"}
)

_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*")


@dataclass(frozen=True)
class History:
    """Where a source tree stands in its history; all None outside git."""

    commit: str | None
    branch: str | None
    remote: str | None
    dirty: bool


def knows(project: Path) -> bool:
    """Say whether a folder belongs to a git repository, as seen with the git program.

    False, too, where git isn't installed, and where the repository around the folder ignores its `pyproject.toml`
    (a capsule unpacked below `var/` of a clone is not that clone).

    Raises:
        CapsuleRefused: There is a repository, and git refuses to read it.
    """
    if shutil.which("git") is None:
        return False
    found = _run(project, "rev-parse", "--show-toplevel")
    if found.returncode != 0:
        if b"not a git repository" in found.stderr:
            return False
        raise _refused(project, found)
    return bool(_git(project, "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--", "pyproject.toml"))


def list_files(project: Path) -> dict[str, bool]:
    """List tracked and untracked files below a folder, ignored ones left out.

    Files of submodules and of nested repositories are listed by those, in the same way.

    Args:
        project: A folder for which `knows` is true.

    Returns:
        Per path relative to `project` (POSIX, surrogate escapes): whether it is tracked.
        A tracked path may be gone from disk.

    Raises:
        CapsuleRefused: Git refuses to read a repository.
    """
    untracked = _names(_git(project, "ls-files", "-z", "--others", "--exclude-standard"))
    tracked = _names(_git(project, "ls-files", "-z", "--cached"))
    found: dict[str, bool] = {}
    for path, is_tracked in [*((path, False) for path in untracked), *((path, True) for path in tracked)]:
        folder = project / path
        # Git names a submodule or nested repository by its folder only.
        if folder.is_dir() and not folder.is_symlink():
            name = path.rstrip("/")
            inner = list_files(folder) if (folder / ".git").exists() else {}
            found.update({f"{name}/{below}": is_tracked and below_tracked for below, below_tracked in inner.items()})
        else:
            found[path] = is_tracked
    return found


def history(project: Path) -> History:
    """Read commit, branch, remote and whether anything below the folder differs from the commit.

    Args:
        project: A folder for which `knows` is true.

    Raises:
        CapsuleRefused: Git refuses to read the repository.
    """
    branch = _answer(project, "symbolic-ref", "--quiet", "--short", "HEAD")
    status = _git(
        project, "status", "--porcelain", "-z", "--untracked-files=normal", "--ignore-submodules=none", "--", "."
    )
    return History(
        commit=_answer(project, "rev-parse", "--quiet", "--verify", "HEAD^{commit}"),
        branch=branch,
        remote=_remote(project, branch),
        dirty=bool(status),
    )


def without_credentials(address: str) -> str | None:
    """Cut user, password, query and fragment out of a remote's address.

    Where an address is ambiguous, rather too much is cut: what is left is for people to read.

    Args:
        address: URL, `user@host:path`, or local path.

    Returns:
        The address that is left; None where it has a form that may hide anything (`ext::command`).
    """
    scheme, separator, rest = address.partition("://")
    if separator:
        if not _SCHEME.fullmatch(scheme):
            return None
        place = re.split(r"[?#]", _without_user(rest))[0]
        port = place.partition("/")[0].rpartition(":")[2]
        # `user:pa/ss@host`: a password with a slash makes its first half look like a port.
        misread = ":" in place.partition("/")[0].rpartition("]")[2] and not port.isdecimal()
        return None if misread else f"{scheme}://{place}"
    if "::" in address.partition("/")[0]:
        return None
    return _without_user(address)


def _without_user(place: str) -> str:
    authority, slash, path = place.partition("/")
    return authority.rpartition("@")[2] + slash + path


def _remote(project: Path, branch: str | None) -> str | None:
    names = (_answer(project, "remote") or "").split("\n")
    followed = _answer(project, "config", "--get", f"branch.{branch}.remote") if branch else None
    name = next((name for name in (followed, "origin", names[0]) if name and name in names), None)
    address = _answer(project, "config", "--get", f"remote.{name}.url") if name else None
    return without_credentials(address) if address else None


def _names(output: bytes) -> list[str]:
    return [name.decode("utf-8", "surrogateescape") for name in output.split(b"\0") if name]


def _answer(folder: Path, *arguments: str) -> str | None:
    """One line of git's answer; None where the answer is no."""
    result = _run(folder, *arguments)
    text = result.stdout.decode("utf-8", "replace").strip()
    return text if result.returncode == 0 and text else None


def _git(folder: Path, *arguments: str) -> bytes:
    result = _run(folder, *arguments)
    if result.returncode != 0:
        raise _refused(folder, result)
    return result.stdout


def _run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[bytes]:
    environ = {name: value for name, value in os.environ.items() if name not in _REDIRECTIONS}
    environ |= {"LC_ALL": "C", "GIT_OPTIONAL_LOCKS": "0", "GIT_TERMINAL_PROMPT": "0"}
    command = ["git", "-C", str(folder), "-c", "core.fsmonitor=false", *arguments]
    return subprocess.run(command, env=environ, stdin=subprocess.DEVNULL, capture_output=True, check=False)


def _refused(folder: Path, result: subprocess.CompletedProcess[bytes]) -> CapsuleRefused:
    lines = result.stderr.decode("utf-8", "replace").strip().splitlines() or [f"exit code {result.returncode}"]
    return CapsuleRefused(
        "git can't read the repository of the source tree",
        where=folder,
        stored=lines[0],
        fix="`git status` in that folder must work first",
    )
