"""Which Parquet files hold rows of one person: data, change data, outputs, and what a killed process left of them."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from typing import TYPE_CHECKING, Any

from repro_assets.errors import BadInput, DataDamaged
from repro_assets.resources import storage

if TYPE_CHECKING:
    import pyarrow as pa

# A process that is killed before it renames its file leaves it whole under the second name (`storage`).
_PARQUET = re.compile(r".*\.parquet(\.[0-9a-f]{32}\.part)?")


def files_with(root: str, paths: Iterable[str], columns: Collection[str], person: str) -> list[str]:
    """Those of some Parquet files in which a person has a row.

    Args:
        root: URI that the paths are relative to.
        paths: Files; what is not Parquet is left out.
        columns: Names that files may hold the person's column under; files without any hold no rows of persons.
        person: The id, as text.

    Raises:
        DataDamaged: A file can't be read: then nobody knows.
    """
    wanted = [path for path in paths if _PARQUET.fullmatch(path)]
    return [path for path in wanted if _holds(storage.join(root, path), columns, person)]


def as_value(person: str, kind: pa.DataType) -> Any:
    """The id in the type of its column.

    Raises:
        BadInput: It is none of that type.
    """
    import pyarrow as pa

    try:
        return pa.scalar(person, pa.string()).cast(kind).as_py()
    except pa.ArrowException as error:
        raise BadInput("not an id of the table's type", stored=repr(person)[:60], expected=str(kind)) from error


def require_spelled(person: str, kind: pa.DataType) -> None:
    """Refuse an id in another spelling than the one that texts, logs and Delta's statistics have it in.

    Rows are found by value and texts by spelling: of `04711` the rows would go, and the texts would not be told.

    Raises:
        BadInput: It is spelt otherwise, or none of that type; the id is not repeated.
    """
    if str(as_value(person, kind)) != person:
        raise BadInput(
            "the id is not spelt as its column has it",
            expected=str(kind),
            fix="Give it as the table shows it: no leading zeros, no other base; nothing was done",
        )


def _holds(uri: str, columns: Collection[str], person: str) -> bool:
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    content = _content(uri)
    try:
        file = pq.ParquetFile(pa.BufferReader(content), page_checksum_verification=True)
        found = file.read(columns=[name for name in file.schema_arrow.names if name in columns])
    # pyarrow raises a bare OSError for bytes that are no Parquet: the store was read before.
    except (pa.ArrowException, OSError) as error:
        raise _unknown(uri, error) from error
    return any(
        pc.any(pc.equal(values, pa.scalar(as_value(person, values.type), values.type))).as_py()
        for values in found.columns
    )


def _content(uri: str) -> bytes:
    try:
        return storage.read_bytes(uri)
    except FileNotFoundError as error:
        raise _unknown(uri, error) from error


def _unknown(uri: str, error: Exception) -> DataDamaged:
    return DataDamaged(
        "a file can't be searched for a person",
        where=uri,
        stored=(str(error).strip().splitlines() or [""])[0][:200],
        fix="Nobody is known to be forgotten: restore it, or remove what a killed process left, then start again",
    )
