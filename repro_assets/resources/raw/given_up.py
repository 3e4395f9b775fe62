"""Data versions that a person gave up on purpose (`repro unpin`): who, when and why, at `_given_up/KEY.json` of the lake.

A record stays after `repro pin` took it back: what was given up once may have lost files.
"""

from __future__ import annotations

import json
import socket
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

from repro_assets.errors import DataDamaged
from repro_assets.pins.canonical import canonical_json
from repro_assets.resources import storage
from repro_assets.resources.process_owner import user_name

SCHEMA = "repro-given-up/1"
_FOLDER = "_given_up"


@dataclass(frozen=True)
class GivenUp:
    """One time that a data version was given up.

    Attributes:
        key: The data version.
        who: USER@HOST.
        when: ISO 8601, UTC.
        why: As the person said.
        undone: When it was pinned again, ISO 8601, UTC; None while it is given up.
    """

    key: str
    who: str
    when: str
    why: str
    undone: str | None = None

    @property
    def words(self) -> str:
        """As one line."""
        return f"{self.key} was given up by {self.who} on {self.when[:10]}: {self.why}"


def given_up(lake: str) -> dict[str, GivenUp]:
    """Everything that is given up now, by data version.

    Args:
        lake: URI of the lake that keeps the records (`RawTables.records`).

    Raises:
        DataDamaged: A record can't be read.
    """
    found = {}
    for name in storage.names(storage.join(lake, _FOLDER)):
        if not name.endswith(".json"):
            continue  # what a killed process was about to write
        entries = history(lake, name.removesuffix(".json"))
        if entries and entries[-1].undone is None:
            found[entries[-1].key] = entries[-1]
    return found


def history(lake: str, key: str) -> list[GivenUp]:
    """Every time that a data version was given up, oldest first."""
    where = _where(lake, key)
    try:
        document = json.loads(storage.read_bytes(where))
        return [GivenUp(**entry) for entry in document["entries"]]
    except FileNotFoundError:
        return []
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise DataDamaged("the record of a version given up can't be read", where=where, stored=str(error)) from error


def give_up(lake: str, key: str, why: str) -> GivenUp:
    """Write down that a data version is given up; one that is already stays as it was said first."""
    entries = history(lake, key)
    if entries and entries[-1].undone is None:
        return entries[-1]
    entry = GivenUp(key, who(), now(), why)
    _write(lake, key, [*entries, entry])
    return entry


def take_back(lake: str, key: str) -> bool:
    """Undo it; returns whether there was anything to undo."""
    entries = history(lake, key)
    if not entries or entries[-1].undone is not None:
        return False
    _write(lake, key, [*entries[:-1], GivenUp(**{**asdict(entries[-1]), "undone": now()})])
    return True


def who() -> str:
    """Whoever runs this: USER@HOST."""
    return f"{user_name()}@{socket.gethostname()}"


def now() -> str:
    """The present moment, ISO 8601 in UTC."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def _write(lake: str, key: str, entries: list[GivenUp]) -> None:
    document: Mapping[str, Any] = {"schema": SCHEMA, "entries": [asdict(entry) for entry in entries]}
    storage.write_bytes(_where(lake, key), canonical_json(document))


def _where(lake: str, key: str) -> str:
    return storage.join(lake, _FOLDER, f"{key}.json")
