"""The environment that computes: its files by name, and whether the running interpreter is that environment.

Here belong the files under `envs/conda`, the running Python and Java, and the receipt of what was really there.
What does not: the lock's format and the comparison (`pins.environment`), packages on disk
(`resources.installed_packages`).
"""

from __future__ import annotations

import hashlib
import os
import platform
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import Distribution
from pathlib import Path
from typing import Any, Literal

from packaging.specifiers import InvalidSpecifier, SpecifierSet

from repro_assets.errors import BadInput, EnvironmentMismatch
from repro_assets.pins.canonical import digest
from repro_assets.pins.environment import (
    EnvironmentPin,
    LockedPackage,
    Mismatch,
    applicable,
    compare,
    extra,
    marker_values,
    minor_version,
    parse_lock,
)
from repro_assets.pins.version_file import verified_bytes
from repro_assets.resources.environments.installed_packages import changed_on_disk, installed_distributions
from repro_assets.settings import DEFAULT_ENVIRONMENT, Settings

Mode = Literal["enforce", "record"]

_NAME = re.compile(r"[a-z0-9-]+")
_THIS_PROJECT = "repro-assets"
_JAVA_PATIENCE_SECONDS = 30


@dataclass(frozen=True)
class EnvironmentFile:
    """One environment as committed.

    Attributes:
        name: Name of its files under `envs/conda`.
        yaml: Text of the conda file.
        lock: Text of the lock.
        yaml_sha256: Digest of the conda file.
        lock_sha256: Digest of the lock.
        python: Python versions it is made for, as a version specifier.
        java: Java versions it is made for, as a version specifier.
        packages: Entries of the lock.
    """

    name: str
    yaml: str
    lock: str
    yaml_sha256: str
    lock_sha256: str
    python: str
    java: str
    packages: tuple[LockedPackage, ...]


@dataclass(frozen=True)
class Installed:
    """An interpreter as it is found, the running one or that of a made environment.

    Attributes:
        python: Full version.
        java_major: Major version of the Java that Spark would start.
        distributions: What it would import, by normalized name.
    """

    python: str
    java_major: int
    distributions: Mapping[str, Distribution]

    @property
    def versions(self) -> dict[str, str]:
        """Version per package, this project left out."""
        return {name: one.version for name, one in self.distributions.items() if name != _THIS_PROJECT}


@dataclass(frozen=True)
class EnvironmentReceipt:
    """What was really there.

    Attributes:
        pin: What was declared, with the running Python and Java.
        mode: `enforce` or `record`.
        python: Full version of the running Python.
        java_major: Major version of the Java that Spark will start.
        mismatches: Every difference; empty in `enforce`.
        extra_packages: Version per installed package that the lock doesn't name, this project left out.
    """

    pin: EnvironmentPin
    mode: Mode
    python: str
    java_major: int
    mismatches: tuple[Mismatch, ...]
    extra_packages: Mapping[str, str]


def environment_names(settings: Settings) -> list[str]:
    """Names of the environments that `envs/conda` has, in order."""
    folder = settings.envs / "conda"
    names = [path.stem for path in folder.glob("*.yaml") if path.with_suffix(".lock").is_file()]
    return sorted(name for name in names if _NAME.fullmatch(name))


def load_environment(name: str, settings: Settings) -> EnvironmentFile:
    """Read an environment's files by name and check that nobody edited them.

    Args:
        name: For example `ml-v1`.
        settings: Where `envs` lies.

    Raises:
        BadInput: There is no environment of that name, or a file of it can't be read.
        EditedUnderOldName: A file isn't what `digests.lock` lists.
    """
    folder = settings.envs / "conda"
    known = environment_names(settings)
    if name not in known:
        raise BadInput(
            "there is no such environment",
            where=folder,
            stored=repr(name)[:80],
            expected=f"one of {', '.join(known) or 'none: the folder has no NAME.yaml with its NAME.lock'}",
        )
    yaml_path, lock_path = folder / f"{name}.yaml", folder / f"{name}.lock"
    return read_environment(name, verified_bytes(yaml_path), verified_bytes(lock_path), yaml_path)


