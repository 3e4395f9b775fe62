"""Runs an old capsule in isolation: a workspace of its own, the run's own environment, a process that sees no live state.

The process is handed the live lake to read raw rows from, the jars that were fetched, the memo of packages that were
proved and the standalone clusters that are up (copies and links), and nothing else that belongs to this installation. Everything that it writes
goes below the workspace, which is removed afterwards.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import signal
import subprocess
import threading
import uuid
from collections import deque
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import IO, Any

import psutil

from repro_assets.errors import DataDamaged, Outside
from repro_assets.one_line import printable
from repro_assets.pins.contract import Request, Result
from repro_assets.pins.version_file import DIGESTS
from repro_assets.resources.known_secrets import clean
from repro_assets.resources.process_owner import current_owner, is_alive, owner_of
from repro_assets.settings import THREAD_VARIABLES, Settings

# What would lead the process to this installation, to other code, or to other threads than its cluster file says.
_LEFT_OUT = (
    *("REPRO_", "MLFLOW_", "DAGSTER_", "GIT_", "PYTHONPATH", "PYTHONHOME", "PYTHONSTARTUP"),
    *("SPARK_", "PYSPARK_", "JAVA_TOOL_OPTIONS", "JDK_JAVA_OPTIONS", "_JAVA_OPTIONS"),
    *THREAD_VARIABLES,
)
_OWNER = "owner.json"
_LAST_LINES = 20
_PATIENCE_SECONDS = 20
_LOOK_SECONDS = 0.2


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
def workspace(settings: Settings, *, keep: bool = False) -> Generator[Workspace, None, None]:
    """Make a workspace below `var`, and remove it; first those whose process is gone.

    Args:
        settings: Where `var` is.
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
        (folder / _OWNER).write_text(json.dumps(current_owner()))
    except OSError as error:
        raise Outside("a workspace can't be made", where=root, stored=error.strerror or error) from error
    try:
        yield Workspace(folder)
    finally:
        if keep:
            (folder / _OWNER).unlink(missing_ok=True)  # what has no owner is removed by hand only
        else:
            shutil.rmtree(folder, ignore_errors=True)


def write_envs(place: Workspace, files: Mapping[str, bytes]) -> None:
    """Put a run's environment and cluster files where the capsule looks for them, with their digests.

    Args:
        place: The workspace.
        files: Content by path, e.g. `conda/ml-v1.lock`; checked against the run's pins before.
    """
    lines = []
    for path, content in sorted(files.items()):
        target = place.envs / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)
        lines.append(f"{hashlib.sha256(content).hexdigest()}  {path}\n")
    (place.envs / DIGESTS).write_text("".join(lines))


def run_capsule(
    request: Request,
    place: Workspace,
    *,
    python: Path,
    settings: Settings,
    variables: Mapping[str, str],
    progress: Callable[[str], None],
) -> Result:
    """Let the capsule in `place.code` fulfil a request.

    Args:
        request: What is asked for.
        place: Workspace with `code` and `envs`.
        python: Interpreter of the run's environment.
        settings: Live locations; of them the process is told the lake of the raw tables only.
        variables: Environment variables that the run's cluster file wants.
        progress: Hears each line of the process's progress.

    Raises:
        Outside: The process ended without an answer.
        DataDamaged: Its answer can't be read.
    """
    _prepare(place, settings)
    source, target = place.folder / "request.json", place.folder / "result.json"
    source.write_text(json.dumps(request.as_document(), sort_keys=True, indent=1))
    command = [str(python), "-s", "-m", "repro_assets.contract", str(source), str(target)]
    last = _execute(command, place, _environment(place, settings, variables), progress)
    if not target.exists():
        raise Outside(
            "the capsule ended without an answer",
            where=place.code,
            stored=" | ".join(line for line in last if line)[-600:] or "nothing",
        )
    try:
        document = json.loads(target.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise DataDamaged("a capsule's answer can't be read", where=target, stored=str(error)) from error
    result = Result.from_document(document, str(target))
    failure = result.failure
    return result if failure is None else replace(result, failure=replace(failure, message=clean(failure.message)))


def _prepare(place: Workspace, settings: Settings) -> None:
    (place.var / "envs").mkdir(parents=True, exist_ok=True)
    (place.folder / "work").mkdir(exist_ok=True)
    (place.var / "jars").mkdir()
    for jar in settings.jars.glob("*.jar"):  # downloads, checked by digest whenever they are used
        (place.var / "jars" / jar.name).symlink_to(jar)
    for cluster in (settings.var / "clusters").glob("*/"):  # running ones, their secrets among it: joined by name
        (place.var / "clusters").mkdir(exist_ok=True)
        (place.var / "clusters" / cluster.name).symlink_to(cluster)
    for memo in (settings.var / "envs").glob("proved-*.json"):
        shutil.copy(memo, place.var / "envs" / memo.name)


def _environment(place: Workspace, settings: Settings, variables: Mapping[str, str]) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(_LEFT_OUT)}
    return {
        **kept,
        **variables,
        "PYTHONPATH": str(place.code),
        "REPRO_VAR": str(place.var),
        "REPRO_RAW": settings.raw,
        "REPRO_ENVS": str(place.envs),
        # The workspace may lie inside a clone, whose history is none of the capsule's.
        "GIT_CEILING_DIRECTORIES": str(place.folder.resolve()),
    }


