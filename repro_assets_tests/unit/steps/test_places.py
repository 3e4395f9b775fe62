"""The committed mapping as records, and what is refused of an edited one."""

from __future__ import annotations

import pytest

from repro_assets.errors import BadInput
from repro_assets.steps.places import Place, load_places, parse_places

HEADER = "city,place,uids,population,enrolment\n"


def test_every_one_of_the_123_cities_has_a_place() -> None:
    places = load_places()

    assert len({place.city for place in places}) == len(places) == 123


def test_new_york_city_is_one_place_of_five_counties() -> None:
    (place,) = [place for place in load_places() if len(place.uids) > 1]

    assert place == Place(
        city="city_21",
        name="New York City, New York",
        uids=(84036061, 84036047, 84036081, 84036005, 84036085),
        population=1628706 + 2559903 + 2253858 + 1418207 + 476143,
        enrolment=3020,
    )


def test_more_enrolment_goes_with_more_population() -> None:
    places = load_places()

    assert [place.enrolment for place in places] == sorted((place.enrolment for place in places), reverse=True)
    assert [place.population for place in places] == sorted((place.population for place in places), reverse=True)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        pytest.param("city,uids\nc,1\n", "not a city-to-county table", id="another header"),
        pytest.param(HEADER + "c,p,1,2\n", "ragged row [map.csv, row 2]", id="a ragged row"),
        pytest.param(HEADER + "c,p,1,2,3\nd,p,x,2,3\n", "can't be read [map.csv, row 3]", id="a uid that is no number"),
        pytest.param(HEADER + "c,p,1;,2,3\n", "can't be read", id="a uid that is missing"),
        pytest.param(HEADER + "c,p,1,0,3\n", "can't be read", id="nobody lives there"),
        pytest.param(HEADER + ",p,1,2,3\n", "can't be read", id="no city"),
        pytest.param(HEADER + "c,p,1,2,3\nc,q,2,2,3\n", "a city is mapped twice", id="a city twice"),
        pytest.param(HEADER + "c,p,1;2,2,3\nd,q,2,2,3\n", "a uid is mapped twice", id="a uid twice"),
    ],
)
def test_a_mapping_that_is_none_is_refused_with_its_row(text: str, said: str) -> None:
    with pytest.raises(BadInput) as refused:
        parse_places(text, where="map.csv")

    assert said in str(refused.value)
