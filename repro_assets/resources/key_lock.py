"""One run of a data version at a time: a lock per key between the processes of one installation.

The system releases the lock when its process ends, however it ends. Who holds it stands in a file beside it, for the
message to whoever waits; that file alone means nothing.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from repro_assets.errors import Outside
from repro_assets.resources.process_owner import current_owner, parse_owner
from repro_assets.settings import Settings

PATIENCE_SECONDS = 900.0


@contextmanager
def hold_key(
    key: str,
    settings: Settings,
    *,
    dagster_run_id: str | None = None,
    patience_seconds: float = PATIENCE_SECONDS,
    report: Callable[[str], None],
) -> Generator[None]:
    """Hold a data version's lock; waits for whoever holds it.

    Args:
        key: Data version, as the codec writes it: it becomes a file name.
        settings: Where the locks are.
        dagster_run_id: What the lock is held for; told to whoever waits.
        patience_seconds: How long to wait.
        report: Gets one line when there is somebody to wait for.

    Raises:
        Outside: The holder did not end in time, or the lock's folder can't be written.
    """
    import filelock

    path = settings.var / "locks" / f"key-{key}.lock"
    holder = path.with_suffix(".holder")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = filelock.FileLock(path)
        _acquire(lock, key, holder, patience_seconds, report)
        holder.write_text(json.dumps({**current_owner(), "dagster_run_id": dagster_run_id}))
    except filelock.Timeout as error:
        raise Outside(
            "another run of this data version does not end",
            where=key,
            stored=f"{_named(holder)}, waited {patience_seconds:g} s",
            fix="Wait for it or end it, then start again: what it finished is reused",
        ) from error
    except OSError as error:
        raise Outside("the lock of a data version can't be used", where=path, stored=str(error)) from error
    try:
        yield
    finally:
        holder.unlink(missing_ok=True)
        lock.release()


def _acquire(lock: Any, key: str, holder: Path, patience_seconds: float, report: Callable[[str], None]) -> None:
    from filelock import Timeout

    try:
        lock.acquire(timeout=0)
    except Timeout:
        report(f"{key}  waiting for another run of this data version ({_named(holder)})")
        lock.acquire(timeout=patience_seconds)


def _named(holder: Path) -> str:
    """Whoever holds the lock, in words; right after it was taken, or with a file of another kind, nobody knows."""
    try:
        owner = parse_owner(holder.read_text())
    except OSError:
        owner = None
    if owner is None or "pid" not in owner:
        return "held by a process that did not say who it is"
    run = f", Dagster run {owner['dagster_run_id']}" if owner.get("dagster_run_id") else ""
    return f"held by process {owner['pid']} on {owner.get('host')}{run}"
