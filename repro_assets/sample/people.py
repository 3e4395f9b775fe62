"""Generated job-change files in the shape of Kaggle's `aug_train.csv` and `aug_test.csv`.

Nobody in them exists. Cities and how many people live in each follow the committed mapping; whether somebody
changes jobs depends a little on what they say of themselves, and not at all on cases.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from repro_assets.steps.places import Place

if TYPE_CHECKING:
    from numpy.random import Generator

_COLUMNS = [
    "enrollee_id",
    "city",
    "city_development_index",
    "gender",
    "relevent_experience",
    "enrolled_university",
    "education_level",
    "major_discipline",
    "experience",
    "company_size",
    "company_type",
    "last_new_job",
    "training_hours",
]
_HIGHEST_ID = 40_000

# Texts of each column and how many people in a hundred have them; "" is a blank.
_SHARES: dict[str, dict[str, int]] = {
    "gender": {"Male": 69, "": 23, "Female": 7, "Other": 1},
    "relevent_experience": {"Has relevent experience": 72, "No relevent experience": 28},
    "enrolled_university": {"no_enrollment": 72, "Full time course": 20, "Part time course": 6, "": 2},
    "education_level": {"Graduate": 60, "Masters": 23, "High School": 10, "Phd": 2, "Primary School": 2, "": 3},
    "major_discipline": {
        "STEM": 75, "": 15, "Humanities": 3, "Other": 2, "Business Degree": 2, "Arts": 2, "No Major": 1,
    },
    "experience": {
        "<1": 3, **{str(years): 6 for years in range(1, 11)}, **{str(years): 2 for years in range(11, 21)},
        ">20": 16, "": 1,
    },
    "company_size": {
        "": 31, "<10": 7, "10/49": 8, "50-99": 16, "100-500": 13, "500-999": 5, "1000-4999": 7, "5000-9999": 3,
        "10000+": 10,
    },
    "company_type": {
        "Pvt Ltd": 51, "": 32, "Funded Startup": 5, "Public Sector": 5, "Early Stage Startup": 3, "NGO": 3, "Other": 1,
    },
    "last_new_job": {"1": 42, ">4": 17, "2": 15, "never": 13, "3": 5, "4": 5, "": 3},
}  # fmt: skip
_SLOWEST_CITY, _FASTEST_CITY = 448, 949  # thousandths of the development index


def job_files(places: Sequence[Place], labelled: int, unlabelled: int, generator: Generator) -> tuple[str, str]:
    """Texts of the labelled and the unlabelled file.

    Args:
        places: Cities, with how many people enrolled in each.
        labelled: Rows with a target, about a quarter of them 1.0.
        unlabelled: Rows of the second file, which has no target column.
        generator: Source of integers.
    """
    index = {place.city: int(generator.integers(_SLOWEST_CITY, _FASTEST_CITY + 1)) for place in places}
    people = [
        {"enrollee_id": str(key), "city": city, "city_development_index": _thousandths(index[city]), **said}
        for key, city, said in zip(
            (generator.permutation(_HIGHEST_ID)[: labelled + unlabelled] + 1).tolist(),
            _cities(places, labelled + unlabelled, generator),
            (_person(generator) for _ in range(labelled + unlabelled)),
            strict=True,
        )
    ]
    train = [{**person, "target": _target(person, index[person["city"]], generator)} for person in people[:labelled]]
    return _as_csv([*_COLUMNS, "target"], train), _as_csv(_COLUMNS, people[labelled:])


def _cities(places: Sequence[Place], people: int, generator: Generator) -> list[str]:
    """One city per person: each city at least once where there are enough people, the rest by enrolment."""
    by_enrolment = [place.city for place in places for _ in range(place.enrolment)]
    rest = generator.integers(0, len(by_enrolment), size=max(people - len(places), 0)).tolist()
    cities = [place.city for place in places] + [by_enrolment[number] for number in rest]
    return [cities[number] for number in generator.permutation(len(cities))[:people].tolist()]


def _person(generator: Generator) -> dict[str, str]:
    said = {name: _drawn(shares, generator) for name, shares in _SHARES.items()}
    hours = int(generator.integers(1, 101))
    # every fifth person trains far longer than the others
    return {**said, "training_hours": str(hours * 3 + 30 if generator.integers(0, 5) == 0 else hours)}


def _drawn(shares: dict[str, int], generator: Generator) -> str:
    hundred = [text for text, share in shares.items() for _ in range(share)]
    return hundred[generator.integers(0, len(hundred))]


def _target(person: dict[str, str], city_index: int, generator: Generator) -> str:
    """1.0 for about a quarter: more often in slow cities, for beginners, students and people without a company."""
    per_thousand = 60
    per_thousand += 230 if city_index < 650 else 0
    per_thousand += 90 if person["relevent_experience"].startswith("No") else 0
    per_thousand += 80 if person["enrolled_university"] == "Full time course" else 0
    per_thousand += 60 if person["experience"] in ("<1", "1", "2", "3") else 0
    per_thousand += 100 if not person["company_size"] else 0
    return "1.0" if generator.integers(0, 1000) < per_thousand else "0.0"


def _thousandths(number: int) -> str:
    return f"0.{number:03d}".rstrip("0")


def _as_csv(columns: Sequence[str], rows: Sequence[dict[str, Any]]) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()
