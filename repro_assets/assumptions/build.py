"""Builds `city_to_county_v1.csv`, the assumption of which county a city code stands for.

The job table's city codes are anonymised and no public table links them to real places.
So the mapping is SYNTHETIC: city codes ordered by enrolment take counties ordered by population, one each.
This module is how the committed file was made, byte for byte; nothing imports it.

    python -m repro_assets.assumptions.build LOOKUP AUG_TRAIN AUG_TEST > city_to_county_v1.csv

LOOKUP is `UID_ISO_FIPS_LookUp_Table.csv` of the COVID-19 Data Repository by the Center for Systems Science and
Engineering (CSSE) at Johns Hopkins University, CC BY 4.0.
"""

from __future__ import annotations

import csv
import io
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from repro_assets.errors import BadInput, ReproError
from repro_assets.steps.places import COLUMNS

# JHU books all of New York City under New York County (84036061) and leaves Kings, Queens, Bronx and Richmond at 0,
# so only the five together have a number of cases that belongs to their number of people.
NEW_YORK_CITY = (84036061, 84036047, 84036081, 84036005, 84036085)
LAST_STATE_FIPS = 56
PlaceRow = tuple[str, tuple[int, ...], int]


def build(lookup: Path, job_files: Iterable[Path]) -> str:
    """Make the mapping.

    Args:
        lookup: JHU's lookup table with `UID`, `FIPS`, `Admin2`, `Province_State` and `Population`.
        job_files: The labelled and the unlabelled Kaggle file; every row counts as one enrolment.

    Returns:
        The CSV text: one row per city code, by enrolment (ties by code), beside counties by population (ties by UID).

    Raises:
        BadInput: A file or column is missing, or there are more cities than places.
    """
    enrolment = Counter(row["city"] for path in job_files for row in _rows(path, ("city",)))
    cities = sorted(enrolment.items(), key=lambda item: (-item[1], item[0]))
    places = largest_places(_rows(lookup, ("UID", "FIPS", "Admin2", "Province_State", "Population")))
    if len(cities) > len(places):
        raise BadInput("more cities than places", where=lookup, stored=len(places), expected=f"at least {len(cities)}")
    return _as_csv(cities, places)


def largest_places(rows: Iterable[Mapping[str, str]]) -> list[PlaceRow]:
    """Counties as (name, uids, population), the most people first, New York City's five as one."""
    counties = {int(row["UID"]): row for row in rows if is_county(row)}
    missing = [uid for uid in NEW_YORK_CITY if uid not in counties]
    if missing:
        raise BadInput("the lookup table lacks counties of New York City", stored=f"no {missing}")
    city_population = sum(int(counties.pop(uid)["Population"]) for uid in NEW_YORK_CITY)
    places: list[PlaceRow] = [("New York City, New York", NEW_YORK_CITY, city_population)]
    places += [
        (f"{row['Admin2']}, {row['Province_State']}", (uid,), int(row["Population"])) for uid, row in counties.items()
    ]
    return sorted(places, key=lambda place: (-place[2], place[1]))


def is_county(row: Mapping[str, str]) -> bool:
    """Whether a row of the lookup table is a county: neither a state, a territory, nor "Out of ..." or "Unassigned".

    A county's UID is 840 and its five FIPS digits: two of a state (01 to 56), three of the county.
    """
    uid = row["UID"]
    if len(uid) != 8 or not uid.startswith("840") or not row["Population"]:
        return False
    state, county = int(uid[3:5]), int(uid[5:])
    return 1 <= state <= LAST_STATE_FIPS and county > 0 and row["FIPS"].zfill(5) == uid[3:]


def _rows(path: Path, needed: Sequence[str]) -> Iterator[dict[str, str]]:
    if not path.is_file():
        raise BadInput("no such file", where=path)
    with path.open(encoding="utf-8", newline="") as lines:
        reader = csv.DictReader(lines)
        missing = [name for name in needed if name not in (reader.fieldnames or ())]
        if missing:
            raise BadInput("a file lacks columns", where=path, stored=reader.fieldnames, expected=missing)
        yield from reader


def _as_csv(cities: Sequence[tuple[str, int]], places: Sequence[PlaceRow]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for (city, enrolment), (name, uids, population) in zip(cities, places, strict=False):  # places are more
        writer.writerow([city, name, ";".join(map(str, uids)), population, enrolment])
    return text.getvalue()


def main(arguments: Sequence[str]) -> int:
    """Write the mapping to standard output."""
    if len(arguments) != 3:
        sys.stderr.write("usage: python -m repro_assets.assumptions.build LOOKUP AUG_TRAIN AUG_TEST\n")
        return BadInput.exit_code
    lookup, *job_files = map(Path, arguments)
    try:
        sys.stdout.buffer.write(build(lookup, job_files).encode())
    except ReproError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
