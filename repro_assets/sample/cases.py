"""Generated case files in the shape of JHU's: one row per county, one column per day, cumulative counts.

All numbers are invented from integers alone, so that a seed gives the same bytes on any machine.
Later versions do what the published ones do: add a day, correct past days, drop a county, split one into two.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import TYPE_CHECKING

from repro_assets.steps.places import Place

if TYPE_CHECKING:
    from numpy.random import Generator

LAST_DAY = date(2020, 6, 10)  # of the first version; it is published the day after
DELETED_UID = 84080006
RETIRED_UID = 84002261
_LEADING = [
    "UID",
    "iso2",
    "iso3",
    "code3",
    "FIPS",
    "Admin2",
    "Province_State",
    "Country_Region",
    "Lat",
    "Long_",
    "Combined_Key",
]
# Cases of the whole of New York City are booked under its first county.
_NEW_YORK_CITY_COUNTIES = ("New York", "Kings", "Queens", "Bronx", "Richmond")
# uid, county, state, people: what stands in such a file besides the mapped counties.
_OTHERS = (
    (16, "", "American Samoa", 50_000),
    (316, "", "Guam", 160_000),
    (84001001, "Autauga", "Alabama", 55_000),
    (RETIRED_UID, "Valdez-Cordova", "Alaska", 60_000),
    (84030001, "Beaverhead", "Montana", 29_500),
    (84056001, "Albany", "Wyoming", 38_000),
    (DELETED_UID, "Out of CA", "California", 40_000),
    (84080036, "Out of NY", "New York", 25_000),
    (84090006, "Unassigned", "California", 30_000),
    (84090036, "Unassigned", "New York", 20_000),
)
_SPLIT_INTO = ((84002063, "Chugach"), (84002066, "Copper River"))
_ONLY_UNDER_THE_FIRST = 0  # people of a county whose cases another county books


@dataclass(frozen=True)
class CountyRow:
    """One row of a case file: who, and the cumulative count of each day."""

    uid: int
    county: str
    state: str
    counts: tuple[int, ...]


@dataclass(frozen=True)
class CaseVersion:
    """One published version: its rows and last day.

    Attributes:
        rows: Ordered by uid.
        last_day: The day of the last count.
        published: When it was published; a later version is never published earlier.
    """

    rows: tuple[CountyRow, ...]
    last_day: date
    published: date

    def as_csv(self) -> str:
        """The file's text."""
        days = len(self.rows[0].counts)
        dates = [self.last_day - timedelta(days=days - 1 - index) for index in range(days)]
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow([*_LEADING, *(f"{day.month}/{day.day}/{day:%y}" for day in dates)])
        for row in self.rows:
            writer.writerow([*_leading(row), *row.counts])
        return text.getvalue()


def first_version(places: Sequence[Place], days: int, generator: Generator) -> CaseVersion:
    """The version that everything starts from.

    Args:
        places: Whose counties the file holds, besides a few others.
        days: Columns of dates, the last of them `LAST_DAY`.
        generator: Source of integers.
    """
    counties = [county for place in places for county in _counties(place)] + list(_OTHERS)
    rows = tuple(
        CountyRow(uid, county, state, _cumulative(_daily_cases(people, days, generator)))
        for uid, county, state, people in sorted(counties)
    )
    return CaseVersion(rows, LAST_DAY, LAST_DAY + timedelta(days=1))


def with_next_day(version: CaseVersion, generator: Generator) -> CaseVersion:
    """The next day's version: one more column, and some past days corrected."""
    corrected = _with_corrections(version, generator)
    rows = tuple(replace(row, counts=(*row.counts, _next_count(row, generator))) for row in corrected.rows)
    return replace(corrected, rows=rows, last_day=version.last_day + timedelta(days=1))


