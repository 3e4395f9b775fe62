"""Environments made from locks: one folder per environment digest below `var/envs`, whole or not there.

Here belongs when a folder counts as an environment, which there are, and whether one still is what its lock says.
What does not: making one (`resources.environment_build`), and what a difference is (`resources.conda_env`).

An environment holds what a lock lists and nothing else, this project neither: whoever computes in it puts the sources
first on its path. Of its programs only `bin/python` is to be started.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path

from repro_assets.errors import BadInput, EnvironmentUnavailable
from repro_assets.pins.environment import EnvironmentPin, Mismatch, applicable, marker_values, minor_version
from repro_assets.resources.environments.conda_env import (
    EnvironmentFile,
    Installed,
    java_major,
    mismatches,
    read_environment,
)
from repro_assets.resources.environments.installed_packages import installed_distributions
from repro_assets.resources.environments.uv_tool import full_version
from repro_assets.settings import Settings

YAML, LOCK = "environment.yaml", "environment.lock"

_MARKER = "made.json"
_SCHEMA = "repro-made-environment/1"
_MEMO = "proved.json"
_SHORT = 16


@dataclass(frozen=True)
class MadeEnvironment:
    """One environment that is made.

    Attributes:
        pin: What it was made from.
        home: Its folder.
        packages: How many packages its lock asks for here.
    """

    pin: EnvironmentPin
    home: Path
    packages: int

    @property
    def python(self) -> Path:
        """The program to start."""
        return self.home / "bin" / "python"


def folder(settings: Settings) -> Path:
    """Where environments are kept."""
    return settings.var / "envs"


def short(pin: EnvironmentPin) -> str:
    """The part of an environment's digest that stands in the names of files."""
    return pin.digest[:_SHORT]


def find(pin: EnvironmentPin, settings: Settings) -> MadeEnvironment | None:
    """Find the environment of a pin where it is made, by its digest: the name plays no part.

    Args:
        pin: What is asked for.
        settings: Where `var` lies.

    Returns:
        The environment, whose `python` is what to start; None where there is none, or not a whole one.
    """
    found = (_read(home) for home in sorted(folder(settings).glob(f"[!.]*-{short(pin)}")))
    return next((one for one in found if one and one.pin.digest == pin.digest), None)


def made_environments(settings: Settings) -> list[MadeEnvironment]:
    """Every environment that is made, by folder."""
    found = (_read(home) for home in sorted(folder(settings).glob("[!.]*")))
    return [one for one in found if one]


def check(made: MadeEnvironment) -> list[Mismatch]:
    """Compare a made environment with the lock it was made from, its files on disk included.

    Args:
        made: The environment.

    Returns:
        Every mismatch.

    Raises:
        EnvironmentUnavailable: Its copy of the lock was changed, or its interpreter can't be started.
        EnvironmentMismatch: There is no Java.
        Outside: What was proved can't be remembered.
    """
    try:
        yaml, lock = ((made.home / name).read_bytes() for name in (YAML, LOCK))
    except OSError as error:
        raise EnvironmentUnavailable(
            "a made environment lost its lock", where=made.home, stored=error.strerror, fix=_again(made.home)
        ) from error
    return differences(verified(made.pin, yaml, lock), made.home)


def verified(pin: EnvironmentPin, yaml: bytes, lock: bytes) -> EnvironmentFile:
    """Read the content of an environment after it was proved to be what a pin names.

    Args:
        pin: What it should be.
        yaml: Content of its conda file.
        lock: Content of its lock.

    Raises:
        EnvironmentUnavailable: It is something else.
        BadInput: It can't be read.
    """
    for suffix, content, expected in (("lock", lock, pin.lock_sha256), ("yaml", yaml, pin.yaml_sha256)):
        found = hashlib.sha256(content).hexdigest()
        if found != expected:
            raise EnvironmentUnavailable(
                "the content of an environment is not what its pin names",
                where=f"{pin.name}.{suffix}",
                stored=f"sha256 {found}",
                expected=f"sha256 {expected}",
            )
    return read_environment(pin.name, yaml, lock, f"{pin.name}.yaml")


def differences(env: EnvironmentFile, home: Path) -> list[Mismatch]:
    """Compare the packages in a folder, and Java, with an environment.

    Raises:
        EnvironmentUnavailable: The interpreter in the folder can't be started.
        EnvironmentMismatch: There is no Java.
        Outside: What was proved can't be remembered.
    """
    python = _version(home)
    packages = home / "lib" / f"python{minor_version(python)}" / "site-packages"
    return mismatches(env, Installed(python, java_major(), installed_distributions(packages)), home / _MEMO)


def write_marker(pin: EnvironmentPin, env: EnvironmentFile, home: Path) -> None:
    """Say that the environment in a folder is whole; the last thing that is written into it."""
    packages = len(applicable(env.packages, marker_values(_version(home))))
    document = {"schema": _SCHEMA, "pin": asdict(pin), "packages": packages}
    (home / _MARKER).write_text(json.dumps(document, indent=1, sort_keys=True))


def _read(home: Path) -> MadeEnvironment | None:
    """The environment in a folder; None where it isn't whole, or the interpreter it stands on is gone."""
    try:
        document = json.loads((home / _MARKER).read_bytes())
        if document["schema"] != _SCHEMA:
            return None
        made = MadeEnvironment(EnvironmentPin.from_document(document["pin"]), home, int(document["packages"]))
    except (OSError, ValueError, LookupError, TypeError, AttributeError, BadInput):
        # A marker that says nothing that can be read marks nothing.
        return None
    return made if made.python.exists() else None


def _version(home: Path) -> str:
    # Asked, not read from pyvenv.cfg: the interpreter below may have been replaced since.
    version = full_version(home / "bin" / "python")
    if version is None:
        raise EnvironmentUnavailable(
            "the interpreter of an environment can't be started", where=home / "bin" / "python", fix=_again(home)
        )
    return version


def _again(home: Path) -> str:
    return f"Remove {home} and make it again"