def _execute(
    command: list[str], place: Workspace, environment: Mapping[str, str], progress: Callable[[str], None]
) -> deque[str]:
    """Run to the end, in a process group of its own that never outlives this call; returns the last lines."""
    last: deque[str] = deque(maxlen=_LAST_LINES)
    process = subprocess.Popen(
        command,
        cwd=place.folder / "work",
        env=dict(environment),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
        start_new_session=True,
    )
    lines: SimpleQueue[str] = SimpleQueue()
    # In a thread, since whatever the process leaves behind may hold the pipe open for good.
    reader = threading.Thread(target=_drain, args=(process.stderr, lines), daemon=True)
    reader.start()
    try:
        _note_child(place, process)
        while process.poll() is None:
            _hear(lines, last, progress)
    finally:
        _end(process)
        reader.join(_PATIENCE_SECONDS)
    while not lines.empty():
        _hear(lines, last, progress)
    return last


def _drain(stderr: IO[str] | None, lines: SimpleQueue[str]) -> None:
    with stderr or nullcontext(()) as source:
        for line in source:
            # Old code cleans nothing that it says, and whoever waits is shown some of it.
            lines.put(printable(clean(line.rstrip())))


def _hear(lines: SimpleQueue[str], last: deque[str], progress: Callable[[str], None]) -> None:
    with suppress(Empty):
        line = lines.get(timeout=_LOOK_SECONDS)
        last.append(line)
        progress(line)


def _note_child(place: Workspace, process: subprocess.Popen[str]) -> None:
    """Write down which process works here, so that whoever finds the workspace abandoned can end it."""
    with suppress(psutil.NoSuchProcess):
        owner = {**current_owner(), "child": owner_of(process.pid)}
        (place.folder / _OWNER).write_text(json.dumps(owner))


def _end(process: subprocess.Popen[str]) -> None:
    """End what is left of the group: the interpreter, and the JVM that it started."""
    if process.poll() is None:
        _signal(process, signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            process.wait(_PATIENCE_SECONDS)
    _signal(process, signal.SIGKILL)
    process.wait()


def _signal(process: subprocess.Popen[str], number: int) -> None:
    try:
        os.killpg(process.pid, number)
    except ProcessLookupError:
        return


def abandoned(root: Path) -> list[Path]:
    """Workspaces whose process is gone; one that was kept on purpose, or is being made, is none of them."""
    found = []
    for folder in root.glob("*") if root.is_dir() else ():
        try:
            owner = json.loads((folder / _OWNER).read_text())
        except (OSError, ValueError):
            continue  # being made right now, or not ours
        if is_alive(owner) is False:
            found.append(folder)
    return found


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
