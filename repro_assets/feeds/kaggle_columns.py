"""Whether the text columns of a job-change file hold what their headers say.

Where most values of a column are known to belong to another, two headers were exchanged, or two columns' cells.
A value that was not published before is another category, which is said; in a column that has an order it has no place,
and nothing could be made of the data version.
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

# Columns whose values have an order; `steps.feature_columns` gives them ranks.
RANKED = ("education_level", "experience", "company_size", "last_new_job")
_CITY = re.compile(r"city_\d+", re.ASCII)
_ALL_VALUES = frozenset[str]().union(*KNOWN_VALUES.values())
_MISSING = frozenset({"nan", "null", "none", "na", "n/a", "#n/a", "<na>", "nil", "missing", "-", "?"})
_FEWEST = 10  # a smaller file proves nothing


@dataclass
class ColumnWitness:
    """Counts, per text column, the values that belong to another one."""

    _values: dict[str, int] = field(default_factory=dict)
    _foreign: dict[str, int] = field(default_factory=dict)
    _first: dict[str, tuple[int, str]] = field(default_factory=dict)
    _unknown: list[tuple[int, str, str]] = field(default_factory=list)

    def see(self, column: str, text: str, line: int) -> None:
        """Look at one text; those of a column without known values say nothing."""
        if column not in KNOWN_VALUES and column != "city":
            return
        self._values[column] = self._values.get(column, 0) + 1
        if not _is_known(column, text):
            self._unknown.append((line, column, text))
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

    def judge_unknown(self, rows: CsvRows) -> None:
        """Say which values were not published before, in the order of the rows.

        Raises:
            AnomalyRefused: One has no place in the order of its column, is no city code, or would silently become a
                category beside the one that was meant, and nobody accepted it.
        """
        for line, column, text in self._unknown:
            if column == "city" or column in RANKED:
                what = "a city code is none" if column == "city" else "a value has no rank among those of its column"
                expected = "`city_` and a number" if column == "city" else ", ".join(sorted(KNOWN_VALUES[column]))
                rows.refuse_or_note(
                    AnomalyKind.UNRANKED_VALUE, what, line, column, stored=show(text), expected=expected
                )
            elif (meant := _meant(column, text)) is not None:
                what = "a value is another spelling of a published or a missing one"
                rows.refuse_or_note(AnomalyKind.MISSPELT_VALUE, what, line, column, stored=show(text), expected=meant)
            else:
                rows.note(AnomalyKind.UNKNOWN_VALUE, line, column)


def _is_known(column: str, text: str) -> bool:
    return _CITY.fullmatch(text) is not None if column == "city" else text in KNOWN_VALUES[column]


def _meant(column: str, text: str) -> str | None:
    """The published value that this one spells in another way, `nothing` for a missing one; None for neither."""
    folded = " ".join(text.casefold().split())
    if folded in _MISSING:
        return "nothing"
    return next((known for known in KNOWN_VALUES[column] if known.casefold() == folded), None)


def _is_foreign(column: str, text: str) -> bool:
    if column == "city":
        return text in _ALL_VALUES
    return text not in KNOWN_VALUES[column] and (text in _ALL_VALUES or _CITY.fullmatch(text) is not None)
