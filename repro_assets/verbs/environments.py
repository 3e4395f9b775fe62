"""`repro env`: the environments of `envs/conda`, made from their locks, and whether they still are what those say."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from repro_assets.errors import DataDamaged, EnvironmentUnavailable
from repro_assets.pins.environment import EnvironmentPin, Mismatch, applicable, marker_values, minor_version
from repro_assets.resources.environments.built_environments import MadeEnvironment, check, find, made_environments
from repro_assets.resources.environments.conda_env import (
    EnvironmentFile,
    Installed,
    environment_names,
    load_environment,
    mismatches,
    running,
)
from repro_assets.resources.environments.environment_build import make
from repro_assets.settings import Settings


@dataclass(frozen=True)
class EnvironmentRow:
    """One environment; the fields of the `env list` document.

    Attributes:
        name: Name of its files.
        digest: What joins an identity: lock, Python's minor and Java's major version.
        lock_sha256: Digest of its lock.
        python: Minor version.
        java: Major version.
        packages: How many packages its lock asks for here.
        running: Whether this process runs in it, by versions; files on disk are not read.
        made: Whether `repro env make` made it.
        where: Its folder where it is made.
        committed: Whether `envs/conda` has it; an environment made for an old run may not be there any more.
    """

    name: str
    digest: str
    lock_sha256: str
    python: str
    java: int
    packages: int
    running: bool
    made: bool
    where: str | None
    committed: bool


@dataclass(frozen=True)
class CheckedEnvironment:
    """What became of checking one made environment."""

    made: MadeEnvironment
    mismatches: tuple[Mismatch, ...]


def pin_of(env: EnvironmentFile, python: str, java_major: int) -> EnvironmentPin:
    """The pin of an environment under a minor version of Python and a major one of Java."""
    return EnvironmentPin(env.name, env.lock_sha256, env.yaml_sha256, python, java_major)


def list_environments(settings: Settings) -> list[EnvironmentRow]:
    """Every environment of `envs/conda` for the running Python and Java, then whatever else is made.

    Raises:
        BadInput: A file of `envs/conda` can't be read or was edited.
        EnvironmentMismatch: There is no Java.
    """
    here = running()
    rows = [_committed(load_environment(name, settings), here, settings) for name in environment_names(settings)]
    listed = {row.digest for row in rows}
    locks = {row.lock_sha256 for row in rows}
    others = [made for made in made_environments(settings) if made.pin.digest not in listed]
    return [*rows, *(_other(made, made.pin.lock_sha256 in locks) for made in others)]


def make_environment(
    name: str, python: str | None, settings: Settings, report: Callable[[str], None]
) -> tuple[MadeEnvironment, bool]:
    """Make an environment of `envs/conda`, unless it is made.

    Args:
        name: For example `ml-v2`.
        python: Minor version; None for the running one.
        settings: Where `envs` and `var` lie.
        report: Gets a line per step.

    Returns:
        The environment, and whether this call made it.

    Raises:
        BadInput: There is no environment of that name.
        EnvironmentUnavailable: uv, the Python or a package is missing.
        Outside: The network or the disk failed.
    """
    env, here = load_environment(name, settings), running()
    pin = pin_of(env, python or minor_version(here.python), here.java_major)
    before = find(pin, settings)
    if before:
        return before, False
    return make(pin, env.yaml.encode(), env.lock.encode(), settings, report), True


def check_environments(name: str, python: str | None, settings: Settings) -> list[CheckedEnvironment]:
    """Compare everything that was made under a name with the lock that it was made from.

    Args:
        name: For example `ml-v2`; need not be in `envs/conda` any more.
        python: Only the one of this minor version; None for all.
        settings: Where `envs` and `var` lie.

    Raises:
        BadInput: There is no environment of that name.
        EnvironmentUnavailable: It is not made, or its own copy of the lock was changed.
    """
    wanted = [
        made
        for made in made_environments(settings)
        if made.pin.name == name and python in (None, made.pin.python_minor)
    ]
    if not wanted:
        load_environment(name, settings)
        option = f" --python {python}" if python else ""
        raise EnvironmentUnavailable(
            "the environment is not made", where=name, fix=f"`repro env make {name}{option}` makes it"
        )
    return [CheckedEnvironment(made, tuple(check(made))) for made in wanted]


def require_whole(checked: Sequence[CheckedEnvironment]) -> None:
    """Refuse to be silent about an environment that is not its lock.

    Raises:
        DataDamaged: There is a mismatch.
    """
    for one in checked:
        if one.mismatches:
            raise DataDamaged(
                f"the environment is not its lock, {len(one.mismatches)} mismatches",
                where=one.made.home,
                stored="; ".join(map(str, one.mismatches))[:1000],
                fix=f"Remove that folder, then `repro env make {one.made.pin.name}`",
            )


def _committed(env: EnvironmentFile, here: Installed, settings: Settings) -> EnvironmentRow:
    pin = pin_of(env, minor_version(here.python), here.java_major)
    made = find(pin, settings)
    return EnvironmentRow(
        name=env.name,
        digest=pin.digest,
        lock_sha256=pin.lock_sha256,
        python=pin.python_minor,
        java=pin.java_major,
        packages=len(applicable(env.packages, marker_values(here.python))),
        running=not mismatches(env, here, None),
        made=made is not None,
        where=str(made.home) if made else None,
        committed=True,
    )


def _other(made: MadeEnvironment, committed: bool) -> EnvironmentRow:
    return EnvironmentRow(
        name=made.pin.name,
        digest=made.pin.digest,
        lock_sha256=made.pin.lock_sha256,
        python=made.pin.python_minor,
        java=made.pin.java_major,
        packages=made.packages,
        running=False,
        made=True,
        where=str(made.home),
        committed=committed,
    )
