"""The executors of a session: who registered, with what, and whether all that were declared are there.

Here belongs what is asked of a running session about its executors. What has to be found is in `pins.standalone`.
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from repro_assets.errors import ClusterUnavailable
from repro_assets.pins.compute import ClusterFile
from repro_assets.pins.standalone import Member, declared_workers, megabytes

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

_DRIVER = "driver"
_EXECUTOR_CLASS = "org.apache.spark.executor.CoarseGrainedExecutorBackend"
_HEAP = re.compile(r"-Xmx(\d+[mMgG])")
_LOOK_SECONDS = 0.2
# A worker starts another executor for one that died within seconds; an application that holds them may end meanwhile.
_PATIENCE_SECONDS = 90.0
_BETWEEN_LOOKS_SECONDS = 5.0
_ALONE_SECONDS = 30.0


def members(session: SparkSession) -> list[Member]:
    """The executors that are registered now, by id; without workers the driver itself, as executor `driver`.

    Cores are those that Spark counts; heap and options are those that the executor's process was started with.
    """
    found = list(_registered(session))
    separate = [one for one in found if one[0] != _DRIVER]
    processes = _processes(session.sparkContext.applicationId) if separate else {}
    return sorted(
        (_member(executor, cores, processes.get(executor)) for executor, cores in separate or found),
        key=lambda member: (len(member.executor), member.executor),
    )


def wait_for_members(session: SparkSession, cluster: ClusterFile) -> None:
    """Wait until all executors that the file declares are registered.

    Spark begins with those that are there: the same work in other parts.

    Raises:
        ClusterUnavailable: They are not, within the patience.
    """
    wanted = declared_workers(cluster).count
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while (found := len([one for one in _registered(session) if one[0] != _DRIVER])) != wanted:
        if time.monotonic() > deadline:
            raise ClusterUnavailable(
                f"not all executors of cluster {cluster.name} are registered",
                stored=found,
                expected=wanted,
                fix="Another application may hold them, or a worker is gone: "
                f"`repro cluster show {cluster.name}` says how it stands",
            )
        time.sleep(_LOOK_SECONDS)


class Watch:
    """Ends jobs that can't end by themselves: Spark waits for ever where no executor is left.

    Looks at processes, not at Spark, so that nothing is asked of a JVM that is busy or gone.
    """

    def __init__(self, session: SparkSession, cluster: ClusterFile) -> None:
        self._context: Any = session.sparkContext
        self._application = self._context.applicationId
        self._reason = (
            f"cluster {cluster.name} has no executors left. "
            f"Run `repro cluster down {cluster.name}` and `repro cluster up {cluster.name}`"
        )
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._look, name=f"watch {cluster.name}", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End the watch."""
        self._closed.set()
        self._thread.join()

    def _look(self) -> None:
        seen = time.monotonic()
        while not self._closed.wait(_BETWEEN_LOOKS_SECONDS):
            if _processes(self._application):
                seen = time.monotonic()
            elif time.monotonic() - seen > _ALONE_SECONDS:
                self._cancel()

    def _cancel(self) -> None:
        from py4j.protocol import Py4JError

        with suppress(Py4JError, OSError, AttributeError):  # the session was closed meanwhile: nothing waits any more
            for job in self._context.statusTracker().getActiveJobsIds():
                self._context._jsc.sc().cancelJob(job, self._reason)


def _registered(session: SparkSession) -> Iterator[tuple[str, int]]:
    """Id and cores of every executor that Spark counts as active, the driver among them."""
    context: Any = session.sparkContext
    summaries = context._jsc.sc().statusStore().executorList(True)
    for index in range(summaries.size()):
        summary = summaries.apply(index)
        yield str(summary.id()), int(summary.totalCores())


def _member(executor: str, cores: int, process: tuple[int, list[str]] | None) -> Member:
    pid, command = process or (None, [])
    heaps = [match[1] for word in command if (match := _HEAP.fullmatch(word))]
    heap = megabytes(heaps[-1], f"executor {executor}") if heaps else None
    options = tuple(word for word in command if word.startswith(("-D", "-XX:")) and "spark" not in word)
    return Member(executor, cores, heap, options, pid)


def _processes(application: str) -> dict[str, tuple[int, list[str]]]:
    """Ids and command lines of an application's executors on this host, by executor id; secrets are not on them."""
    import psutil

    found = {}
    for process in psutil.process_iter(["cmdline", "status"]):
        words = process.info["cmdline"] or []
        if _EXECUTOR_CLASS in words and application in words and process.info["status"] != psutil.STATUS_ZOMBIE:
            found[words[words.index("--executor-id") + 1]] = process.pid, words
    return found
