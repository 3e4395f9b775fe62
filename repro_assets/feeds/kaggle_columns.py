"""Whether the text columns of a job-change file hold what their headers say.

New values are nothing unusual. Values that are known to belong to another column are, where most of a column's are:
then two headers were exchanged, or two columns' cells.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from repro_assets.feeds.anomalies import AnomalyKind, show
from repro_assets.feeds.csv_rows import CsvRows

# The values published so far.
KNOWN_VALUES: Mapping[str, frozenset[str]] = {
    "gender": frozenset({"Male", "Female", "Other"}),
    "relevent_experience": frozenset({"Has relevent experience", "No relevent experience"}),
    "enrolled_university": frozenset({"no_enrollment", "Full time course", "Part time course"}),
    "education_level": frozenset({"Primary School", "High School", "Graduate", "Masters", "Phd"}),
    "major_discipline": frozenset({"STEM", "Business Degree", "Arts", "Humanities", "No Major", "Other"}),
    "experience": frozenset({"<1", *map(str, range(1, 21)), ">20"}),
    "company_size": frozenset(
        {"<10", "10/49", "50-99", "100-500", "500-999", "1000-4999", "5000-9999", "10000+"},
    ),
    "company_type": frozenset({"Pvt Ltd", "Funded Startup", "Early Stage Startup", "Public Sector", "NGO", "Other"}),
    "last_new_job": frozenset({"never", "1", "2", "3", "4", ">4"}),
}

_CITY = re.compile(r"city_\d+", re.ASCII)
_ALL_VALUES = frozenset[str]().union(*KNOWN_VALUES.values())
_FEWEST = 10  # a smaller file proves nothing


@dataclass
class ColumnWitness:
    """Counts, per text column, the values that belong to another one."""

    _values: dict[str, int] = field(default_factory=dict)
    _foreign: dict[str, int] = field(default_factory=dict)
    _first: dict[str, tuple[int, str]] = field(default_factory=dict)

    def see(self, column: str, text: str, line: int) -> None:
        """Look at one cell; blank ones, and those of columns of numbers, say nothing."""
        if not text or (column not in KNOWN_VALUES and column != "city"):
            return
        self._values[column] = self._values.get(column, 0) + 1
        if _is_foreign(column, text):
            self._foreign[column] = self._foreign.get(column, 0) + 1
            self._first.setdefault(column, (line, text))

    def refuse_swapped(self, rows: CsvRows) -> None:
        """Refuse the file where most values of a column belong to another.

        Raises:
            AnomalyRefused: With the first such row.
        """
        for column, foreign in self._foreign.items():
            if foreign < _FEWEST or foreign * 2 <= self._values[column]:
                continue
            line, text = self._first[column]
            raise rows.refusal(
                AnomalyKind.SWAPPED_COLUMNS,
                f"{foreign} of {self._values[column]} values belong to another column: two columns are exchanged",
                line,
                column,
                stored=show(text),
                expected=f"values of {column}",
            )


def _is_foreign(column: str, text: str) -> bool:
    if column == "city":
        return text in _ALL_VALUES
    return text not in KNOWN_VALUES[column] and (text in _ALL_VALUES or _CITY.fullmatch(text) is not None)
