"""How far a backfill is, for a person: a bar on a terminal, a line per data version in a file or a pipe."""

from __future__ import annotations

import sys
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from repro_assets.defs.chain_run import RunReport
from repro_assets.verbs.backfill import in_words, seconds_left

if TYPE_CHECKING:
    from rich.progress import Progress


class Lines:
    """A line per data version on stderr."""

    def __init__(self) -> None:
        self._left = 0
        self._total = 0
        self._durations: list[float] = []

    def starts(self, keys: Sequence[str]) -> None:
        """Say how many there are."""
        self._left = self._total = len(keys)
        sys.stderr.write(f"{self._total} data versions, one after the other; Ctrl-C stops, started again it goes on\n")

    def begins(self, key: str) -> None:
        """Nothing: the stages say what happens."""

    def ends(self, report: RunReport) -> None:
        """Say what came of it, and the time left."""
        self._left -= 1
        self._durations.append(report.seconds)
        left = f", {in_words(seconds_left(self._durations, self._left))}" if self._left else ""
        reason = f": {report.reason}" if report.reason else ""
        done = f"{self._total - self._left} of {self._total}"
        sys.stderr.write(f"{done}  {report.key}  {report.state}  {report.seconds:.1f} s{left}{reason}\n")


class Bar(Lines):
    """The lines, and below them a bar with the version that is running and the time left."""

    def __init__(self, progress: Progress) -> None:
        super().__init__()
        self._progress = progress
        self._task = progress.add_task("", total=None, left="")

    def starts(self, keys: Sequence[str]) -> None:
        """Size the bar."""
        super().starts(keys)
        self._progress.update(self._task, total=len(keys))

    def begins(self, key: str) -> None:
        """Show the version that is running."""
        left = in_words(seconds_left(self._durations, self._left))
        self._progress.update(self._task, description=key, left=left)

    def ends(self, report: RunReport) -> None:
        """Advance."""
        super().ends(report)
        self._progress.advance(self._task)


@contextmanager
def shown() -> Generator[Lines]:
    """Give the observer that fits stderr; what is written to stderr meanwhile appears above the bar."""
    if not sys.stderr.isatty():
        yield Lines()
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.fields[left]}"),
    )
    with Progress(*columns, console=Console(stderr=True), redirect_stdout=False, transient=True) as progress:
        yield Bar(progress)
