"""Where rows of one person lie: data, change data and output files, and texts that MLflow keeps.

Only bytes that can be looked at here are: Parquet files by the person's column, JSON and CSV artifacts by the id itself.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from repro_assets.errors import BadInput, DataDamaged
from repro_assets.resources import storage

if TYPE_CHECKING:
    import pyarrow as pa

# Dagster keeps what processes printed in `.out` and `.err`, and its events in databases whose texts stand as they are.
_TEXTS = (".json", ".csv", ".txt", ".md", ".html", ".log", ".out", ".err", ".db", ".sqlite")
_MOST_TEXT = 64 * 1024 * 1024


def files_with(root: str, paths: Iterable[str], column: str, person: str) -> list[str]:
    """Those of some Parquet files in which a person has a row.

    Args:
        root: URI that the paths are relative to.
        paths: Files; what is not Parquet is left out.
        column: Name of the person's column; files without it hold no rows of persons.
        person: The id, as text.

    Raises:
        DataDamaged: A file can't be read: then nobody knows.
    """
    return [path for path in paths if path.endswith(".parquet") and _holds(storage.join(root, path), column, person)]


def artifacts_with(folder: Path, person: str) -> Iterator[Path]:
    """Texts below a folder that name an id as a word of its own."""
    word = re.compile(rf"(?<![\w.-]){re.escape(person)}(?![\w-]|\.\d)".encode())
    for path in sorted(folder.rglob("*")) if folder.is_dir() else ():
        if (
            path.suffix in _TEXTS
            and path.is_file()
            and path.stat().st_size <= _MOST_TEXT
            and word.search(path.read_bytes())
        ):
            yield path


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


def _holds(uri: str, column: str, person: str) -> bool:
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    try:
        file = pq.ParquetFile(pa.BufferReader(storage.read_bytes(uri)))
        if column not in file.schema_arrow.names:
            return False
        values = file.read(columns=[column])[column]
    except (pa.ArrowException, FileNotFoundError) as error:
        raise DataDamaged("a file can't be searched for a person", where=uri, stored=str(error)[:200]) from error
    wanted = pa.scalar(as_value(person, values.type), values.type)
    return bool(pc.any(pc.equal(values, wanted)).as_py())
