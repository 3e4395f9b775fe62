"""Which stored outputs, attempts and capsules nobody needs any more: what `repro gc` takes.

Here belongs what follows from what stands where and who needs it; looking is `resources.leftovers`'.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

# Another installation may share the stores, and nobody sees its runs: what is younger may be one of theirs.
SAFE_AGE = timedelta(hours=24)


@dataclass(frozen=True, order=True)
class OutputName:
    """An output: asset, data version and identity."""

    asset: str
    key: str
    identity: str


@dataclass(frozen=True)
class Folder:
    """Something that stands somewhere: its URI, size in bytes, and the newest write below it if that is known."""

    uri: str
    bytes: int
    written: datetime | None


@dataclass(frozen=True)
class StandingOutput:
    """An output's folder.

    Attributes:
        name: Which output.
        folder: All of it.
        made_of: Outputs it was made of, as its marker says; empty without one.
        idle: Attempts in it that neither the marker nor the record of a differing result names.
    """

    name: OutputName
    folder: Folder
    made_of: tuple[OutputName, ...] = ()
    idle: tuple[Folder, ...] = ()


@dataclass(frozen=True)
class Garbage:
    """One thing that goes, and why."""

    uri: str
    bytes: int
    why: str


def needed_outputs(
    standing: Iterable[StandingOutput],
    named: Collection[OutputName],
    given_up: Collection[str],
    others: Iterable[OutputName],
) -> set[OutputName]:
    """Outputs that manifests or aliases need, with all that those were made of.

    Args:
        standing: What stands in the lake.
        named: Outputs that a manifest or an alias names.
        given_up: Data versions that were given up: their manifests need nothing any more.
        others: Outputs that are needed whatever was given up: the champion, and one that kept predictions were made
            with. What such a one was made of goes with its data version: using a model needs no rows.
    """
    wanted = {name for name in named if name.key not in given_up} | set(others)
    for output in standing:
        if output.name in wanted and output.name.key not in given_up:
            wanted.update(output.made_of)
    return wanted


def plan_outputs(
    standing: Iterable[StandingOutput],
    needed: Collection[OutputName],
    given_up: Collection[str],
    busy: Collection[str],
    *,
    now: datetime,
    safe_age: timedelta = SAFE_AGE,
) -> list[Garbage]:
    """Outputs and attempts that go.

    Args:
        standing: What stands in the lake.
        needed: As `needed_outputs` gives them.
        given_up: Data versions that were given up: their outputs go however young.
        busy: Data versions of which a run is under way: nothing of them goes.
        now: The present moment (UTC).
        safe_age: How old anything else has to be.
    """
    found = []
    for output in standing:
        if output.name.key in busy:
            continue
        if output.name in needed:
            old = (attempt for attempt in output.idle if is_old(attempt.written, now - safe_age))
            found += [Garbage(attempt.uri, attempt.bytes, "an attempt that came to nothing") for attempt in old]
        elif output.name.key in given_up:
            found.append(Garbage(output.folder.uri, output.folder.bytes, "its data version was given up"))
        elif is_old(output.folder.written, now - safe_age):
            found.append(Garbage(output.folder.uri, output.folder.bytes, "no manifest and no alias needs it"))
    return found


def plan_capsules(
    files: Mapping[str, Folder], needed: Collection[str], *, now: datetime, safe_age: timedelta = SAFE_AGE
) -> list[Garbage]:
    """Capsules and patches that no run names.

    Args:
        files: By file name, which begins with the capsule's digest.
        needed: Digests that runs name.
        now: The present moment (UTC).
        safe_age: How old a file has to be: a run that has just begun has named nothing yet.
    """
    return [
        Garbage(file.uri, file.bytes, "no run names this capsule")
        for name, file in sorted(files.items())
        if name.split(".", 1)[0] not in needed and is_old(file.written, now - safe_age)
    ]


def is_old(written: datetime | None, before: datetime) -> bool:
    """Whether something was written before a moment; where that is not known, it was not."""
    return written is not None and written < before