def with_corrections_only(version: CaseVersion, generator: Generator) -> CaseVersion:
    """A version without a new day: past days corrected, one row gone, one county replaced by its two halves."""
    corrected = _with_corrections(version, generator)
    rows = [row for row in corrected.rows if row.uid not in (DELETED_UID, RETIRED_UID)]
    rows += [half for row in corrected.rows if row.uid == RETIRED_UID for half in _halves(row)]
    return replace(corrected, rows=tuple(sorted(rows, key=lambda row: row.uid)))


def _with_corrections(version: CaseVersion, generator: Generator) -> CaseVersion:
    """Every eighth county or so: the counts of the last days of some stretch go up or down by up to 3 %."""
    rows = []
    for row in version.rows:
        chosen, start, thousandths = (int(generator.integers(0, bound)) for bound in (8, len(row.counts), 61))
        counts = row.counts
        if chosen == 0 and counts[-1]:
            counts = tuple(
                max(count + count * (thousandths - 30) // 1000, 0) if index >= start else count
                for index, count in enumerate(counts)
            )
        rows.append(replace(row, counts=counts))
    return replace(version, rows=tuple(rows), published=version.published + timedelta(days=1))


def _next_count(row: CountyRow, generator: Generator) -> int:
    """About as many new cases as in the week before, never below 0."""
    week = max(row.counts[-1] - row.counts[-8], 0)
    return row.counts[-1] + week * int(generator.integers(70, 131)) // 700


def _halves(row: CountyRow) -> tuple[CountyRow, CountyRow]:
    """Two new counties with the history of the old one: two fifths and the rest of every count."""
    (first_uid, first), (second_uid, second) = _SPLIT_INTO
    smaller = tuple(count * 2 // 5 for count in row.counts)
    rest = tuple(count - part for count, part in zip(row.counts, smaller, strict=True))
    return CountyRow(first_uid, first, row.state, smaller), CountyRow(second_uid, second, row.state, rest)


def _counties(place: Place) -> list[tuple[int, str, str, int]]:
    county, _, state = place.name.partition(", ")
    if len(place.uids) == 1:
        return [(place.uids[0], county, state, place.population)]
    booked = [place.population] + [_ONLY_UNDER_THE_FIRST] * (len(place.uids) - 1)
    return [
        (uid, name, state, people)
        for uid, name, people in zip(place.uids, _NEW_YORK_CITY_COUNTIES, booked, strict=True)
    ]


def _daily_cases(people: int, days: int, generator: Generator) -> list[int]:
    """New cases per day: nothing at first, up to a peak in the middle, down to half of it; each day with its noise."""
    start = int(generator.integers(days // 6, days // 3))
    peak = int(generator.integers(days // 2, days * 4 // 5))
    per_million = int(generator.integers(20, 220))  # at the peak, per day
    slope = int(generator.integers(-6, 7))  # per cent of the peak, per ten days after it
    daily = []
    for day in range(days):
        if day <= peak:
            level = 100 * max(day - start, 0) // (peak - start)
        else:
            level = max(100 + slope * (day - peak) // 10 - 2 * (day - peak), 20)
        noise = int(generator.integers(60, 141))
        # a day in fifty takes back some of what was counted before
        sign = -1 if generator.integers(0, 50) == 0 else 1
        daily.append(sign * people * per_million * level * noise // (1_000_000 * 100 * 100))
    return daily


def _cumulative(daily: Sequence[int]) -> tuple[int, ...]:
    total, counts = 0, []
    for cases in daily:
        total = max(total + cases, 0)
        counts.append(total)
    return tuple(counts)


def _leading(row: CountyRow) -> list[str]:
    """The columns before the dates. Coordinates stay 0.0: they are no data, and nobody measured them."""
    territory = row.uid < 1_000
    code = str(row.uid) if territory else "840"
    fips = f"{row.uid}.0" if territory else f"{row.uid - 84_000_000}.0"
    key = ", ".join(part for part in (row.county, row.state, "US") if part)
    iso2, iso3 = {16: ("AS", "ASM"), 316: ("GU", "GUM")}.get(row.uid, ("US", "USA"))
    return [str(row.uid), iso2, iso3, code, fips, row.county, row.state, "US", "0.0", "0.0", key]
