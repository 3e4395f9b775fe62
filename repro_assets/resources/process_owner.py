"""Who started a run: host, process id and the moment that process started, and whether it is still there.

A process id alone is reused by the system; together with the start time it names one process for good.
Nothing here knows MLflow or Dagster: both reapers ask the same two questions.
"""

from __future__ import annotations

import getpass
import json
import os
import socket
from collections.abc import Mapping
from typing import Any

# psutil derives the start from the boot time, which the system may correct by about a second while it runs.
START_TOLERANCE_SECONDS = 2.0


def current_owner() -> dict[str, Any]:
    """Name this process.

    Returns:
        `host` (str), `pid` (int) and `started` (float, seconds since the epoch, two decimals).
    """
    return owner_of(os.getpid())


def owner_of(pid: int) -> dict[str, Any]:
    """Name a process of this host.

    Raises:
        psutil.NoSuchProcess: It is gone.
    """
    import psutil

    return {"host": socket.gethostname(), "pid": pid, "started": round(psutil.Process(pid).create_time(), 2)}


def parse_owner(text: str | None) -> dict[str, Any] | None:
    """Read an owner back from its JSON tag; None for a missing or foreign value, since others may write tags too."""
    try:
        owner = json.loads(text or "")
    except (ValueError, RecursionError):
        return None
    return owner if isinstance(owner, dict) else None


def is_alive(owner: Mapping[str, Any] | None) -> bool | None:
    """Say whether the process that `current_owner` named still runs.

    Returns:
        True or False for a process of this host; None where that can't be known: another host, an incomplete
        owner, or a process this user may not look at.
    """
    import psutil

    if owner is None or owner.get("host") != socket.gethostname():
        return None
    pid, started = owner.get("pid"), owner.get("started")
    if not isinstance(pid, int) or not isinstance(started, (int, float)):
        return None
    try:
        process = psutil.Process(pid)
        same = abs(process.create_time() - started) <= START_TOLERANCE_SECONDS
        return same and process.status() != psutil.STATUS_ZOMBIE
    except (psutil.NoSuchProcess, ValueError, OverflowError):
        return False
    except psutil.AccessDenied:
        return None


def user_name() -> str:
    """Who runs this, as far as the system knows."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        # A container may run under a number that no account has.
        return "unknown"
