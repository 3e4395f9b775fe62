"""What git knows of a source tree: its files, commit, branch and remote.

Here belongs how the git program is called, and what is listed.
What does not: reading the files (`resources.source_tree`) and comparing them with a commit (`resources.git_patch`).

Git is asked, never told: nothing is staged, refreshed or locked, hooks and file system monitors stay off.
Variables such as `GIT_DIR` (set inside a hook) don't redirect it to another repository.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from repro_assets.errors import CapsuleRefused

# What git itself sets for hooks and aliases; each would make it look at another repository than the folder's.
_REDIRECTIONS = frozenset(
    {"GIT_ALTERNATE_OBJECT_DIRECTORIES", "GIT_COMMON_DIR", "GIT_DIR", "GIT_INDEX_FILE", "GIT_NAMESPACE"}
    | {"GIT_OBJECT_DIRECTORY", "GIT_PREFIX", "GIT_WORK_TREE"}
    # What would change a patch from one shell to the next.
    | {"GIT_DIFF_OPTS", "GIT_EXTERNAL_DIFF", "GIT_LITERAL_PATHSPECS", "GIT_GLOB_PATHSPECS", "GIT_NOGLOB_PATHSPECS"}
    | {"GIT_ICASE_PATHSPECS", "GIT_ATTR_SOURCE"}
)

# Mode of a submodule in an index or tree: a commit of another repository.
SUBMODULE = b"160000"

_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*")


@dataclass(frozen=True)
class History:
    """Where a source tree stands in its history; all None outside git."""

    commit: str | None
    branch: str | None
    remote: str | None


@dataclass(frozen=True)
class Listing:
    """What git lists below a folder, submodules and nested repositories included.

    Attributes:
        files: Per path relative to the folder (POSIX, surrogate escapes): whether it is tracked.
            A tracked path may be gone from disk.
        absent: Paths of submodules that are not checked out: none of their files are on disk.
    """

    files: dict[str, bool]
    absent: tuple[str, ...]


def knows(project: Path) -> bool:
    """Say whether a folder belongs to a git repository, as seen with the git program.

    False, too, where git isn't installed, and where the repository around the folder ignores its `pyproject.toml`
    (a capsule unpacked below `var/` of a clone is not that clone).

    Raises:
        CapsuleRefused: There is a repository, and git refuses to read it.
    """
    if shutil.which("git") is None:
        return False
    found = run(project, "rev-parse", "--show-toplevel")
    if found.returncode != 0:
        if b"not a git repository" in found.stderr:
            return False
        raise _refused(project, found)
    return bool(git(project, "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--", "pyproject.toml"))


def list_files(project: Path) -> Listing:
    """List tracked and untracked files below a folder, ignored ones left out.

    Files of submodules and of nested repositories are listed by those, in the same way.

    Args:
        project: A folder for which `knows` is true.

    Raises:
        CapsuleRefused: Git refuses to read a repository, or a submodule's folder holds files that no git knows.
    """
    staged = [entry.split(b"\t", 1) for entry in git(project, "ls-files", "-z", "--stage").split(b"\0") if entry]
    modes = {path.decode("utf-8", "surrogateescape"): facts[:6] for facts, path in staged}
    untracked = names(git(project, "ls-files", "-z", "--others", "--exclude-standard"))
    files: dict[str, bool] = {}
    absent: list[str] = []
    for path, is_tracked in [*((path, False) for path in untracked), *((path, True) for path in modes)]:
        # Git names a submodule or nested repository by its folder only.
        name = path.rstrip("/")
        folder = project / name
        if modes.get(path) == SUBMODULE:
            if not _is_checked_out(folder):
                absent.append(name)
                continue
        elif not folder.is_dir() or folder.is_symlink():
            files[path] = is_tracked
            continue
        elif not os.path.lexists(folder / ".git"):
            continue  # a tracked file that became a folder: what is in it is listed by itself
        inner = list_files(folder)
        files.update({f"{name}/{below}": is_tracked and tracked for below, tracked in inner.files.items()})
        absent.extend(f"{name}/{below}" for below in inner.absent)
    return Listing(files, tuple(sorted(absent)))


def history(project: Path) -> History:
    """Read commit, branch and remote.

    Args:
        project: A folder for which `knows` is true.
    """
    branch = answer(project, "symbolic-ref", "--quiet", "--short", "HEAD")
    return History(
        commit=answer(project, "rev-parse", "--quiet", "--verify", "HEAD^{commit}"),
        branch=branch,
        remote=_remote(project, branch),
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
    names = (answer(project, "remote") or "").split("\n")
    followed = answer(project, "config", "--get", f"branch.{branch}.remote") if branch else None
    name = next((name for name in (followed, "origin", names[0]) if name and name in names), None)
    address = answer(project, "config", "--get", f"remote.{name}.url") if name else None
    return without_credentials(address) if address else None


def _is_checked_out(folder: Path) -> bool:
    if os.path.lexists(folder / ".git"):
        return True
    if folder.is_dir() and not folder.is_symlink() and any(folder.iterdir()):
        raise CapsuleRefused(
            "a submodule's folder holds files and no repository, so git lists none of them",
            where=folder,
            fix="Check the submodule out with `git submodule update --init`, or track its files in the repository",
        )
    return False


def names(output: bytes) -> list[str]:
    """Paths that git printed with `-z`, with surrogate escapes."""
    return [name.decode("utf-8", "surrogateescape") for name in output.split(b"\0") if name]


def answer(folder: Path, *arguments: str) -> str | None:
    """One line of git's answer; None where the answer is no."""
    result = run(folder, *arguments)
    text = result.stdout.decode("utf-8", "replace").strip()
    return text if result.returncode == 0 and text else None


def git(folder: Path, *arguments: str | bytes, variables: Mapping[str, str] | None = None, given: bytes = b"") -> bytes:
    """What git prints.

    Args:
        folder: Where it runs.
        arguments: Subcommand and its arguments.
        variables: Added to the environment, after `GIT_DIR` and its like were taken out.
        given: Its standard input.

    Raises:
        CapsuleRefused: It fails; with its words.
    """
    result = run(folder, *arguments, variables=variables, given=given)
    if result.returncode != 0:
        raise _refused(folder, result)
    return result.stdout


def run(
    folder: Path, *arguments: str | bytes, variables: Mapping[str, str] | None = None, given: bytes = b""
) -> subprocess.CompletedProcess[bytes]:
    """Run git as `git`, whatever it answers."""
    environ = {name: value for name, value in os.environ.items() if name not in _REDIRECTIONS}
    environ |= {"LC_ALL": "C", "GIT_OPTIONAL_LOCKS": "0", "GIT_TERMINAL_PROMPT": "0", **(variables or {})}
    command = ["git", "-C", str(folder), "-c", "core.fsmonitor=false", *arguments]
    return subprocess.run(command, env=environ, input=given, capture_output=True, check=False)


def _refused(folder: Path, result: subprocess.CompletedProcess[bytes]) -> CapsuleRefused:
    lines = result.stderr.decode("utf-8", "replace").strip().splitlines() or [f"exit code {result.returncode}"]
    return CapsuleRefused(
        "git can't read the repository of the source tree",
        where=folder,
        stored=lines[0],
        fix="`git status` in that folder must work first",
    )
