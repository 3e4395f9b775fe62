"""The sample feed: the same bytes everywhere, in the shape of the published files, with what happens to those."""

from __future__ import annotations

import csv
import hashlib
from itertools import pairwise
from pathlib import Path

import pytest

from repro_assets.errors import BadInput
from repro_assets.sample.cases import DELETED_UID, RETIRED_UID
from repro_assets.sample.generate import SampleFeed, generate
from repro_assets.steps.feature_columns import ORDINALS
from repro_assets.steps.places import load_places

SMALL = {"days": 40, "labelled": 400, "unlabelled": 60}
HALVES = (84002063, 84002066)
Counts = dict[tuple[int, str], int]


@pytest.fixture(scope="module")
def feed(tmp_path_factory: pytest.TempPathFactory) -> SampleFeed:
    return generate(tmp_path_factory.mktemp("feed"), versions=4)


def digests(feed: SampleFeed) -> dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in (*feed.covid_files, *feed.job_files)}


def counts(path: Path) -> Counts:
    with path.open(newline="") as lines:
        return {
            (int(row["UID"]), day): int(count)
            for row in csv.DictReader(lines)
            for day, count in row.items()
            if "/" in day
        }


def uids(cells: Counts) -> set[int]:
    return {uid for uid, _ in cells}