def read_environment(name: str, yaml_bytes: bytes, lock_bytes: bytes, where: object) -> EnvironmentFile:
    """Read an environment from the content of its two files, wherever that comes from.

    Args:
        name: For example `ml-v1`.
        yaml_bytes: The conda file.
        lock_bytes: The lock.
        where: The place to name in a message.

    Raises:
        BadInput: One of them can't be read.
    """
    try:
        yaml_text, lock_text = yaml_bytes.decode(), lock_bytes.decode()
    except UnicodeDecodeError as error:
        raise BadInput("an environment file is not text", where=where, stored=error) from error
    wanted = _interpreters(yaml_text, where)
    return EnvironmentFile(
        name=name,
        yaml=yaml_text,
        lock=lock_text,
        yaml_sha256=hashlib.sha256(yaml_bytes).hexdigest(),
        lock_sha256=hashlib.sha256(lock_bytes).hexdigest(),
        python=wanted["python"],
        java=wanted["openjdk"],
        packages=parse_lock(lock_text),
    )


def running() -> Installed:
    """The running interpreter with its packages and its Java.

    Raises:
        EnvironmentMismatch: There is no Java.
    """
    return Installed(platform.python_version(), java_major(), installed_distributions())


def mismatches(env: EnvironmentFile, found: Installed, memo: Path | None) -> list[Mismatch]:
    """Compare an interpreter with an environment.

    Args:
        env: What is asked for.
        found: What is there.
        memo: File that remembers which packages were proved on disk; None leaves their files alone.

    Returns:
        Every mismatch: interpreters first, then packages.

    Raises:
        Outside: The memo can't be written.
    """
    required = applicable(env.packages, marker_values(found.python))
    locked = {name: one for name, one in found.distributions.items() if name in required}
    changed = [] if memo is None else changed_on_disk(locked, memo)
    return [
        *_interpreter_mismatches(env, found.python, found.java_major),
        *compare(required, found.versions, changed),
    ]


def check_running(env: EnvironmentFile, mode: Mode, settings: Settings) -> EnvironmentReceipt:
    """Compare the running interpreter, its packages and its Java with an environment.

    Args:
        env: What is asked for.
        mode: `enforce` refuses any mismatch, `record` writes it down.
        settings: Where the memo of proved packages lies (`var/envs`).

    Raises:
        BadInput: Another mode.
        EnvironmentMismatch: In `enforce`, all mismatches at once; in either mode, no Java at all.
    """
    if mode not in ("enforce", "record"):
        raise BadInput("no such way to check an environment", stored=repr(mode), expected="enforce or record")
    here = running()
    differing = mismatches(env, here, _memo(env, settings))
    if differing and mode == "enforce":
        raise _mismatch(env, differing)
    return EnvironmentReceipt(
        pin=EnvironmentPin(
            name=env.name,
            lock_sha256=env.lock_sha256,
            yaml_sha256=env.yaml_sha256,
            python_minor=minor_version(here.python),
            java_major=here.java_major,
        ),
        mode=mode,
        python=here.python,
        java_major=here.java_major,
        mismatches=tuple(differing),
        extra_packages=extra(applicable(env.packages), here.versions),
    )


