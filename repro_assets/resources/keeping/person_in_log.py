"""Which files of a Delta table's log name an id: as the smallest or largest of a file, or in what a writer said.

The log is what every version is read by, so it is searched and never rewritten.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from repro_assets.errors import DataDamaged
from repro_assets.resources import storage
from repro_assets.resources.keeping.person_texts import pattern

_LOG = "_delta_log"


def log_files_with(uri: str, columns: Collection[str], person: str) -> list[str]:
    """URIs of the files of a table's log that name an id.

    Args:
        uri: The table.
        columns: Names under which its files hold the person's column.
        person: The id, as text.

    Raises:
        DataDamaged: A file of the log can't be read: then nobody knows.
    """
    word = pattern(person)
    log = storage.join(uri, _LOG)
    places = [
        storage.join(log, path) for path in storage.files_below(log) if not path.rsplit("/", 1)[-1].startswith(".")
    ]
    return [where for where in places if any(word.search(text) for text in _texts(where, columns))]


def _texts(where: str, columns: Collection[str]) -> Iterator[str]:
    for action in _actions(where):
        said = action.get("commitInfo") or {}
        yield from (str(said[name]) for name in ("operationParameters", "userMetadata") if said.get(name))
        for kind in ("add", "remove"):
            yield from _statistics(action.get(kind) or {}, columns)


def _statistics(file: Mapping[str, Any], columns: Collection[str]) -> Iterator[str]:
    """The smallest and the largest; a checkpoint may hold them as columns of its own."""
    for stats in (_parsed(file.get("stats")), file.get("stats_parsed") or {}):
        for bounds in (stats.get("minValues") or {}, stats.get("maxValues") or {}):
            yield from (str(bounds[column]) for column in columns if bounds.get(column) is not None)


def _actions(where: str) -> Iterator[Mapping[str, Any]]:
    if where.endswith(".parquet"):
        yield from _of_parquet(where)
    elif where.endswith((".json", ".crc")):
        for line in storage.read_bytes(where).decode("utf-8", "replace").splitlines():
            action = _parsed(line)
            yield action
            # A checksum file of a small table lists all its files again.
            yield from ({"add": file} for file in action.get("allFiles") or ())


def _of_parquet(where: str) -> Iterator[Mapping[str, Any]]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        file = pq.ParquetFile(pa.BufferReader(storage.read_bytes(where)))
        leaves = [file.schema.column(number).path for number in range(len(file.schema))]
        wanted = [path for path in leaves if re.match(r"(add|remove)\.stats(_parsed)?(\.|$)", path)]
        yield from file.read(columns=wanted).to_pylist() if wanted else ()
    except (pa.ArrowException, OSError) as error:
        raise DataDamaged(
            "a checkpoint can't be searched for a person", where=where, stored=str(error)[:200]
        ) from error


def _parsed(text: object) -> dict[str, Any]:
    """An object of JSON; nothing of whatever else: the table's readers say what is wrong with it."""
    try:
        found = json.loads(str(text)) if text else {}
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}
