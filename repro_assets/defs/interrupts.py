"""Whether somebody asked this process to stop, whoever handles signals at that moment.

Dagster and pyspark install handlers of their own while a run executes, and one that arrives between two steps, or
while a run is closed, is forgotten there. The interpreter writes every signal to its wake-up descriptor first:
https://docs.python.org/3/library/signal.html#signal.set_wakeup_fd
"""

from __future__ import annotations

import signal
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

_STOPPING = {int(signal.SIGINT), int(signal.SIGTERM)}
_ENOUGH = 4096


@contextmanager
def noted_interrupts() -> Iterator[Callable[[], bool]]:
    """Give a question: did SIGINT or SIGTERM arrive since this was entered?

    The page's *Terminate* arrives as SIGINT too. Outside of the main thread there are no signals to note, and the
    answer is always no.
    """
    if threading.current_thread() is not threading.main_thread():
        yield lambda: False
        return
    reader, writer = socket.socketpair()
    reader.setblocking(False)
    writer.setblocking(False)
    before = signal.set_wakeup_fd(writer.fileno(), warn_on_full_buffer=False)
    seen: set[int] = set()

    def arrived() -> bool:
        with suppress(BlockingIOError):
            seen.update(reader.recv(_ENOUGH))
        # Whoever ran an event loop meanwhile took the descriptor away.
        signal.set_wakeup_fd(writer.fileno(), warn_on_full_buffer=False)
        return bool(seen & _STOPPING)

    try:
        yield arrived
    finally:
        signal.set_wakeup_fd(before)
        reader.close()
        writer.close()
