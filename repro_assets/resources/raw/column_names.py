"""Under which names the files of a Delta table hold a column (with column mapping not under its own), and as what type.

Source: Delta transaction protocol, "Column Mapping".
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from repro_assets.errors import BadInput, DataDamaged
from repro_assets.resources.raw import delta_log
from repro_assets.resources.raw.table_files import RESTORE, commit_actions

if TYPE_CHECKING:
    import pyarrow as pa
    from deltalake import Schema

_PHYSICAL_NAME = "delta.columnMapping.physicalName"


def stored_names(uri: str, column: str) -> frozenset[str]:
    """The column's own name, and every other that some version's files have it under.

    A table that was overwritten with another schema has given it another name each time.

    Args:
        uri: The table.
        column: Its name to whoever reads the table.

    Raises:
        DataDamaged: The log can't be read.
    """
    found = {column}
    for schema in (_newest(uri), *_committed(uri)):
        found.update(
            str(field.get("metadata", {}).get(_PHYSICAL_NAME, column))
            for field in schema.get("fields", ())
            if field.get("name") == column
        )
    return frozenset(found)


def column_type(uri: str, column: str) -> pa.DataType:
    """Type of a column as the table has it now, read without a JVM.

    Raises:
        BadInput: The table has no such column now.
        DataDamaged: The log can't be read.
    """
    import pyarrow as pa

    schema = pa.schema(_schema(uri).to_arrow())
    if column not in schema.names:
        raise BadInput("the table has no such column now", where=uri, expected=column)
    return schema.field(column).type


def _committed(uri: str) -> Iterator[Mapping[str, Any]]:
    for version in delta_log.versions(uri):
        for action in commit_actions(uri, version):
            if action.get("metaData") is not None:
                yield _parsed(action["metaData"]["schemaString"], delta_log.commit_uri(uri, version))


def _newest(uri: str) -> Mapping[str, Any]:
    """As the table stands: the commit that made it so may be cleaned up, with a checkpoint in its place."""
    return _parsed(_schema(uri).to_json(), uri)


def _schema(uri: str) -> Schema:
    from deltalake import DeltaTable
    from deltalake.exceptions import DeltaError

    try:
        return DeltaTable(uri).schema()
    except DeltaError as error:
        raise DataDamaged(
            "the table's log can't be read", where=uri, stored=str(error).strip().splitlines()[0][:300], fix=RESTORE
        ) from error


def _parsed(schema: str, where: str) -> Mapping[str, Any]:
    try:
        found = json.loads(schema)
    except (ValueError, TypeError, RecursionError) as error:
        raise DataDamaged("a table's schema is not JSON", where=where, stored=str(error)[:200], fix=RESTORE) from error
    return found if isinstance(found, dict) else {}
