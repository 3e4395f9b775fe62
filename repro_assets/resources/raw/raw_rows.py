"""The rows of a version read without a JVM, for proving them again: by delta-rs, where it can read the table at all.

What computes never reads this way: Spark does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from repro_assets.errors import DataDamaged
from repro_assets.pins.data import CommitPin, RowsPin
from repro_assets.resources import storage
from repro_assets.resources.raw.read_errors import first_line
from repro_assets.resources.raw.table_files import RESTORE, file_uri, files_of_version

if TYPE_CHECKING:
    from repro_assets.resources.raw.raw_tables import RawTables

# Above it the rows would not fit the memory of one process beside their sorted copy.
MOST_ROWS = 50_000_000
# How delta-rs begins to say that a table has a feature which it does not know.
_UNSUPPORTED = "Unsupported:"


def rows_without_spark(tables: RawTables, pin: CommitPin, expected: RowsPin) -> RowsPin | str:
    """Fingerprint the rows of a version without Spark.

    Args:
        tables: The raw tables as they stand now.
        pin: A commit that is the pinned one, whose files are there.
        expected: What the rows should be.

    Returns:
        What the rows are; where only Spark can tell, the reason as a clause.

    Raises:
        DataDamaged: The files can't be read, with the first such file where it can be told.
        Outside: The store does not answer.
    """
    import pyarrow as pa
    from deltalake import DeltaTable
    from deltalake.exceptions import DeltaError, DeltaProtocolError

    from repro_assets.pins.fingerprint import fingerprint

    uri = tables.uri(pin.table)
    if expected.rows > MOST_ROWS:
        return f"more than {MOST_ROWS:,} rows"
    try:
        table = DeltaTable(uri, version=pin.version)
        # A version without any is refused by delta-rs too where the table may have them.
        if "deletionVectors" in (table.protocol().reader_features or []):
            return "deletion vectors"
        if table.metadata().configuration.get("delta.columnMapping.mode", "none") != "none":
            return "column mapping"
        found = fingerprint(table.to_pyarrow_table())
    except DeltaProtocolError as error:
        return first_line(error)
    except DeltaError as error:
        if _UNSUPPORTED in str(error):
            return first_line(error)
        raise DataDamaged(
            f"the log that leads to {pin.table}@{pin.version} can't be read",
            where=uri,
            stored=first_line(error),
            expected=f"rows with fingerprint {expected.fingerprint}",
            fix=RESTORE,
        ) from error
    except (pa.ArrowException, OSError, ValueError) as error:
        raise DataDamaged(
            f"the files of {pin.table}@{pin.version} can't be read",
            where=_unreadable_file(tables, pin) or uri,
            stored=first_line(error),
            expected=f"rows with fingerprint {expected.fingerprint}",
            fix=RESTORE,
        ) from error
    return RowsPin(found.digest, found.rows, found.schema)


def _unreadable_file(tables: RawTables, pin: CommitPin) -> str | None:
    """The first file of a version that is gone or no Parquet file any more; None where each can be read alone."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    uri = tables.uri(pin.table)
    for file in files_of_version(uri, pin.version):
        where = file_uri(uri, file.path)
        try:
            pq.read_table(pa.BufferReader(storage.read_bytes(where)))
        except (pa.ArrowException, OSError, ValueError):
            return where
    return None
