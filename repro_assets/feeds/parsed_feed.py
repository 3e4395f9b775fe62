"""What a parser gives back: the rows of one whole publication, ready to be compared with the table."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

from repro_assets.feeds.publication import Anomaly

if TYPE_CHECKING:
    import pyarrow as pa


def _nothing_more(_stored: pa.Table | None) -> tuple[Anomaly, ...]:
    return ()


@dataclass(frozen=True)
class ParsedFeed:
    """The rows of one publication.

    Attributes:
        rows: Arrow table with the raw table's columns; its keys are unique.
        anomalies: What was unusual in the file and was read right.
        part: The part of the table that these rows replace; None for the whole table.
        lines: Line of each row in the file, where a row of the file is a row of the table.
        judge: Given the table's rows (None: there is no table yet), refuses the file for what they do not hold already,
            or returns what of it was accepted.
    """

    rows: pa.Table
    anomalies: tuple[Anomaly, ...] = ()
    part: str | None = None
    lines: tuple[int, ...] = ()
    judge: Callable[[pa.Table | None], tuple[Anomaly, ...]] = _nothing_more

    def days_after(self, column: str, day: date) -> list[date]:
        """The days of a column that lie after one, ascending; none of a column that holds no days."""
        import pyarrow as pa
        import pyarrow.compute as pc

        if not pa.types.is_date32(self.rows.schema.field(column).type):
            return []
        days = pc.unique(self.rows[column])
        found: list[date] = sorted(days.filter(pc.greater(days, pa.scalar(day))).to_pylist())
        return found
