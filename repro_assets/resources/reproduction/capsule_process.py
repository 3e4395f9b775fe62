"""Runs an old capsule in isolation: a workspace of its own, the run's own environment, a process that sees no live state.

The process is handed the live lake to read raw rows from, the jars that were fetched, the memo of packages that were
proved and the standalone clusters that are up (copies and links), and nothing else that belongs to this installation.
Everything that it writes goes below the workspace, which is removed afterwards.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import signal
import subprocess
import threading
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import nullcontext, suppress
from dataclasses import replace
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import IO

from repro_assets.errors import DataDamaged, Outside
from repro_assets.one_line import printable
from repro_assets.pins.contract import Request, Result
from repro_assets.pins.version_file import DIGESTS
from repro_assets.resources.known_secrets import clean
from repro_assets.resources.reproduction.workspaces import Workspace, note_child
from repro_assets.settings import THREAD_VARIABLES, Settings

# What would lead the process to this installation, to other code, or to other threads than its cluster file says.
_LEFT_OUT = (
    *("REPRO_", "MLFLOW_", "DAGSTER_", "GIT_", "PYTHONPATH", "PYTHONHOME", "PYTHONSTARTUP"),
    *("SPARK_", "PYSPARK_", "JAVA_TOOL_OPTIONS", "JDK_JAVA_OPTIONS", "_JAVA_OPTIONS"),
    *("HADOOP_CONF_DIR", "YARN_CONF_DIR"),
    *THREAD_VARIABLES,
)
_LAST_LINES = 20
_PATIENCE_SECONDS = 20
_LOOK_SECONDS = 0.2


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
        note_child(place, process.pid)
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
