"""Workspaces of reproductions: a folder each below `var`, whose it is, and what a killed command left of one."""

from __future__ import annotations

import json
import os
import shutil
import signal
import uuid
from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from repro_assets.errors import Outside
from repro_assets.pins.retention import Holder
from repro_assets.resources.process_owner import current_owner, is_alive, owner_of
from repro_assets.settings import Settings

_OWNER = "owner.json"


@dataclass(frozen=True)
class Workspace:
    """Folders of one reproduction.

    Attributes:
        folder: Holds all of them.
    """

    folder: Path

    @property
    def code(self) -> Path:
        """The capsule, unpacked."""
        return self.folder / "code"

    @property
    def envs(self) -> Path:
        """Environment and cluster file of the run."""
        return self.folder / "envs"

    @property
    def var(self) -> Path:
        """State of the old process: its lake, its databases."""
        return self.folder / "var"

    @property
    def lake(self) -> str:
        """URI of the lake that the old process writes to."""
        return f"file://{self.var / 'lake'}"


@contextmanager
def workspace(settings: Settings, data_version: str, *, keep: bool = False) -> Generator[Workspace, None, None]:
    """Make a workspace below `var`, and remove it; first those whose process is gone.

    Args:
        settings: Where `var` is.
        data_version: What is reproduced; written down, so that nobody takes it away meanwhile.
        keep: Leave it there, to look at.

    Raises:
        Outside: There is no room, or no right to write.
    """
    root = settings.var / "reproductions"
    try:
        remove_abandoned(root)
        folder = root / uuid.uuid4().hex
        # Nobody else's: what is unpacked here is going to be run.
        folder.mkdir(parents=True, mode=0o700)
        (folder / _OWNER).write_text(json.dumps({**current_owner(), "data_version": data_version}))
    except OSError as error:
        raise Outside("a workspace can't be made", where=root, stored=error.strerror or error) from error
    try:
        yield Workspace(folder)
    finally:
        if keep:
            (folder / _OWNER).unlink(missing_ok=True)  # what has no owner is removed by hand only
        else:
            shutil.rmtree(folder, ignore_errors=True)


def note_child(place: Workspace, pid: int) -> None:
    """Write down which process works here, so that whoever finds the workspace abandoned can end it."""
    with suppress(psutil.NoSuchProcess):
        owner = {**json.loads((place.folder / _OWNER).read_text()), "child": owner_of(pid)}
        (place.folder / _OWNER).write_text(json.dumps(owner))


def abandoned(root: Path) -> list[Path]:
    """Workspaces whose process is gone; one that was kept on purpose, or is being made, is none of them."""
    return [folder for folder, owner in _owned(root) if is_alive(owner) is False]


def of_reproductions(root: Path) -> list[Holder]:
    """A holder per reproduction under way; MLflow hears of one when it has ended."""
    return [
        Holder(
            str(owner["data_version"]),
            f"the reproduction of process {owner.get('pid')} on {owner.get('host')}, under way",
            running=True,
        )
        for _, owner in _owned(root)
        if "data_version" in owner and is_alive(owner) is not False
    ]


def _owned(root: Path) -> Iterator[tuple[Path, Mapping[str, Any]]]:
    """Workspaces with what stands in them of their owner."""
    for folder in root.glob("*") if root.is_dir() else ():
        try:
            owner = json.loads((folder / _OWNER).read_text())
        except (OSError, ValueError):
            continue  # being made right now, or not ours
        if isinstance(owner, dict):
            yield folder, owner


def remove_abandoned(root: Path) -> None:
    """Remove the workspaces whose process is gone, and end what they left running."""
    for folder in abandoned(root):
        with suppress(OSError, ValueError):  # somebody else was faster
            _end_child(json.loads((folder / _OWNER).read_text()).get("child"))
        shutil.rmtree(folder, ignore_errors=True)


def _end_child(child: Mapping[str, Any] | None) -> None:
    """A killed command leaves its old process behind, with the group that it leads."""
    if child is not None and is_alive(child):
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(int(child["pid"]), signal.SIGKILL)
