"""Whether a past result could be run again, until when, and what stands in the way: from findings to one answer.

Here belongs what follows from what was found.
What does not: looking at tables, capsules, environments and jars (`resources.raw_version`, `resources.preflight`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from repro_assets.errors import ReproError, VersionExpired

# Delta's defaults where a table says nothing (docs.delta.io, "Table properties reference").
_DELETED_FILES = "delta.deletedFileRetentionDuration"
_LOG = "delta.logRetentionDuration"
_DEFAULTS = {_DELETED_FILES: timedelta(days=7), _LOG: timedelta(days=30)}
RETENTION_PROPERTIES = (_LOG, _DELETED_FILES)
_UNITS = {"week": 604_800.0, "day": 86_400.0, "hour": 3_600.0, "minute": 60.0, "second": 1.0, "millisecond": 0.001}
_AMOUNT = re.compile(r"(\d+)\s+(week|day|hour|minute|second|millisecond)s?\s*")
# Longer than anybody asks, short enough for every date.
_FOREVER = timedelta(days=365_000)


@dataclass(frozen=True)
class Limit:
    """A moment (UTC) from which something may be gone, and what takes it."""

    moment: datetime
    because: str


@dataclass(frozen=True)
class Finding:
    """What one check found.

    Attributes:
        reasons: What makes it impossible, each beginning with the name of its error.
        limits: What will make it impossible.
        notes: What a person should know besides.
    """

    reasons: tuple[str, ...] = ()
    limits: tuple[Limit, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Preflight:
    """The answer for one run.

    Attributes:
        ready: Whether everything that a reproduction needs is there.
        until: Day (UTC) from which it may no longer be; None where nothing limits it, or it isn't ready.
        because: What ends it then.
        reasons: Everything that stands in the way.
        notes: What a person should know besides.
    """

    ready: bool
    until: date | None
    because: str | None
    reasons: tuple[str, ...]
    notes: tuple[str, ...]

    @property
    def words(self) -> str:
        """The answer as one line."""
        if not self.ready:
            return f"blocked: {'; '.join(self.reasons)}"
        return f"ready until {self.until} because {self.because}" if self.until else "ready"


@dataclass(frozen=True)
class Retention:
    """How long a table keeps what a past version needs."""

    deleted_files: timedelta
    log: timedelta


def judge(findings: Iterable[Finding]) -> Preflight:
    """Put the findings of all checks together; the earliest limit counts, what comes up twice is said once."""
    found = list(findings)
    reasons = tuple(dict.fromkeys(reason for finding in found for reason in finding.reasons))
    first = min((limit for finding in found for limit in finding.limits), key=lambda one: one.moment, default=None)
    limit = None if reasons else first
    return Preflight(
        ready=not reasons,
        until=limit.moment.date() if limit else None,
        because=limit.because if limit else None,
        reasons=reasons,
        notes=tuple(dict.fromkeys(note for finding in found for note in finding.notes)),
    )


def reason(error: ReproError) -> str:
    """An error as a reason: its name, then its line."""
    return f"{type(error).__name__}: {error}"


def retention(properties: Mapping[str, str]) -> Retention:
    """What a table's properties say about retention, Delta's defaults where they say nothing.

    An interval that can't be read counts as the default, which is shorter than what anybody sets on purpose.
    """
    found = {name: _interval(properties[name]) if name in properties else None for name in _DEFAULTS}
    kept = {name: _DEFAULTS[name] if interval is None else interval for name, interval in found.items()}
    return Retention(kept[_DELETED_FILES], kept[_LOG])


def time_left(name: str, where: str, made: datetime, *, newest: bool, kept: Retention, now: datetime) -> Finding:
    """Until when a version that is there now can be read.

    A version that another one followed is limited three times: Spark refuses time travel to a commit older than
    `delta.deletedFileRetentionDuration` (measured on Delta 4.4; the newest version is exempt), VACUUM may take its files
    that long after it was followed, which is later, and log clean-up its commit after `delta.logRetentionDuration`.

    Args:
        name: The version as people call it, `TABLE@VERSION`.
        where: URI of the table.
        made: When its commit was made, as Delta sees it (UTC).
        newest: Whether no other version followed.
        kept: The table's retention.
        now: The present moment (UTC).
    """
    readable = made + min(kept.deleted_files, _FOREVER)
    if newest:
        note = f"{name} is the newest version; once another one follows, it can be read until {readable.date()}"
        return Finding(notes=(note,) if kept.deleted_files < _FOREVER and readable < now + _SOON else ())
    if readable <= now:
        error = VersionExpired(
            f"Spark refuses to read {name}: it is older than {_DELETED_FILES}",
            where=where,
            stored=f"committed {made:%Y-%m-%d}",
            expected=f"at most {kept.deleted_files.days} days ago",
            fix=f"Lengthen both retentions: ALTER TABLE … SET TBLPROPERTIES ('{_LOG}' = 'interval 3650 days', "
            f"'{_DELETED_FILES}' = 'interval 3650 days')",
        )
        return Finding(reasons=(reason(error),))
    cleaned = max(made + min(kept.log, _FOREVER), now)
    return Finding(
        limits=(
            Limit(readable, f"{name} is then older than {_DELETED_FILES} ({kept.deleted_files.days} days)"),
            Limit(cleaned, f"log clean-up may then take {name}: {_LOG} is {kept.log.days} days"),
        )
    )


# A newest version that would outlive its follower by this much is nothing to tell people about.
_SOON = timedelta(days=365)


def _interval(text: str) -> timedelta | None:
    rest = text.strip().lower().removeprefix("interval").strip()
    parts = _AMOUNT.findall(rest)
    if not parts or _AMOUNT.sub("", rest):
        return None
    seconds = sum(float(count) * _UNITS[unit] for count, unit in parts)
    return timedelta(seconds=min(seconds, _FOREVER.total_seconds()))
