"""The processes of a standalone cluster: started apart from this one, found again, ended for good.

Here belongs what is known about processes only: sessions, command lines, signals.
Each of master and workers leads a session of its own; executors and their Python workers are in the session of the
worker that started them, also after that worker was killed, so a session is what is ended.
"""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from repro_assets.errors import Outside
from repro_assets.resources.process_owner import is_alive, owner_of

if TYPE_CHECKING:
    import psutil

SCRATCH = "SPARK_LOCAL_DIRS"

_PATIENCE_SECONDS = 10.0
_LOOK_SECONDS = 0.1
_DAEMON = "org.apache.spark.deploy."

# What this process started: the system keeps a dead child in its table until its parent has asked for it.
_STARTED: list[subprocess.Popen[bytes]] = []


def spawn(command: Sequence[str], *, log: Path, environment: Mapping[str, str], folder: Path) -> dict[str, Any]:
    """Start a process that outlives this one, in a session of its own; returns who it is, as `process_owner` has it."""
    with open(os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "ab") as sink:
        process = subprocess.Popen(
            list(command),
            cwd=folder,
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=sink,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    _STARTED.append(process)
    return owner_of(process.pid)


def sessions(owners: Iterable[Mapping[str, Any]], settings_file: Path, scratch: Path) -> set[int]:
    """Ids of the sessions of a cluster that still hold a process.

    Args:
        owners: Leaders that were written down.
        settings_file: Stands on the command line of every leader; finds one that was started and not written down.
        scratch: In the environment of every process, under `SCRATCH`; finds executors whose worker is gone, and that
            nothing that can be read names.
    """
    import psutil

    found: set[int] = set()
    for process in psutil.process_iter(["cmdline"]):
        words = process.info["cmdline"] or []
        leads = str(settings_file) in words and any(word.startswith(_DAEMON) for word in words)
        if leads or _environment(process).get(SCRATCH) == str(scratch):
            with suppress(ProcessLookupError, PermissionError):
                found.add(os.getsid(process.pid))
    for owner in owners:
        pid = int(owner["pid"])
        # A leader that is gone leaves its id to its session; an id that a younger process has is another session's.
        if is_alive(owner) or (is_alive(owner) is False and not psutil.pid_exists(pid)):
            found.add(pid)
    return {session for session in found - {os.getsid(0)} if members(session)}


def _environment(process: psutil.Process) -> dict[str, str]:
    """Of a process; empty where it is somebody else's, or gone."""
    import psutil

    try:
        return process.environ()
    except (psutil.Error, OSError):
        return {}


def members(session: int) -> list[int]:
    """Processes of a session."""
    import psutil

    found = []
    for process in psutil.process_iter(["status"]):
        with suppress(ProcessLookupError, PermissionError):
            if os.getsid(process.pid) == session and process.info["status"] != psutil.STATUS_ZOMBIE:
                found.append(process.pid)
    return found


def end(leaders: Iterable[int]) -> int:
    """End sessions: asked first, then killed; returns how many processes were in them.

    Raises:
        Outside: A process can't be ended.
    """
    waiting = set(leaders)
    asked = [pid for session in waiting for pid in members(session)]
    _signal(asked, signal.SIGTERM)
    if _gone(waiting, None):
        return len(asked)
    if not _gone(waiting, signal.SIGKILL):
        left = [pid for session in waiting for pid in members(session)]
        raise Outside("processes of a cluster can't be ended", stored=left, fix="Look at them with `ps`")
    return len(asked)


def _gone(leaders: set[int], number: signal.Signals | None) -> bool:
    """Wait until the sessions are empty; a signal is sent again and again, since a session may start another process."""
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while time.monotonic() < deadline:
        for process in _STARTED:
            process.poll()
        left = [pid for session in leaders for pid in members(session)]
        if not left:
            return True
        if number is not None:
            _signal(left, number)
        time.sleep(_LOOK_SECONDS)
    return False


def _signal(pids: Iterable[int], number: signal.Signals) -> None:
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, number)
