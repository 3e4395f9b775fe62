"""One writer of a raw table at a time, between the processes of one installation: ingestion, vacuum, forget, pin.

The system releases the lock when its process ends, however it ends.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable
from contextlib import ExitStack, contextmanager

from repro_assets.errors import BadInput, Outside
from repro_assets.experiment import EXPERIMENT
from repro_assets.settings import Settings

PATIENCE_SECONDS = 600.0


@contextmanager
def hold_table(
    table: str, settings: Settings, *, patience_seconds: float | None = None, report: Callable[[str], None]
) -> Generator[None]:
    """Hold a raw table's lock; waits for whoever holds it.

    Args:
        table: Name of the raw table: it becomes a file name.
        settings: Where the locks are.
        patience_seconds: How long to wait; by default `PATIENCE_SECONDS`.
        report: Gets one line when there is somebody to wait for.

    Raises:
        BadInput: There is no such table.
        Outside: The holder did not end in time, or the lock's folder can't be written.
    """
    import filelock

    if table not in EXPERIMENT.table_names:
        raise BadInput("no such raw table", stored=repr(table)[:80], expected=" or ".join(EXPERIMENT.table_names))
    path = settings.var / "locks" / f"ingest-{table}.lock"
    patience = PATIENCE_SECONDS if patience_seconds is None else patience_seconds
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = filelock.FileLock(path)
        try:
            lock.acquire(timeout=0)
        except filelock.Timeout:
            if patience:
                report(f"waiting for whoever holds {table}: an ingestion, a vacuum, or a pin")
            lock.acquire(timeout=patience)
    except filelock.Timeout as error:
        raise Outside(
            "the table is in use: an ingestion, a vacuum or a pin of it does not end",
            where=path,
            fix="Let it end, or end it, then try again",
        ) from error
    except OSError as error:
        raise Outside(
            "the state can't be written", where=path.parent, stored=str(error), fix="Set REPRO_VAR"
        ) from error
    try:
        yield
    finally:
        lock.release()


@contextmanager
def hold_tables(tables: Iterable[str], settings: Settings, *, report: Callable[[str], None]) -> Generator[None]:
    """Hold the locks of several tables, always in one order, so that no two wait for each other.

    Raises:
        BadInput: There is no such table.
        Outside: A holder did not end in time, or the locks' folder can't be written.
    """
    with ExitStack() as held:
        for table in sorted(tables):
            held.enter_context(hold_table(table, settings, report=report))
        yield
