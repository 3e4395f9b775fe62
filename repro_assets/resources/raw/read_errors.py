"""Why a read of a pinned version failed, in words that a person can act on; the JVM's own answer is a hundred lines.

An engine that stumbles says little of the cause, so the version is looked at again: its commit, its log, its files
down to their SHA-256. What is found there is what is said.
"""

from __future__ import annotations

import re
from collections.abc import Generator, Iterable, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from repro_assets.errors import DataDamaged, Outside, ReproError, VersionExpired
from repro_assets.pins.data import CommitPin
from repro_assets.resources.raw.file_lists import known_list, wrong_bytes, wrong_version
from repro_assets.resources.raw.table_files import RESTORE

if TYPE_CHECKING:
    from repro_assets.resources.raw.raw_tables import RawTables

# Spark's own name for a version that is there and older than delta.deletedFileRetentionDuration.
_TOO_OLD = "TIME_TRAVEL_BEYOND_DELETED_FILE_RETENTION"


@contextmanager
def reading(tables: RawTables, *pins: CommitPin) -> Generator[None, None, None]:
    """Turn what Spark raises while versions are read into one error of this project's own.

    Raises:
        NoSuchVersion, VersionExpired, TableReplaced, PinChanged, DataDamaged: What `cause` finds, else what Spark said.
    """
    from py4j.protocol import Py4JJavaError
    from pyspark.errors import PySparkException

    try:
        yield
    except (Py4JJavaError, PySparkException) as error:
        raise cause(tables, pins, str(error)) or _as_said(tables, pins, str(error)) from error


def cause(tables: RawTables, pins: Iterable[CommitPin], said: str) -> ReproError | None:
    """The reason why one of several versions can't be read, of the first that has one; None where all are whole.

    Args:
        tables: The raw tables as they stand now.
        pins: What was to be read.
        said: What the engine said.

    Raises:
        Outside: The tables can't be looked at.
    """
    return next(filter(None, (_cause(tables, pin, said) for pin in pins)), None)


def _cause(tables: RawTables, pin: CommitPin, said: str) -> ReproError | None:
    name, uri = f"{pin.table}@{pin.version}", tables.uri(pin.table)
    try:
        tables.check(pin)
        wrong = next(wrong_version(tables, pin), None)
        if wrong is None and _TOO_OLD in said:
            return _too_old(name, uri)
        recorded = known_list(tables, pin)
        return next(wrong_bytes(tables, pin, recorded), None) if wrong is None and recorded else wrong
    except Outside:
        raise
    except ReproError as error:
        return error


def _too_old(name: str, uri: str) -> VersionExpired:
    return VersionExpired(
        f"Spark refuses to read {name}: it is older than delta.deletedFileRetentionDuration",
        where=uri,
        fix="Its files are there: lengthen both retentions (`repro doctor` prints the statement)",
    )


def _as_said(tables: RawTables, pins: Sequence[CommitPin], said: str) -> DataDamaged:
    """Nothing is known to be wrong: what the engine named, in a line."""
    names = " or ".join(f"{pin.table}@{pin.version}" for pin in pins)
    places = ", ".join(dict.fromkeys(tables.uri(pin.table) for pin in pins))
    file = re.search(r"(?:file:/|\w+://)[^\s,\]']+\.(?:parquet|bin|json)", said)
    reason = re.search(r"(?:verify page integrity|checksum|FileNotFound|does not exist|Caused by)[^\n]*", said)
    return DataDamaged(
        f"{names} can't be read",
        where=file[0] if file else places,
        stored=reason[0][:300] if reason else first_line(said),
        fix=RESTORE,
    )


def first_line(said: object) -> str:
    """What an engine says first; below it stand its own call stack and plans."""
    return next(iter(str(said).strip().splitlines()), type(said).__name__ if isinstance(said, Exception) else "")[:300]
