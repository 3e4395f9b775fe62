"""What a parser gives back: the rows of one whole publication, ready to be compared with the table."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from repro_assets.feeds.publication import Anomaly

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True)
class ParsedFeed:
    """The rows of one publication.

    Attributes:
        rows: Arrow table with the raw table's columns; its keys are unique.
        anomalies: What was unusual in the file and was read right.
        part: The part of the table that these rows replace; None for the whole table.
        lines: Line of each row in the file, where a row of the file is a row of the table.
    """

    rows: pa.Table
    anomalies: tuple[Anomaly, ...] = ()
    part: str | None = None
    lines: tuple[int, ...] = ()
