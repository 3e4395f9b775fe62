"""Why a read of a pinned version failed, in words that a person can act on; the JVM's own answer is a hundred lines.

An engine that stumbles says little of the cause, so the version is looked at again: its commit, its log, its files
down to their SHA-256. What is found there is what is said.
"""

from __future__ import annotations

import re
from collections.abc import Generator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from repro_assets.errors import DataDamaged, Outside, ReproError, VersionExpired
from repro_assets.pins.data import CommitPin
from repro_assets.resources.expiry import what_took
from repro_assets.resources.file_lists import known_list, wrong_bytes
from repro_assets.resources.table_files import RESTORE, files_of_version, wrong_files

if TYPE_CHECKING:
    from repro_assets.resources.raw_tables import RawTables

# Spark's own name for a version that is there and older than delta.deletedFileRetentionDuration.
_TOO_OLD = "TIME_TRAVEL_BEYOND_DELETED_FILE_RETENTION"


@contextmanager
def reading(tables: RawTables, pin: CommitPin) -> Generator[None, None, None]:
    """Turn what Spark raises while a version is read into one error of this project's own.

    Raises:
        NoSuchVersion, VersionExpired, TableReplaced, PinChanged, DataDamaged: Whatever `explained` finds.
    """
    from py4j.protocol import Py4JJavaError
    from pyspark.errors import PySparkException

    try:
        yield
    except (Py4JJavaError, PySparkException) as error:
        raise explained(tables, pin, str(error)) from error


def explained(tables: RawTables, pin: CommitPin, said: str) -> ReproError:
    """The reason why a version can't be read.

    Args:
        tables: The raw tables as they stand now.
        pin: What was to be read.
        said: What the engine said.
    """
    name, uri = f"{pin.table}@{pin.version}", tables.uri(pin.table)
    try:
        tables.check(pin)
        files = files_of_version(uri, pin.version)
        if _TOO_OLD in said:
            return _too_old(name, uri)
        wrong = next(wrong_files(uri, files, name, lambda: what_took(tables, pin.table, pin.version)), None)
        recorded = known_list(tables, pin)
        damaged = next(wrong_bytes(tables, pin, recorded), None) if wrong is None and recorded else wrong
    except Outside:
        raise
    except ReproError as error:
        return error
    return damaged or _as_said(name, uri, said)


def _too_old(name: str, uri: str) -> VersionExpired:
    return VersionExpired(
        f"Spark refuses to read {name}: it is older than delta.deletedFileRetentionDuration",
        where=uri,
        fix="Its files are there: lengthen both retentions (`repro doctor` prints the statement)",
    )


def _as_said(name: str, uri: str, said: str) -> DataDamaged:
    """Nothing is known to be wrong: what the engine named, in a line."""
    file = re.search(r"(?:file:/|\w+://)[^\s,\]']+\.(?:parquet|bin|json)", said)
    reason = re.search(r"(?:verify page integrity|checksum|FileNotFound|does not exist|Caused by)[^\n]*", said)
    return DataDamaged(
        f"{name} can't be read",
        where=file[0] if file else uri,
        stored=(reason[0] if reason else (said.strip().splitlines() or [""])[0])[:300],
        fix=RESTORE,
    )