def java_major(environ: Mapping[str, str] | None = None) -> int:
    """Find the major version of the Java that Spark would start, in most installations without starting it.

    Spark's own rule: `JAVA_HOME/bin/java`, else `java` on PATH.
    The version stands in the `release` file of the Java home (JEP 223); a stub without one is asked.

    Args:
        environ: Environment variables; by default those of this process.

    Raises:
        EnvironmentMismatch: There is no Java, or it doesn't say its version.
    """
    values = os.environ if environ is None else environ
    home = values.get("JAVA_HOME")
    program = shutil.which("java", path=f"{home}/bin" if home else values.get("PATH", os.defpath))
    if program is None:
        raise EnvironmentMismatch(
            "no Java was found",
            where=f"JAVA_HOME={home}" if home else "PATH",
            expected="Java 17 or 21",
            fix="Install it or set JAVA_HOME",
        )
    release = Path(program).resolve().parents[1] / "release"
    if release.is_file():
        match = re.search(r'^JAVA_VERSION="([^"]+)"', release.read_text(errors="replace"), re.MULTILINE)
    else:
        match = re.search(r'version "([^"]+)"', _java_answer(program))
    if match is None:
        raise EnvironmentMismatch("Java doesn't say its version", where=program, expected="Java 17 or 21")
    return _major(match[1], program)


def _major(version: str, program: str) -> int:
    """Up to Java 8 the major version is the second number."""
    match = re.match(r"(?:1\.)?([0-9]+)", version)
    if match is None:
        raise EnvironmentMismatch("Java has an unknown version", where=program, stored=repr(version)[:80])
    return int(match[1])


def _java_answer(program: str) -> str:
    try:
        answer = subprocess.run(
            [program, "-version"], capture_output=True, text=True, timeout=_JAVA_PATIENCE_SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise EnvironmentMismatch("Java can't be started", where=program, stored=error) from error
    return answer.stderr + answer.stdout


def _interpreters(text: str, path: object) -> dict[str, str]:
    """Version specifiers of `python` and `openjdk` in a conda file."""
    import yaml

    try:
        document = yaml.safe_load(text)
    except (yaml.YAMLError, RecursionError) as error:
        raise BadInput("an environment file is not YAML", where=path, stored=error) from error
    dependencies: list[Any] = document.get("dependencies", []) if isinstance(document, dict) else []
    found = {}
    for dependency in dependencies if isinstance(dependencies, list) else []:
        name, _, specifier = dependency.partition(" ") if isinstance(dependency, str) else ("", "", "")
        if name in ("python", "openjdk"):
            found[name] = _specifier(specifier, path)
    if set(found) != {"python", "openjdk"}:
        raise BadInput(
            "an environment file leaves an interpreter open",
            where=path,
            stored=sorted(found) or "neither",
            expected="versions of python and openjdk under dependencies",
        )
    return found


def _specifier(text: str, path: object) -> str:
    try:
        return str(SpecifierSet(text))
    except InvalidSpecifier as error:
        raise BadInput("an environment file holds an unknown version", where=path, stored=text) from error


def _interpreter_mismatches(env: EnvironmentFile, python: str, java: int) -> list[Mismatch]:
    return [
        Mismatch("interpreter", name, stored, expected, f"Use a {label} that the environment is made for")
        for name, label, stored, expected in (
            ("python", "Python", python, env.python),
            ("java", "Java", str(java), env.java),
        )
        if not SpecifierSet(expected).contains(stored, prereleases=True)
    ]


def _memo(env: EnvironmentFile, settings: Settings) -> Path:
    # One per lock and interpreter: two environments that share `var` must not forget each other's proofs.
    key = digest({"lock": env.lock_sha256, "prefix": os.path.realpath(sys.prefix)})
    return settings.var / "envs" / f"proved-{key[:16]}.json"


def _how_to_have(name: str) -> str:
    if name == DEFAULT_ENVIRONMENT:
        return "`make setup` installs it"
    return f"`repro env make {name}` makes it, and `repro run KEY --environment {name}` then runs in it"


def _mismatch(env: EnvironmentFile, differing: Sequence[Mismatch]) -> EnvironmentMismatch:
    return EnvironmentMismatch(
        f"the running interpreter is not {env.name}, {len(differing)} mismatches",
        stored="; ".join(map(str, differing)),
        expected=f"exactly envs/conda/{env.name}.lock",
        fix=f"{_how_to_have(env.name)}; mode `record` goes on and writes the mismatches down",
    )
