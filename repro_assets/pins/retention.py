"""Which versions of raw tables are kept, for whom, and what a vacuum therefore takes.

Here belongs what follows from who needs what; finding that out is `resources.holders`' and `resources.table_files`'.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from repro_assets.errors import BadInput

# Nobody knows whether a file that no commit names belongs to a writer that has yet to commit; Delta's own VACUUM waits
# as long.
SAFE_AGE = timedelta(days=7)
NEWEST = "newest version"
NEWEST_DATA = "newest data version"
_CHANGES = "_change_data"
# A part of a key, whichever tables the experiment has: `pins.data_version` writes them.
_PART = re.compile(r"(?P<table>[a-z][a-z0-9_]*)-v(?P<version>[0-9]{6,18})", re.ASCII)


@dataclass(frozen=True)
class Holder:
    """Somebody who needs a data version.

    Attributes:
        key: The data version.
        who: As a person would say it: `run 1f3a…`, `pinned`, `alias champion of …`.
        running: Whether it is a run that has not ended: then nothing gives the version up.
        champion: Whether it is the registry's alias `champion`: likewise.
    """

    key: str
    who: str
    running: bool = False
    champion: bool = False


@dataclass(frozen=True)
class FoundFile:
    """A file that stands below a table: path relative to it, size in bytes, time of the last write if that is known."""

    path: str
    bytes: int
    written: datetime | None


@dataclass(frozen=True)
class KeptVersion:
    """A version that stays.

    Attributes:
        version: Its number.
        holders: Who needs it.
        bytes: Size of all its files.
        own_bytes: Size of those that no other kept version needs: what giving it up would free.
    """

    version: int
    holders: tuple[str, ...]
    bytes: int
    own_bytes: int


@dataclass(frozen=True)
class VacuumPlan:
    """What a vacuum takes and leaves.

    Attributes:
        table: Name of the raw table.
        remove: Files that no kept version needs.
        young: Files that no commit names and that stay: too young, or perhaps a lost version's.
        kept: Versions that stay, ascending.
        expired: Versions that can be read now and can't afterwards, ascending.
        lost: Kept versions that nothing leads to any more; without a list of their files nothing is removed.
    """

    table: str
    remove: tuple[FoundFile, ...]
    young: tuple[FoundFile, ...]
    kept: tuple[KeptVersion, ...]
    expired: tuple[int, ...]
    lost: tuple[int, ...]

    @property
    def bytes(self) -> int:
        """Size of everything that goes."""
        return sum(file.bytes for file in self.remove)


def kept_keys(holders: Iterable[Holder], given_up: Collection[str]) -> dict[str, tuple[str, ...]]:
    """Who keeps each data version; one that was given up only by a run that has not ended, and by the champion."""
    found: dict[str, list[str]] = {}
    for holder in holders:
        if holder.running or holder.champion or holder.key not in given_up:
            found.setdefault(holder.key, []).append(holder.who)
    return {key: tuple(dict.fromkeys(who)) for key, who in found.items()}


def kept_versions(keys: Mapping[str, Iterable[str]], tables: Iterable[str]) -> dict[str, dict[int, tuple[str, ...]]]:
    """Who keeps each version, by raw table.

    A key from before a table was added, removed or moved to another place keeps its versions of the tables there are.

    Raises:
        BadInput: A key names no version of any table: nobody knows what it needs.
    """
    names = list(tables)
    found: dict[str, dict[int, list[str]]] = {table: {} for table in names}
    for key, who in keys.items():
        for table, version in named_versions(key):
            if table not in found:
                continue  # the experiment had this table then
            found[table].setdefault(version, []).extend(who)
    return {
        table: {version: tuple(dict.fromkeys(who)) for version, who in sorted(versions.items())}
        for table, versions in found.items()
    }


def named_versions(key: str) -> list[tuple[str, int]]:
    """Tables and versions that a key names, whatever tables the experiment has today.

    Raises:
        BadInput: It is no key: nobody knows what it needs.
    """
    matches = [_PART.fullmatch(part) for part in key.split("--")]
    if not all(matches):
        raise BadInput(
            "somebody needs a data version that is none, so nobody knows which files; nothing was removed",
            stored=repr(key)[:80],
            fix="Delete the run that names it in MLflow, or take its pin away",
        )
    return [(match["table"], int(match["version"])) for match in matches if match]


def plan_vacuum(
    table: str,
    found: Iterable[FoundFile],
    needed: Mapping[int, Collection[str]],
    changes: Mapping[int, Collection[str]],
    holders: Mapping[int, tuple[str, ...]],
    *,
    newest_data: int | None = None,
    recorded: Mapping[int, Collection[str]] | None = None,
    now: datetime,
    safe_age: timedelta = SAFE_AGE,
) -> VacuumPlan:
    """Decide which files go.

    A change data file is kept as long as the version whose commit wrote it.

    Args:
        table: Name of the raw table.
        found: Every file below it.
        needed: Data and deletion vector files of every version that the log leads to.
        changes: Change data files by the version whose commit wrote them.
        holders: Who keeps each version; the newest is kept in any case.
        newest_data: The newest version whose commit changed rows, which is kept too: the newest data version names it,
            and an OPTIMIZE that stands on top has other files. None where it need not be.
        recorded: Files of versions as they were written down when those were pinned: they stay as long as the version
            is kept, also where the log leads to it no more.
        now: The present moment (UTC).
        safe_age: How old a file must be that no commit names.
    """
    newest = max(needed, default=None)
    always = {newest_data: (NEWEST_DATA,), newest: (NEWEST,)}
    kept = {version: who for version in needed if (who := holders.get(version) or always.get(version))}
    lists = recorded or {}
    lost = tuple(version for version in sorted(holders) if version not in needed)
    stays = {path for version in kept for path in (*needed[version], *changes.get(version, ()))}
    stays.update(path for version in holders for path in lists.get(version, ()))
    named = {path for paths in (*needed.values(), *changes.values()) for path in paths}
    candidates = [file for file in found if file.path not in stays and is_data(file.path)]
    # A file that no commit names may be one of a kept version whose commits are lost.
    young = [file for file in candidates if file.path not in named and (lost or not _is_old(file, now - safe_age))]
    spared = {file.path for file in young}
    # Without a list of its files nobody knows which of the named ones such a version needs.
    is_safe = all(version in lists for version in lost)
    remove = [file for file in candidates if file.path not in spared] if is_safe else []
    sizes = {file.path: file.bytes for file in found}
    gone = {file.path for file in remove}
    return VacuumPlan(
        table=table,
        remove=tuple(sorted(remove, key=lambda file: file.path)),
        young=tuple(sorted(young, key=lambda file: file.path)),
        kept=_costs(kept, needed, sizes),
        expired=tuple(
            version
            for version, paths in sorted(needed.items())
            if version not in kept and gone & set(paths) and all(path in sizes for path in paths)
        ),
        lost=lost,
    )


def is_data(path: str) -> bool:
    """Whether a path below a table is a data, change data or deletion vector file: what Delta's own VACUUM looks at.

    Folders and files whose names begin with `_` or `.` belong to somebody else; partitions may be named so.
    """
    first, *rest = path.split("/")
    if first == _CHANGES:
        first, *rest = rest or [""]
    return all(name and ("=" in name or not name.startswith(("_", "."))) for name in (first, *rest))


def _costs(
    kept: Mapping[int, tuple[str, ...]], needed: Mapping[int, Collection[str]], sizes: Mapping[str, int]
) -> tuple[KeptVersion, ...]:
    needs: dict[str, int] = {}
    for version in kept:
        for path in needed[version]:
            needs[path] = needs.get(path, 0) + 1
    return tuple(
        KeptVersion(
            version,
            kept[version],
            sum(sizes.get(path, 0) for path in needed[version]),
            sum(sizes.get(path, 0) for path in needed[version] if needs[path] == 1),
        )
        for version in sorted(kept)
    )


def _is_old(file: FoundFile, before: datetime) -> bool:
    return file.written is not None and file.written < before
