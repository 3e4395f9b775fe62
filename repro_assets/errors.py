"""Every failure a person can act on, one class per kind of action.

A message is one line: what happened, where, what was stored or found, what was expected, and what to do.
It quotes what others wrote, so it is made fit to be shown (`one_line`).
`exit_code` is what `repro` returns: 1 the answer is no, 2 wrong usage or bad input, 3 blocked, 4 something outside failed.
"""

from __future__ import annotations

from repro_assets.one_line import one_line


class ReproError(Exception):
    """Base of all errors of this project.

    Args:
        what: What happened, as a sentence without its full stop.
        where: The file, table, setting or run it happened at.
        stored: What was found there.
        expected: What should have been there.
        fix: What the reader can do about it.
    """

    exit_code = 2

    def __init__(
        self,
        what: str,
        *,
        where: object = None,
        stored: object = None,
        expected: object = None,
        fix: str | None = None,
    ) -> None:
        self.what = what
        self.where = where
        self.stored = stored
        self.expected = expected
        self.fix = fix
        super().__init__(self._one_line())

    def _one_line(self) -> str:
        text = self.what if self.where is None else f"{self.what} [{self.where}]"
        facts = [
            f"{label} {value}"
            for label, value in (("stored", self.stored), ("expected", self.expected))
            if value is not None
        ]
        if facts:
            text = f"{text}: {', '.join(facts)}"
        if self.fix:
            text = f"{text}. {self.fix}"
        return one_line(text)


class BadInput(ReproError):
    """An argument, name, key or parameter that this project can't accept."""


class MalformedFeed(BadInput):
    """A published file that is refused whole; `where` names file, row and column."""


class StalePublication(BadInput):
    """A publication older than the newest one already in the table."""


class NoSuchVersion(BadInput):
    """The table has, and had, no such version."""


class CapsuleRefused(BadInput):
    """The source tree can't be captured as it stands."""


class EnvironmentMismatch(BadInput):
    """The running interpreter is not the environment that was asked for."""


class ClusterMismatch(BadInput):
    """The Spark cluster is not, or can't be, the one that was asked for."""


class EditedUnderOldName(BadInput):
    """A versioned file (environment, lock, cluster) was changed instead of getting a new name."""


class Blocked(ReproError):
    """Something that the result needs is no longer there."""

    exit_code = 3


class VersionExpired(Blocked):
    """The table had this version, but its files or log are gone."""


class TableReplaced(Blocked):
    """Another table stands at the same location."""


class PinChanged(Blocked):
    """The commit at this version is not the one that was pinned."""


class EnvironmentUnavailable(Blocked):
    """An environment is not made, or can't be made here: a Python, Java, tool or package is missing."""


class NotMaterialized(Blocked):
    """An upstream asset has no materialization of this data version."""


class DataDamaged(ReproError):
    """Bytes or rows are not what was recorded."""

    exit_code = 1


class NotDeterministic(ReproError):
    """The same identity gave a different digest."""

    exit_code = 1


class Outside(ReproError):
    """Something outside this project failed: a server, a disk, a tool."""

    exit_code = 4


class TrackingUnreachable(Outside):
    """The MLflow tracking store does not answer."""


class ClusterUnavailable(Outside):
    """A standalone cluster is not up, is not whole, or does not let this process in."""
