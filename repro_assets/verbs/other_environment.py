"""`--environment NAME` other than the running one: the command goes on in that environment, where it is made."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import repro_assets
from repro_assets.pins.environment import minor_version
from repro_assets.resources.environments.built_environments import find
from repro_assets.resources.environments.conda_env import load_environment, mismatches, running
from repro_assets.settings import Settings
from repro_assets.verbs.environments import pin_of

_SOURCES = Path(repro_assets.__file__).resolve().parents[1]


def go_on_in(name: str, arguments: Sequence[str], settings: Settings, report: Callable[[str], None]) -> None:
    """Replace this process by the same command in another environment; returns where there is none to go to.

    Where the running interpreter is the environment, by versions, nothing happens.
    Where the environment is not made nothing happens either: the chain's own check then refuses with the mismatches and
    with the command that makes it.

    Args:
        name: The environment that was asked for.
        arguments: Those of this command, without its program.
        settings: Where `envs` and `var` lie.
        report: Gets the line that says so.

    Raises:
        BadInput: There is no environment of that name.
    """
    env, here = load_environment(name, settings), running()
    if not mismatches(env, here, None):
        return
    made = find(pin_of(env, minor_version(here.python), here.java_major), settings)
    if made is None or _is_here(made.home) or not (_SOURCES / "pyproject.toml").is_file():
        # Sources that are installed lie among the packages of this interpreter: they can't go without those.
        return
    report(f"carried out in {name}: {made.python}")
    os.execve(made.python, *_command(made.python, arguments))  # noqa: S606 # no shell: an argument list


def _is_here(home: Path) -> bool:
    return os.path.realpath(sys.prefix) == os.path.realpath(home)


def _command(python: Path, arguments: Sequence[str]) -> tuple[list[str], dict[str, str]]:
    # -P: the folder that the command is given in must not come before the sources.
    words = [str(python), "-P", "-m", "repro_assets.cli", *arguments]
    path = os.pathsep.join(filter(None, (str(_SOURCES), os.environ.get("PYTHONPATH"))))
    return words, {**os.environ, "PYTHONPATH": path}