def people(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as lines:
        return list(csv.DictReader(lines))


def test_the_default_feed_has_the_bytes_it_always_had(feed: SampleFeed) -> None:
    assert {name: digest[:16] for name, digest in digests(feed).items()} == {
        "sample_covid_2020-06-11.csv": "fe5a362281e712d3",
        "sample_covid_2020-06-12.csv": "8949e1809934f800",
        "sample_covid_2020-06-13.csv": "a7fa1a6595aea052",
        "sample_covid_2020-06-14.csv": "99c50ace49731f09",
        "sample_aug_train.csv": "7320b8994e8c814a",
        "sample_aug_test.csv": "6df7aecbc18e8b2c",
    }


def test_the_same_seed_gives_the_same_bytes(tmp_path: Path) -> None:
    one, other = (generate(tmp_path / name, **SMALL) for name in ("one", "other"))

    assert digests(one) == digests(other)


def test_another_seed_gives_other_cases_and_people(tmp_path: Path) -> None:
    one, other = (digests(generate(tmp_path / str(seed), seed=seed, **SMALL)) for seed in (1, 2))

    assert all(one[name] != other[name] for name in one)


def test_more_days_change_nobody(tmp_path: Path) -> None:
    one, other = (digests(generate(tmp_path / str(days), **{**SMALL, "days": days})) for days in (40, 50))

    assert one["sample_aug_train.csv"] == other["sample_aug_train.csv"]


def test_file_names_carry_the_day_of_publication_in_order(feed: SampleFeed) -> None:
    assert [path.name for path in feed.covid_files] == [
        "sample_covid_2020-06-11.csv",
        "sample_covid_2020-06-12.csv",
        "sample_covid_2020-06-13.csv",
        "sample_covid_2020-06-14.csv",
    ]


def test_the_header_is_that_of_the_published_file(feed: SampleFeed) -> None:
    with feed.covid_files[0].open(newline="") as lines:
        header = next(csv.reader(lines))

    assert header[:11] == (
        [
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
    )
    assert (header[11], header[-1], len(header)) == ("1/22/20", "6/10/20", 11 + 141)


def test_every_mapped_county_and_some_that_are_none_are_in_it(feed: SampleFeed) -> None:
    found = uids(counts(feed.covid_files[0]))

    mapped = {uid for place in load_places() for uid in place.uids}

    assert mapped < found
    assert {16, 84080036, 84090036} < found


def test_new_york_citys_cases_are_booked_under_one_county(feed: SampleFeed) -> None:
    cells = counts(feed.covid_files[0])

    assert cells[84036061, "6/10/20"] > 10_000
    assert {cells[uid, "6/10/20"] for uid in (84036047, 84036081, 84036005, 84036085)} == {0}


def test_counts_never_fall_below_zero_and_sometimes_fall(feed: SampleFeed) -> None:
    with feed.covid_files[0].open(newline="") as lines:
        rows = [[int(count) for count in row[11:]] for row in list(csv.reader(lines))[1:]]

    assert min(count for row in rows for count in row) == 0
    assert any(after < before for row in rows for before, after in pairwise(row))


def test_the_second_version_adds_a_day_and_corrects_past_ones(feed: SampleFeed) -> None:
    first, second = (counts(path) for path in feed.covid_files[:2])

    assert {day for _, day in second.keys() - first.keys()} == {"6/11/20"}
    assert first.keys() < second.keys()
    assert any(first[cell] != second[cell] for cell in first)


def test_the_third_version_adds_no_day_but_corrects(feed: SampleFeed) -> None:
    second, third = (counts(path) for path in feed.covid_files[1:3])

    assert {day for _, day in third} == {day for _, day in second}
    assert any(second[cell] != third[cell] for cell in second.keys() & third.keys())


def test_the_third_version_changes_cases_of_a_place_where_people_live(feed: SampleFeed) -> None:
    second, third = (counts(path) for path in feed.covid_files[1:3])

    changed = {uid for uid, day in second if day == "6/11/20" and third.get((uid, day)) != second[uid, day]}

    assert changed & {uid for place in load_places() for uid in place.uids}


def test_the_third_version_drops_a_row(feed: SampleFeed) -> None:
    second, third = (uids(counts(path)) for path in feed.covid_files[1:3])

    assert second - third == {DELETED_UID, RETIRED_UID}


def test_the_third_version_splits_a_county_with_its_history(feed: SampleFeed) -> None:
    second, third = (counts(path) for path in feed.covid_files[1:3])
    history = {day: count for (uid, day), count in second.items() if uid == RETIRED_UID}

    assert uids(third) - uids(second) == set(HALVES)
    assert max(history.values()) > 0
    # a correction of the same day may have moved the sum by 3 %
    assert {day: sum(third[half, day] for half in HALVES) for day in history} == {
        day: pytest.approx(count, rel=0.03, abs=1) for day, count in history.items()
    }


def test_people_are_as_many_as_asked_for_and_have_one_key_each(feed: SampleFeed) -> None:
    train, test = (people(path) for path in feed.job_files)

    assert (len(train), len(test)) == (2000, 300)
    assert len({person["enrollee_id"] for person in train + test}) == 2300


def test_about_a_quarter_changes_jobs_and_the_second_file_does_not_say(feed: SampleFeed) -> None:
    train, test = (people(path) for path in feed.job_files)

    assert 0.2 < sum(person["target"] == "1.0" for person in train) / len(train) < 0.3
    assert {person["target"] for person in train} == {"0.0", "1.0"}
    assert "target" not in test[0]


def test_people_live_in_every_mapped_city_whose_index_is_one(feed: SampleFeed) -> None:
    everybody = [person for path in feed.job_files for person in people(path)]
    index = {(person["city"], person["city_development_index"]) for person in everybody}

    assert len(index) == len({city for city, _ in index}) == 123


@pytest.mark.parametrize("column", ORDINALS)
def test_every_text_of_an_ordinal_and_a_blank_occur(feed: SampleFeed, column: str) -> None:
    found = {person[column] for path in feed.job_files for person in people(path)}

    assert found == {*ORDINALS[column], ""}


@pytest.mark.parametrize(("argument", "value"), [("days", 29), ("versions", 0), ("labelled", 0), ("unlabelled", 0)])
def test_a_feed_that_is_too_small_is_refused_by_name(tmp_path: Path, argument: str, value: int) -> None:
    with pytest.raises(BadInput, match=rf"too small \[{argument}\]"):
        generate(tmp_path / "feed", **{argument: value})

    assert not (tmp_path / "feed").exists()


def test_a_feed_of_one_version_is_a_feed(tmp_path: Path) -> None:
    assert [path.name for path in generate(tmp_path, versions=1, **SMALL).covid_files] == [
        "sample_covid_2020-06-11.csv"
    ]
