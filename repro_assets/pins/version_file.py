"""Versioned files: an environment, a cluster or a measured tolerance never changes under its name; a change is a new file.

Here belongs `digests.lock`, the list of every such file with its digest, and the check against it.
What does not: what is in those files (`pins.environment`, `pins.compute`, `pins.tolerance`).

`digests.lock` is append-only and in the format of `sha256sum`: `SHA256  FOLDER/FILE`, relative to its own folder.
It is committed, so a fresh clone refuses an edited file too.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Mapping
from pathlib import Path

from repro_assets.errors import BadInput, EditedUnderOldName
from repro_assets.pins.secret_rules import find_secret

DIGESTS = "digests.lock"
FOLDERS = ("clusters", "conda", "tolerances")

_SUFFIXES = (".json", ".lock", ".yaml")
_PARTIAL = ".partial"
_LINE = re.compile(r"(?P<sha256>[0-9a-f]{64})  (?P<path>[A-Za-z0-9][A-Za-z0-9._-]*/[A-Za-z0-9][A-Za-z0-9._-]*)")
_REGISTER = "`make envs-digest` registers new files"


def verified_bytes(path: Path) -> bytes:
    """Read a versioned file and check it against the `digests.lock` of its folder's parent.

    The bytes that were checked are the bytes to use: reading the file again could find others.

    Args:
        path: For example `envs/conda/ml-v1.lock`.

    Raises:
        BadInput: The file can't be read, isn't listed, or holds what looks like a secret.
        EditedUnderOldName: It isn't what is listed.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise BadInput("a versioned file can't be read", where=path, stored=error.strerror) from error
    relative = f"{path.parent.name}/{path.name}"
    expected = read_digests(path.parent.parent).get(relative)
    if expected is None:
        raise BadInput(
            "a versioned file is not registered",
            where=path,
            expected=f"a line for {relative} in {DIGESTS}",
            fix=_REGISTER,
        )
    found = hashlib.sha256(content).hexdigest()
    if found != expected:
        raise _edited(path, found, expected)
    _refuse_secret(path, content)
    return content


def verify_file(path: Path) -> str:
    """Check a versioned file and return its SHA-256.

    Args:
        path: For example `envs/clusters/local-v1.json`.

    Raises:
        BadInput: The file can't be read, or isn't listed.
        EditedUnderOldName: It isn't what is listed.
    """
    return hashlib.sha256(verified_bytes(path)).hexdigest()


def read_digests(envs: Path) -> dict[str, str]:
    """Read `digests.lock`: SHA-256 per path relative to `envs`; empty where there is no such file yet.

    Raises:
        BadInput: A line has another form, or a path occurs twice.
    """
    lock = envs / DIGESTS
    found: dict[str, str] = {}
    if not lock.exists():
        return found
    for number, line in enumerate(lock.read_text().splitlines(), start=1):
        match = _LINE.fullmatch(line)
        if not match or match["path"] in found:
            raise BadInput(
                "a list of digests is damaged", where=f"{lock}:{number}", stored=repr(line[:120]), expected="one file"
            )
        found[match["path"]] = match["sha256"]
    return found


def register(envs: Path) -> list[str]:
    """Append a line for every versioned file that has none; existing lines stay as they are.

    Args:
        envs: Folder of `digests.lock`, `conda`, `clusters` and `tolerances`.

    Returns:
        Paths relative to `envs` of the files that were added.

    Raises:
        BadInput: A listed file is gone: results that name it could never be run again. A new one holds a secret: once
            listed, it would be logged with every run.
        EditedUnderOldName: A listed file isn't what is listed.
    """
    settle(envs)
    known = read_digests(envs)
    for relative in known:
        if not (envs / relative).is_file():
            raise BadInput("a versioned file is gone", where=envs / relative, fix="Restore it: results refer to it")
        verify_file(envs / relative)
    new = [relative for relative in _versioned(envs) if relative not in known]
    for relative in new:
        _refuse_secret(envs / relative, (envs / relative).read_bytes())
    if new:
        _append(envs, {relative: hashlib.sha256((envs / relative).read_bytes()).hexdigest() for relative in new})
    return new


def add_file(envs: Path, relative: str, content: bytes) -> Path:
    """Write a versioned file and register it, and no other; a process that is killed on the way leaves all or nothing.

    The file waits under another name until its line is written; `settle` finishes what was cut off between the two.

    Args:
        envs: Folder of `digests.lock`.
        relative: `FOLDER/FILE`, for example `tolerances/logistic_regression--ml-v1.json`.
        content: Of the file.

    Raises:
        BadInput: There is, or was, such a file, or what is to be written holds a secret.
        OSError: There is no room, or no right to write.
    """
    settle(envs)
    path = envs / relative
    if relative in read_digests(envs) or path.exists():
        raise BadInput("a versioned file is never written again", where=path, fix="Choose another name")
    _refuse_secret(path, content)
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + _PARTIAL)
    _write(partial, content)
    _append(envs, {relative: hashlib.sha256(content).hexdigest()})
    partial.replace(path)
    return path


def settle(envs: Path) -> None:
    """Finish what a killed `add_file` left: a file whose line is written takes its name, any other goes.

    Raises:
        BadInput: `digests.lock` is damaged.
    """
    for partial in sorted(path for folder in FOLDERS for path in (envs / folder).glob(f"*{_PARTIAL}")):
        path = partial.with_name(partial.name.removesuffix(_PARTIAL))
        listed = read_digests(envs).get(path.relative_to(envs).as_posix())
        if not path.exists() and hashlib.sha256(partial.read_bytes()).hexdigest() == listed:
            partial.replace(path)
        else:
            partial.unlink()


def _append(envs: Path, digests: Mapping[str, str]) -> None:
    """Add lines to `digests.lock`, all or none."""
    lock = envs / DIGESTS
    before = lock.read_bytes() if lock.exists() else b""
    lines = "".join(f"{sha256}  {relative}\n" for relative, sha256 in digests.items())
    partial = lock.with_name(DIGESTS + _PARTIAL)
    _write(partial, before + lines.encode())
    partial.replace(lock)


def _write(path: Path, content: bytes) -> None:
    with path.open("wb") as sink:
        sink.write(content)
        sink.flush()
        os.fsync(sink.fileno())


def _refuse_secret(path: Path, content: bytes) -> None:
    found = find_secret(content)
    if found:
        raise BadInput(
            "a versioned file holds what looks like a secret",
            where=f"{path}:{found.line}",
            stored=found.rule,
            fix="Take it out, and revoke it if it was ever shared; a package index has its own place for credentials",
        )


def _versioned(envs: Path) -> list[str]:
    paths = [path for folder in FOLDERS for path in (envs / folder).glob("*") if path.suffix in _SUFFIXES]
    return sorted(path.relative_to(envs).as_posix() for path in paths if path.is_file())


def _edited(path: Path, found: str, expected: str) -> EditedUnderOldName:
    return EditedUnderOldName(
        "a versioned file was edited under its old name",
        where=path,
        stored=f"sha256 {found}",
        expected=f"sha256 {expected}",
        fix=f"Restore it and make a new version under a new name; {_REGISTER}",
    )
