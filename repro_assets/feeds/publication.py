"""What is known about one published file, and how publications are ordered and recorded in a commit.

Pure: no file, table or engine is touched here.
The record goes into a Delta commit's `userMetadata` as JSON, so that history can be read without a JVM.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

from repro_assets.pins.canonical import canonical_json
from repro_assets.pins.document_form import Form, Items, Maybe, misfit
from repro_assets.pins.redaction import redact

SCHEMA = "repro-publications/1"

_PLACE: dict[str, Form] = {"row": Maybe(int), "column": Maybe(str)}
_ANOMALY: Form = {
    "name": str,
    "count": int,
    **_PLACE,
    "examples": Maybe(Items(_PLACE)),
    "accepted": Maybe(bool),
}
_PUBLICATION: Form = {
    **dict.fromkeys(("source", "sha256", "content_sha256"), str),
    **dict.fromkeys(("published", "part"), Maybe(str)),
    "anomalies": Maybe(Items(_ANOMALY)),
}
_FORM: Form = {"schema": str, "publications": Items(_PUBLICATION)}
_DAY = len("2020-06-11")
_DAY_IN_NAME = re.compile(r"(?<!\d)\d{4}-\d{2}-\d{2}(?!\d)", re.ASCII)


@dataclass(frozen=True)
class Anomaly:
    """Something unusual in a file, as it is recorded; what names there are says `feeds.anomalies`.

    It holds no cell of the file: a commit's text outlives the rows of a person who is to be forgotten.

    Attributes:
        name: What it is, such as `float_key`.
        count: How often it occurs.
        row: Line of the first one, 1-based as an editor shows it; None where it concerns the whole file.
        column: Column of the first one; None where it concerns whole rows.
        examples: Row and column of the first few.
        accepted: Whether the file would have been refused for it, had nobody accepted it.
    """

    name: str
    count: int = 1
    row: int | None = None
    column: str | None = None
    examples: tuple[tuple[int | None, str | None], ...] = ()
    accepted: bool = False

    def as_dict(self) -> dict[str, Any]:
        """As it stands in a commit and in `ingest`'s JSON document; what is not used is left out."""
        document: dict[str, Any] = {"name": self.name, "count": self.count, **_place(self.row, self.column)}
        if self.examples:
            document["examples"] = [_place(row, column) for row, column in self.examples]
        if self.accepted:
            document["accepted"] = True
        return document

    def as_text(self) -> str:
        """In a few words, for people."""
        facts = [str(self.count)]
        if self.row is not None:
            facts.append(f"row {self.row}" if self.count == 1 else f"first in row {self.row}")
        if self.column is not None:
            facts.append(f"column {self.column}")
        if self.accepted:
            facts.append("accepted")
        return f"{self.name} ({', '.join(facts)})"


# What the generated sample's files are called: a table holds the sample or real publications, never both.
SAMPLE_PREFIX = "sample_"


@dataclass(frozen=True)
class Publication:
    """One published file.

    Attributes:
        source: File name, or `PATH@COMMIT` of a git repository.
        sha256: Of the bytes as given, 64 hexadecimal digits.
        content_sha256: Of the uncompressed bytes.
        published: ISO 8601 day (`2020-06-11`) or UTC time (`2020-06-11T04:00:00Z`); None where unknown.
        part: The part of the table that the file replaces; None where it replaces the whole table.
        anomalies: What was unusual in it.
    """

    source: str
    sha256: str
    content_sha256: str
    published: str | None = None
    part: str | None = None
    anomalies: tuple[Anomaly, ...] = ()

    @property
    def is_sample(self) -> bool:
        """Whether it is a file of the generated sample."""
        return self.source.startswith(SAMPLE_PREFIX)

    def as_dict(self) -> dict[str, Any]:
        """As it stands in a commit's `userMetadata`."""
        return {
            "source": self.source,
            "sha256": self.sha256,
            "content_sha256": self.content_sha256,
            "published": self.published,
            "part": self.part,
            "anomalies": [anomaly.as_dict() for anomaly in self.anomalies],
        }


def to_user_metadata(publications: Sequence[Publication]) -> str:
    """The `userMetadata` of the commit that holds these publications: canonical JSON."""
    document = {"schema": SCHEMA, "publications": [publication.as_dict() for publication in publications]}
    return canonical_json(document).decode()


def from_user_metadata(text: str | None) -> tuple[Publication, ...]:
    """The publications that a commit's `userMetadata` names; none where another writer wrote it."""
    if not text:
        return ()
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        return ()
    # Whoever can write to the table can write our schema's name over something else.
    if misfit(document, _FORM) is not None or document["schema"] != SCHEMA:
        return ()
    return tuple(_from_dict(item) for item in document["publications"])


def is_earlier(published: str | None, than: str | None) -> bool:
    """Whether one publication time is certainly before another.

    Where either is a day, days are compared; where either is unknown, nothing is certain.
    """
    if published is None or than is None:
        return False
    first, second = _common_precision(published, than)
    return first < second


def is_same(publication: Publication, recorded: Publication) -> bool:
    """Whether a publication is the one already recorded: same content, and same time where both have one.

    A publisher may go back to an earlier content later; that is a publication of its own.
    """
    if recorded.content_sha256 != publication.content_sha256 and recorded.sha256 != publication.sha256:
        return False
    if publication.published is None or recorded.published is None:
        return True
    first, second = _common_precision(publication.published, recorded.published)
    return first == second


def newest(times: Iterable[str | None]) -> str | None:
    """The latest of these publication times, None where none is known."""
    latest: str | None = None
    for published in times:
        if published is not None and (latest is None or is_earlier(latest, published)):
            latest = published
    return latest


def day_in_name(name: str) -> str | None:
    """The ISO day in a file's name; None where there is none, or more than one."""
    days = {found for found in _DAY_IN_NAME.findall(name) if _is_day(found)}
    return days.pop() if len(days) == 1 else None


def utc_time(seconds: int) -> str:
    """A Unix time as `YYYY-MM-DDTHH:MM:SSZ`."""
    return datetime.fromtimestamp(seconds, tz=UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _common_precision(first: str, second: str) -> tuple[str, str]:
    if min(len(first), len(second)) == _DAY:
        return first[:_DAY], second[:_DAY]
    return first, second


def _is_day(text: str) -> bool:
    try:
        date.fromisoformat(text)
    except ValueError:
        return False
    return True


def _place(row: int | None, column: str | None) -> dict[str, Any]:
    # A column's name is the publisher's text: a header may be anything, and an accepted one goes into the commit.
    return {"row": row, "column": None if column is None else redact(column)}


def _from_dict(item: dict[str, Any]) -> Publication:
    return Publication(
        source=item["source"],
        sha256=item["sha256"],
        content_sha256=item["content_sha256"],
        published=item.get("published"),
        part=item.get("part"),
        anomalies=tuple(_anomaly(found) for found in item.get("anomalies") or ()),
    )


def _anomaly(item: dict[str, Any]) -> Anomaly:
    places = tuple((place.get("row"), place.get("column")) for place in item.get("examples") or ())
    return Anomaly(item["name"], item["count"], item.get("row"), item.get("column"), places, bool(item.get("accepted")))
