"""The places that people's cities stand for: the committed city-to-county assumption as validated records.

The mapping is SYNTHETIC (see `assumptions/README.md`); nothing here decides it, `assumptions/build.py` does.
"""

from __future__ import annotations

import csv
import io
from collections import Counter
from dataclasses import dataclass
from importlib.resources import files

from repro_assets.errors import BadInput

COLUMNS = ("city", "place", "uids", "population", "enrolment")
CITY_TO_COUNTY = "assumptions/city_to_county_v1.csv"


@dataclass(frozen=True)
class Place:
    """One county, or several that publish their cases as one, that a city code is assumed to be.

    Attributes:
        city: City code of the job table.
        name: County and state, or the name of the several counties together.
        uids: JHU keys whose cases are the place's cases.
        population: People who live there, all uids together.
        enrolment: Rows of the job table in this city when the mapping was made.
    """

    city: str
    name: str
    uids: tuple[int, ...]
    population: int
    enrolment: int


def load_places() -> tuple[Place, ...]:
    """The committed mapping, in its order (largest enrolment and population first)."""
    text = files("repro_assets").joinpath(CITY_TO_COUNTY).read_text(encoding="utf-8")
    return parse_places(text, where=CITY_TO_COUNTY)


def parse_places(text: str, *, where: str) -> tuple[Place, ...]:
    """Read a mapping.

    Args:
        text: CSV with the header `city,place,uids,population,enrolment`; `uids` joined by `;`.
        where: Name of the text in messages.

    Raises:
        BadInput: Another header, a field that is no number, or a city or uid that stands there twice.
    """
    lines = csv.reader(io.StringIO(text))
    header = tuple(next(lines, ()))
    if header != COLUMNS:
        raise BadInput("not a city-to-county table", where=where, stored=",".join(header), expected=",".join(COLUMNS))
    places = tuple(_place(row, f"{where}, row {number}") for number, row in enumerate(lines, start=2))
    _refuse_repeats([place.city for place in places], "city", where)
    _refuse_repeats([str(uid) for place in places for uid in place.uids], "uid", where)
    return places


def _place(row: list[str], where: str) -> Place:
    if len(row) != len(COLUMNS):
        raise BadInput("a ragged row", where=where, stored=f"{len(row)} fields", expected=f"{len(COLUMNS)}")
    city, name, uids, population, enrolment = row
    numbers = (*uids.split(";"), population, enrolment)
    # isdecimal alone takes digits of other scripts, which nobody means here
    if not city or not all(number.isascii() and number.isdecimal() and int(number) > 0 for number in numbers):
        raise BadInput(
            "a place that can't be read", where=where, stored=",".join(row), expected="a city and numbers above 0"
        )
    return Place(city, name, tuple(int(uid) for uid in uids.split(";")), int(population), int(enrolment))


def _refuse_repeats(values: list[str], what: str, where: str) -> None:
    repeated = sorted(value for value, times in Counter(values).items() if times > 1)
    if repeated:
        raise BadInput(f"a {what} is mapped twice", where=where, stored=repeated)
