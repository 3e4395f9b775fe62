"""The rows of a version read without a JVM, for proving them again: by delta-rs, where it can read the table at all.

What computes never reads this way: Spark does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from repro_assets.pins.data import CommitPin, RowsPin

if TYPE_CHECKING:
    from repro_assets.resources.raw_tables import RawTables

# Above it the rows would not fit the memory of one process beside their sorted copy.
MOST_ROWS = 50_000_000


def rows_without_spark(tables: RawTables, pin: CommitPin, expected_rows: int) -> RowsPin | str:
    """Fingerprint the rows of a version without Spark.

    Args:
        tables: The raw tables as they stand now.
        pin: A commit that is the pinned one, whose files are there.
        expected_rows: How many rows there should be.

    Returns:
        What the rows are; where only Spark can tell, the reason as a clause.
    """
    from deltalake import DeltaTable
    from deltalake.exceptions import DeltaError

    from repro_assets.pins.fingerprint import fingerprint

    uri = tables.uri(pin.table)
    if expected_rows > MOST_ROWS:
        return f"more than {MOST_ROWS:,} rows"
    try:
        table = DeltaTable(uri, version=pin.version)
        # A version without any is refused by delta-rs too where the table may have them.
        if "deletionVectors" in (table.protocol().reader_features or []):
            return "deletion vectors"
        if table.metadata().configuration.get("delta.columnMapping.mode", "none") != "none":
            return "column mapping"
        found = fingerprint(table.to_pyarrow_table())
    except DeltaError as error:
        return str(error).strip().splitlines()[0][:200]
    return RowsPin(found.digest, found.rows, found.schema)
