"""Making an environment from the content of its lock, once per digest, and whether that is possible here.

Here belongs the order of steps that leaves a whole environment or none.
What does not: how packages are installed (`resources.uv_tool`), and what counts as made (`resources.built_environments`).

The content may come from `envs/` or from what an old run recorded; its digests are proved first.
An environment is filled in a folder beside its own and renamed with the marker in it, so there is no moment at which half
of one has the name of a whole one.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from packaging.specifiers import SpecifierSet

from repro_assets.errors import BadInput, EnvironmentMismatch, EnvironmentUnavailable, Outside
from repro_assets.pins.environment import EnvironmentPin
from repro_assets.resources.environments.built_environments import (
    LOCK,
    YAML,
    MadeEnvironment,
    differences,
    find,
    folder,
    short,
    verified,
    write_marker,
)
from repro_assets.resources.environments.conda_env import EnvironmentFile, java_major
from repro_assets.resources.environments.uv_tool import create_venv, find_python, find_uv, full_version, install
from repro_assets.settings import Settings

_UNFINISHED = ".making-"
# Building pyspark for the first time takes minutes on a small machine.
_PATIENCE_SECONDS = 3600.0


@dataclass(frozen=True)
class Readiness:
    """Whether an environment can be computed in; found out without computing or fetching anything.

    Attributes:
        made: The environment; None where it has yet to be made.
        reasons: Everything that keeps it from being used or made; empty where nothing does.
    """

    made: MadeEnvironment | None
    reasons: tuple[str, ...]

    @property
    def is_ready(self) -> bool:
        """Whether it is made or can be, as far as can be told without asking an index."""
        return not self.reasons


@dataclass(frozen=True)
class _Order:
    """What is to be made, proved to be what the pin names."""

    pin: EnvironmentPin
    env: EnvironmentFile
    yaml: bytes
    lock: bytes


@dataclass(frozen=True)
class _Tools:
    uv: Path
    python: Path


def readiness(pin: EnvironmentPin, yaml: bytes, lock: bytes, settings: Settings) -> Readiness:
    """Find out whether an environment is made or can be: reads files and asks programs for their versions.

    That every package can still be had with its hash is known only once it is made.

    Args:
        pin: What is asked for.
        yaml: Content of its conda file, as the run recorded it.
        lock: Content of its lock, as the run recorded it.
        settings: Where `var` and the project lie.
    """
    made = find(pin, settings)
    reasons = _java_reasons(pin)
    if made is None:
        try:
            env = verified(pin, yaml, lock)
        except (EnvironmentUnavailable, BadInput) as error:
            reasons.append(str(error))
        else:
            tools = _tools(pin, env, settings)
            reasons += tools if isinstance(tools, list) else []
    return Readiness(made, tuple(reasons))


def make(
    pin: EnvironmentPin, yaml: bytes, lock: bytes, settings: Settings, progress: Callable[[str], None]
) -> MadeEnvironment:
    """Make an environment, unless it is made; of several processes at once one makes it and the others wait.

    Args:
        pin: What is asked for.
        yaml: Content of its conda file.
        lock: Content of its lock; `envs/` need not hold it any more.
        settings: Where `var` and the project lie.
        progress: Gets a line per step.

    Returns:
        The environment, whose `python` is what to start.

    Raises:
        EnvironmentUnavailable: The content isn't what the pin names; uv, the Python or the Java is missing; a package
            can't be had with its hash.
        BadInput: The content can't be read.
        Outside: The network, the disk, or a process that makes it at the same time and does not end.
    """
    order = _Order(pin, verified(pin, yaml, lock), yaml, lock)
    made = find(pin, settings)
    if made:
        return made
    tools = _tools(pin, order.env, settings)
    reasons = [*_java_reasons(pin), *(tools if isinstance(tools, list) else [])]
    if reasons or isinstance(tools, list):
        raise EnvironmentUnavailable(f"{pin.name} can't be made: {'; '.join(reasons)}")
    with _locked(pin, settings, progress):
        return find(pin, settings) or _make(order, tools, settings, progress)


def _make(order: _Order, tools: _Tools, settings: Settings, progress: Callable[[str], None]) -> MadeEnvironment:
    envs, pin = folder(settings), order.pin
    home, prefix = envs / f"{pin.name}-{short(pin)}", f"{_UNFINISHED}{short(pin)}-"
    for leftover in envs.glob(f"{prefix}*"):
        # Whoever began it was killed: the right to make this one is ours alone.
        shutil.rmtree(leftover, ignore_errors=True)
    try:
        with tempfile.TemporaryDirectory(prefix=prefix, dir=envs, ignore_cleanup_errors=True) as scratch:
            attempt = Path(scratch) / "environment"
            _fill(attempt, order, tools, settings, progress)
            if home.is_dir():
                # It does not count as made: its marker or its interpreter is gone.
                shutil.rmtree(home)
            os.rename(attempt, home)
    except OSError as error:
        raise Outside("an environment can't be written", where=home, stored=error) from error
    made = find(pin, settings)
    if made is None:
        raise Outside("an environment is gone right after it was made", where=home)
    return made


def _fill(attempt: Path, order: _Order, tools: _Tools, settings: Settings, progress: Callable[[str], None]) -> None:
    name = order.pin.name
    progress(f"{name}: making it with Python {full_version(tools.python)}, {tools.python}")
    create_venv(tools.uv, tools.python, attempt)
    (attempt / YAML).write_bytes(order.yaml)
    (attempt / LOCK).write_bytes(order.lock)
    install(
        tools.uv,
        attempt,
        attempt / LOCK,
        settings.envs / "build-constraints.txt",
        settings.project,
        lambda line: progress(f"{name}: {line}"),
    )
    # Hashes are of what is downloaded. uv trusts what it unpacked into its cache, where a file may since have been
    # changed, for example through another environment's hard link.
    found = differences(order.env, attempt)
    if found:
        raise EnvironmentUnavailable(
            "what was installed is not what the lock asks for",
            where=name,
            stored="; ".join(map(str, found))[:1000],
            fix="`uv cache clean PACKAGE` drops a damaged copy; then make it again",
        )
    write_marker(order.pin, order.env, attempt)


def _java_reasons(pin: EnvironmentPin) -> list[str]:
    try:
        found = java_major()
    except EnvironmentMismatch as error:
        return [f"Java {pin.java_major} is needed: {error}"]
    if found == pin.java_major:
        return []
    return [
        f"Java {pin.java_major} is needed and Java {found} would be started: set JAVA_HOME to a Java {pin.java_major}"
    ]


def _tools(pin: EnvironmentPin, env: EnvironmentFile, settings: Settings) -> _Tools | list[str]:
    """What it takes to make an environment, or why there is not all of it."""
    uv = find_uv(settings.project)
    python = find_python(pin.python_minor, uv)
    version = full_version(python) if python else None
    reasons = [] if uv else ["uv is neither on PATH nor in .tools: `make setup` installs it"]
    minor = pin.python_minor
    allowed = SpecifierSet(env.python)
    if not any(allowed.contains(one, prereleases=True) for one in ([version] if version else _ends(minor))):
        reasons.append(f"{pin.name} is made for Python {env.python}, not for {version or minor}")
    elif version is None:
        reasons.append(f"Python {minor} was not found: install it, or name it with PYTHON=/path/to/python{minor}")
    if not SpecifierSet(env.java).contains(str(pin.java_major)):
        reasons.append(f"{pin.name} is made for Java {env.java}, and the pin says Java {pin.java_major}")
    return reasons if reasons or uv is None or python is None else _Tools(uv, python)


def _ends(minor: str) -> tuple[str, str]:
    """Some first and last release of a minor version, to ask a specifier about all of it."""
    return f"{minor}.0", f"{minor}.999"


@contextlib.contextmanager
def _locked(pin: EnvironmentPin, settings: Settings, progress: Callable[[str], None]) -> Iterator[None]:
    """Hold the right to make one environment; the system lets go when its process ends, however it ends."""
    from filelock import FileLock, Timeout

    path = settings.var / "locks" / f"environment-{short(pin)}.lock"
    lock = FileLock(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        folder(settings).mkdir(parents=True, exist_ok=True)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            progress(f"{pin.name}: another process makes it; waiting")
            lock.acquire(timeout=_PATIENCE_SECONDS)
    except Timeout:
        raise Outside(
            "another process makes this environment and does not end",
            where=path,
            stored=f"waited {_PATIENCE_SECONDS:g} s",
            fix="Wait for that process or end it",
        ) from None
    except OSError as error:
        raise Outside("the state can't be written", where=path.parent, stored=error, fix="Set REPRO_VAR") from error
    try:
        yield
    finally:
        lock.release()
