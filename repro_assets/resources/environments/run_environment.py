"""The interpreter of a past run's environment: this one where it is that environment to the file, else the made one."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from pathlib import Path

from repro_assets.pins.environment import EnvironmentPin
from repro_assets.resources.environments import built_environments, environment_build
from repro_assets.resources.environments.conda_env import check_running
from repro_assets.settings import Settings


def interpreter(
    pin: EnvironmentPin, yaml: bytes, lock: bytes, settings: Settings, report: Callable[[str], None]
) -> Path:
    """Find the interpreter of an environment; one that is not made yet is made.

    Args:
        pin: What is asked for.
        yaml: Content of its conda file, as the run logged it.
        lock: Content of its lock, as the run logged it.
        settings: Where made environments lie.
        report: Hears a line per step of the making.

    Raises:
        EnvironmentUnavailable: It can't be made here.
        Outside: Making it failed.
    """
    if is_running(pin, yaml, lock, settings):
        return Path(sys.executable)
    return environment_build.make(pin, yaml, lock, settings, report).python


@functools.cache  # asked before a reproduction and again by it; what runs in this process does not change
def is_running(pin: EnvironmentPin, yaml: bytes, lock: bytes, settings: Settings) -> bool:
    """Whether this process runs in that environment: every package and file, Python's minor and Java's major version.

    Raises:
        EnvironmentUnavailable: The content is not what the pin names.
        EnvironmentMismatch: There is no Java.
    """
    receipt = check_running(built_environments.verified(pin, yaml, lock), "record", settings)
    return not receipt.mismatches and receipt.pin.digest == pin.digest
