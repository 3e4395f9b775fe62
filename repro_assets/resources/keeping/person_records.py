"""Which of the lake's own records name an id: the reasons why versions were given up, and what a vacuum noted.

They are told, not changed: what a person wrote down is theirs to take back.
"""

from __future__ import annotations

import json
from collections.abc import Iterator

from repro_assets.resources import storage
from repro_assets.resources.keeping.person_texts import is_named

_FOLDERS = ("_given_up", "_vacuums")
# A small id stands in many of them by chance.
_TIMES = ("when", "undone")


def records_with(lake: str, person: str) -> list[str]:
    """URIs of the records that name an id in one of their texts; numbers in them are of files and versions.

    Args:
        lake: URI of the lake that keeps the records (`RawTables.records`).
        person: The id, as text.
    """
    places = [
        storage.join(lake, folder, path)
        for folder in _FOLDERS
        for path in storage.files_below(storage.join(lake, folder))
    ]
    return [place for place in places if any(is_named(text, person) for text in _texts(storage.read_bytes(place)))]


def _texts(content: bytes) -> Iterator[str]:
    text = content.decode("utf-8", "replace")
    try:
        yield from _strings(json.loads(text))
    except (ValueError, RecursionError):
        yield text


def _strings(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for name, item in value.items():
            yield from () if name in _TIMES else _strings(item)
    elif isinstance(value, list):
        for item in value:
            yield from _strings(item)
