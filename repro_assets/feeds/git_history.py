"""Every published version of one file, from a git clone (bare too).

A version is a commit that changed the file, in history order, published when it was committed.
Where a clock ran backwards, a commit counts as no earlier than the one before it, as in git's own corrected commit
dates (https://git-scm.com/docs/gitformat-commit-graph).
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from repro_assets.errors import BadInput, Outside
from repro_assets.feeds.anomalies import AnomalyKind
from repro_assets.feeds.publication import Anomaly, utc_time
from repro_assets.feeds.published_file import refuse_size


@dataclass(frozen=True)
class GitVersion:
    """One version of the file.

    Attributes:
        commit: Full id of the commit.
        path: Path of the file from the repository's top.
        published: Committer time in UTC.
        blob: Id of the content; None where this commit deleted the file.
        anomalies: `clock_skew`, or `shallow_clone` where the true commit may be older.
    """

    commit: str
    path: str
    published: str
    blob: str | None
    anomalies: tuple[Anomaly, ...] = ()

    @property
    def source(self) -> str:
        """`PATH@COMMIT`."""
        return f"{self.path}@{self.commit}"


def published_versions(repo: Path, path: str, since: str | None = None) -> list[GitVersion]:
    """List the versions of a file, oldest first.

    Args:
        repo: Work tree or bare repository.
        path: Path of the file from the repository's top.
        since: Only versions after this revision: it and what it builds on are left out.

    Raises:
        BadInput: Not a repository, no such revision, or no version of this file.
        Outside: git is not installed or failed.
    """
    _refuse_path(path)
    _refuse_repo(repo)
    left_out = set(_git(repo, "rev-list", _commit(repo, since)).split()) if since is not None else set()
    commits = list(_commits(repo, path))
    if not commits:
        raise BadInput("no version of this file", where=repo, stored=path, fix="Name it by --path")
    commits = [item for item in commits if item[0] not in left_out]
    blobs = _blobs(repo, path, [commit for commit, _, _ in commits])
    return [
        GitVersion(commit, path, utc_time(seconds), blob, anomalies)
        for (commit, seconds, anomalies), blob in zip(commits, blobs, strict=True)
    ]


def read_blob(repo: Path, blob: str) -> bytes:
    """The bytes of one version.

    Raises:
        AnomalyRefused: They are too many.
        Outside: git failed.
    """
    refuse_size(int(_git(repo, "cat-file", "-s", blob)), f"{repo}, blob {blob}")
    return _run(repo, ["cat-file", "blob", blob])


def _commits(repo: Path, path: str) -> Iterator[tuple[str, int, tuple[Anomaly, ...]]]:
    shallow = _git(repo, "rev-parse", "--is-shallow-repository").strip() == "true"
    head = _commit(repo, "HEAD")
    log = ["log", "--date-order", "--reverse", "--no-show-signature", "--format=%H %ct %P", head, "--"]
    latest: int | None = None
    for line in _git(repo, *log, f":(top,literal){path}").splitlines():
        commit, time, *parents = line.split()
        seconds, anomalies = int(time), []
        if latest is not None and seconds < latest:
            seconds = latest
            anomalies.append(Anomaly(AnomalyKind.CLOCK_SKEW.id))
        if shallow and not parents:
            anomalies.append(Anomaly(AnomalyKind.SHALLOW_CLONE.id))
        latest = seconds
        yield commit, seconds, tuple(anomalies)


def _blobs(repo: Path, path: str, commits: Sequence[str]) -> list[str | None]:
    """Content id per commit, all in one process."""
    asked = "".join(f"{commit}:{path}\n" for commit in commits).encode()
    answers = _run(repo, ["cat-file", "--batch-check=%(objectname) %(objecttype)"], asked).decode().splitlines()
    return [_blob(repo, path, commit, answer) for commit, answer in zip(commits, answers, strict=True)]


def _blob(repo: Path, path: str, commit: str, answer: str) -> str | None:
    name, _, kind = answer.rpartition(" ")
    if kind == "blob":
        return name
    if kind != "missing":
        raise BadInput("not a file", where=f"{path}@{commit}", stored=kind, expected="a published file")
    # "Missing" is said of a deleted file and also of a file whose content a partial clone left out.
    if _git(repo, "ls-tree", "--full-tree", commit, "--", path).strip():
        raise Outside(
            "the clone lacks this file's content", where=f"{path}@{commit}", fix="Use a clone without --filter"
        )
    return None


def _commit(repo: Path, revision: str) -> str:
    if revision.startswith("-") or not revision.isprintable():
        raise BadInput("not a git revision", where=repo, stored=repr(revision))
    done = _call(repo, ["rev-parse", "--verify", "--quiet", f"{revision}^{{commit}}"])
    if done.returncode:
        raise BadInput("no such git revision", where=repo, stored=repr(revision), fix="Fetch it, or name another")
    return done.stdout.decode().strip()


def _refuse_path(path: str) -> None:
    parts = PurePosixPath(path).parts
    if not path.isprintable() or not parts or ".." in parts or path.startswith(("/", "-")):
        raise BadInput("not a path inside a repository", stored=repr(path), expected="a path from its top")


def _refuse_repo(repo: Path) -> None:
    if not os.path.isdir(repo):  # unlike `Path.is_dir`, no error where the name is too long or the way is closed
        raise BadInput("no such folder", where=repo, expected="a git clone")
    done = _call(repo, ["rev-parse", "--git-dir"])
    if done.returncode:
        reason = next(iter(done.stderr.decode(errors="replace").splitlines()), "")
        raise BadInput("not a git repository that can be read", where=repo, stored=reason, expected="a git clone")


def _git(repo: Path, *arguments: str) -> str:
    return _run(repo, arguments).decode()


def _run(repo: Path, arguments: Sequence[str], data: bytes = b"") -> bytes:
    done = _call(repo, arguments, data)
    if done.returncode:
        reason = next(iter(done.stderr.decode(errors="replace").splitlines()), f"exit code {done.returncode}")
        raise Outside(f"git {arguments[0]} failed", where=repo, stored=reason)
    return done.stdout


def _call(repo: Path, arguments: Sequence[str], data: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    command = ["git", "--no-pager", "-C", str(repo.absolute()), *arguments]
    try:
        return subprocess.run(command, input=data, capture_output=True, env=_environment(), check=False)
    except FileNotFoundError as error:
        raise Outside("git is not installed", where=repo, fix="Install git") from error


def _environment() -> dict[str, str]:
    """The caller's environment without what would point git elsewhere (a hook sets `GIT_DIR`)."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    return {**kept, "GIT_OPTIONAL_LOCKS": "0", "GIT_TERMINAL_PROMPT": "0", "LC_ALL": "C"}
