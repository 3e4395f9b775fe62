"""How the committed city-to-county mapping was made."""

from __future__ import annotations

import sys
from importlib.resources import files
from pathlib import Path

import pytest

from repro_assets.assumptions import build as module
from repro_assets.assumptions.build import build, is_county, largest_places, main
from repro_assets.errors import BadInput
from repro_assets.steps.places import CITY_TO_COUNTY

NEW_YORK_CITY = {"84036061": 1_000, "84036047": 900, "84036081": 800, "84036005": 700, "84036085": 600}


def county(uid: str, population: str = "10", **changes: str) -> dict[str, str]:
    row = {"UID": uid, "FIPS": uid[3:].lstrip("0"), "Admin2": "A", "Province_State": "S", "Population": population}
    return {**row, **changes}


def lookup_rows() -> list[dict[str, str]]:
    return [county(uid, str(people)) for uid, people in NEW_YORK_CITY.items()]


def written(path: Path, rows: list[dict[str, str]]) -> Path:
    path.write_text("\n".join([",".join(rows[0]), *(",".join(row.values()) for row in rows)]) + "\n")
    return path


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        pytest.param(county("84001001"), True, id="a county"),
        pytest.param(county("84011001"), True, id="the District of Columbia"),
        pytest.param(county("84000001"), False, id="a state by number"),
        pytest.param(county("840", FIPS=""), False, id="the country"),
        pytest.param(county("84080006", FIPS="80006"), False, id="Out of"),
        pytest.param(county("84090006", FIPS="90006"), False, id="Unassigned"),
        pytest.param(county("84070003", FIPS=""), False, id="Kansas City, no county"),
        pytest.param(county("63072001", FIPS="72001"), False, id="Puerto Rico"),
        pytest.param(county("84001001", population=""), False, id="nobody counted"),
        pytest.param(county("84001001", FIPS="1003"), False, id="another county's FIPS"),
    ],
)
def test_a_county_is_told_by_uid_fips_and_population(row: dict[str, str], expected: bool) -> None:
    assert is_county(row) is expected


def test_new_york_citys_five_counties_are_one_place() -> None:
    places = largest_places([*lookup_rows(), county("84001001", "5000", Admin2="Big")])

    assert places == [("Big, S", (84001001,), 5_000), ("New York City, New York", module.NEW_YORK_CITY, 4_000)]


def test_a_lookup_table_without_new_york_is_refused() -> None:
    with pytest.raises(BadInput, match="lacks counties of New York City"):
        largest_places(lookup_rows()[1:])


def test_cities_by_enrolment_take_places_by_population_and_ties_go_by_code(tmp_path: Path) -> None:
    people = [{"enrollee_id": str(key), "city": city} for key, city in enumerate(["b", "a", "c", "c"])]
    train, test = written(tmp_path / "train.csv", people[:2]), written(tmp_path / "test.csv", people[2:])
    rows = [*lookup_rows(), county("84001003", "7", Admin2="Late"), county("84001001", "7", Admin2="Early")]

    text = build(written(tmp_path / "lookup.csv", rows), [train, test])

    assert text.splitlines() == [
        "city,place,uids,population,enrolment",
        'c,"New York City, New York",84036061;84036047;84036081;84036005;84036085,4000,2',
        'a,"Early, S",84001001,7,1',
        'b,"Late, S",84001003,7,1',
    ]


def test_more_cities_than_places_are_refused(tmp_path: Path) -> None:
    jobs = written(tmp_path / "train.csv", [{"enrollee_id": "1", "city": "a"}, {"enrollee_id": "2", "city": "b"}])

    with pytest.raises(BadInput, match="more cities than places"):
        build(written(tmp_path / "lookup.csv", lookup_rows()), [jobs])


@pytest.mark.parametrize("arguments", [[], ["only", "two"]])
def test_wrong_usage_is_said_and_exits_2(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments) == 2
    assert "LOOKUP AUG_TRAIN AUG_TEST" in capsys.readouterr().err


def test_a_missing_file_is_one_line_and_exits_2(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(tmp_path / "none.csv")] * 3) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_the_file_says_beside_it_that_it_is_synthetic() -> None:
    assert "SYNTHETIC" in files("repro_assets").joinpath("assumptions/README.md").read_text()


@pytest.mark.real_data
def test_the_committed_file_is_what_the_command_makes_of_the_published_files(
    real_data: Path, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    lookup = real_data / "jhu" / "UID_ISO_FIPS_LookUp_Table.csv"

    assert main([str(lookup), str(real_data / "hr" / "aug_train.csv"), str(real_data / "hr" / "aug_test.csv")]) == 0
    sys.stdout.flush()

    assert capfdbinary.readouterr().out == files("repro_assets").joinpath(CITY_TO_COUNTY).read_bytes()
