"""Removes files of a raw table by Delta's own `VACUUM … USING INVENTORY`, exactly those that a plan lists.

Delta refuses to take a file that the newest version needs, whatever the inventory says, and notes the vacuum in the
table's log; the log itself is never touched.
https://docs.delta.io/latest/delta-utility.html#vacuum-with-inventory
"""

from __future__ import annotations

import re
from collections.abc import Generator, Iterable
from contextlib import contextmanager
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from repro_assets.errors import DataDamaged, Outside, VersionExpired
from repro_assets.pins.data_files import FileList
from repro_assets.pins.retention import FoundFile
from repro_assets.pins.table_files import is_elsewhere
from repro_assets.resources import storage
from repro_assets.resources.raw.expiry import expired_in, vacuum_records
from repro_assets.resources.raw.table_files import LoggedVersion, logged_versions

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

    from repro_assets.resources.raw.raw_tables import RawTables

_SETTINGS = {
    # The plan keeps what is pinned, whatever the table's retention; without this Delta refuses RETAIN 0 HOURS.
    "spark.databricks.delta.retentionDurationCheck.enabled": "false",
    "spark.databricks.delta.commitInfo.userMetadata": '{"made_by": "repro vacuum"}',
}
_COLUMNS = "path string, length long, isDir boolean, modificationTime long"
_VIEW = "repro_vacuum_inventory"


def found_files(uri: str) -> list[FoundFile]:
    """Every file below a table, its log's left out."""
    return [
        FoundFile(path, size, written)
        for path, (size, written) in sorted(storage.stats_below(uri).items())
        if not path.startswith("_delta_log/")
    ]


def needed_files(uri: str) -> list[LoggedVersion]:
    """Every version that the log leads to, with paths as `found_files` gives them.

    Raises:
        DataDamaged: A commit or checkpoint can't be read.
    """
    return [
        LoggedVersion(
            one.version,
            frozenset(inside(uri, path) for path in one.files),
            frozenset(inside(uri, path) for path in one.changes),
        )
        for one in logged_versions(uri)
    ]


def recorded_files(records: str, table: str, uri: str) -> dict[int, frozenset[str]]:
    """Files of pinned versions as they were written down (`_files/TABLE/VERSION-….json`), by version.

    Raises:
        DataDamaged: A list can't be read: then nobody knows what its version needs.
    """
    folder, found = storage.join(records, "_files", table), dict[int, frozenset[str]]()
    for name in storage.names(folder):
        if name.endswith(".json"):
            where = storage.join(folder, name)
            listed = FileList.from_json(storage.read_bytes(where), where)
            paths = frozenset(inside(uri, file.path) for file in listed.files)
            found[listed.version] = found.get(listed.version, frozenset()) | paths
    return found


def taken_versions(tables: RawTables, table: str) -> set[int]:
    """Versions that `repro vacuum` wrote down as expired and that lack a file: one that was restored lacks none.

    Raises:
        Outside: The store does not answer.
    """
    named = {version for record in vacuum_records(tables, table) for version in expired_in(record)}
    if not named:
        return set()
    uri = tables.uri(table)
    here = {file.path for file in found_files(uri)}
    try:
        needed = {one.version: one.files for one in needed_files(uri)}
    except (DataDamaged, VersionExpired):
        return named  # what is wrong with the log is told elsewhere; what was written down stands
    return {
        version
        for version in named
        if version not in needed or any(path not in here and not is_elsewhere(path) for path in needed[version])
    }


def inside(uri: str, path: str) -> str:
    """A path of the log relative to its table where it lies below it: some writers give absolute ones."""
    if not is_elsewhere(path):
        return path
    root = _local(uri).rstrip("/") + "/"
    return _local(path).removeprefix(root)


def _local(uri: str) -> str:
    return re.sub(r"^file:/*", "/", uri)


def remove_files(spark: SparkSession, uri: str, files: Iterable[FoundFile]) -> None:
    """Remove these files, and nothing else.

    Args:
        spark: An open session.
        uri: The table.
        files: Below it; none of them needed by the newest version.

    Raises:
        Outside: Spark stopped, or a file is still there afterwards.
    """
    from py4j.protocol import Py4JJavaError
    from pyspark.errors import PySparkException

    listed = list(files)
    try:
        rows = _inventory(_as_hadoop(spark, uri), listed)
        with _settings(spark):
            spark.createDataFrame(rows, _COLUMNS).createOrReplaceTempView(_VIEW)
            spark.sql(f"VACUUM delta.`{uri}` USING INVENTORY (SELECT * FROM {_VIEW}) RETAIN 0 HOURS").collect()  # noqa: S608 # a table's own URI and a constant
            spark.catalog.dropTempView(_VIEW)
    except (Py4JJavaError, PySparkException) as error:
        raise Outside(
            "the vacuum failed", where=uri, stored=str(error).strip().splitlines()[0][:300], fix="Start it again"
        ) from error
    there = storage.sizes_below(uri)
    left = [file.path for file in listed if file.path in there]
    if left:
        raise Outside(
            "files are still there after the vacuum",
            where=uri,
            stored=f"{len(left)}, first {left[0]}",
            fix="Look at the right to write there, then start it again",
        )


def _inventory(root: str, files: Iterable[FoundFile]) -> list[tuple[str, int, bool, int]]:
    """Rows of an inventory: the files, and the folders they lie in.

    A folder that is not listed is taken for one that holds nothing but its listed file, and removed with it.
    """
    listed = list(files)
    folders = sorted({str(folder) for file in listed for folder in PurePosixPath(file.path).parents} - {"."})
    return [
        *((f"{root}/{folder}", 0, True, 0) for folder in folders),
        *((f"{root}/{file.path}", file.bytes, False, 0) for file in listed),
    ]


def _as_hadoop(spark: SparkSession, uri: str) -> str:
    """A location as Hadoop names it, `file:/…` and not `file:///…`: Delta compares inventories with it as text."""
    root = spark._jvm.org.apache.hadoop.fs.Path(uri)  # type: ignore[union-attr] # open sessions have a JVM
    return str(root.getFileSystem(spark._jsc.hadoopConfiguration()).makeQualified(root).toString())


@contextmanager
def _settings(spark: SparkSession) -> Generator[None]:
    before = {name: spark.conf.get(name, None) for name in _SETTINGS}
    for name, value in _SETTINGS.items():
        spark.conf.set(name, value)
    try:
        yield
    finally:
        for name, former in before.items():
            if former is None:
                spark.conf.unset(name)
            else:
                spark.conf.set(name, former)
