"""From the commits of all raw tables to the ordered list of data versions."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from repro_assets.errors import BadInput, NoSuchVersion
from repro_assets.pins.data_history import as_of, data_versions, parse_time
from repro_assets_tests.unit.delta_log import commit


def key(cases: int, jobs: int) -> str:
    return f"cases-v{cases:06d}--jobs-v{jobs:06d}"


def keys(cases, jobs) -> list[str]:
    return [version.key for version in data_versions({"cases": cases, "jobs": jobs})]


def test_every_commit_of_any_table_makes_one_version_in_order_of_time() -> None:
    found = keys([commit(0, 10), commit(1, 30), commit(2, 50)], [commit(0, 20), commit(1, 40)])

    assert found == [key(0, 0), key(1, 0), key(1, 1), key(2, 1)]


def test_a_commit_before_another_table_s_first_is_paired_with_that_first() -> None:
    found = keys([commit(0, 1), commit(1, 2), commit(2, 3)], [commit(0, 9)])

    assert found == [key(0, 0), key(1, 0), key(2, 0)]


def test_a_key_that_comes_up_twice_came_to_be_the_first_time() -> None:
    (only,) = data_versions({"cases": [commit(0, 3)], "jobs": [commit(0, 9)]})

    assert only.timestamp == 3


def test_a_commit_that_changed_no_row_makes_no_version_and_is_paired_with_none() -> None:
    cases = [commit(0, 1), commit(1, 2, changes_rows=False), commit(2, 3)]
    jobs = [commit(0, 1, changes_rows=False), commit(1, 1), commit(2, 9, changes_rows=False)]

    assert keys(cases, jobs) == [key(0, 1), key(2, 1)]


def test_commits_of_two_tables_at_one_moment_are_one_version() -> None:
    assert keys([commit(0, 1), commit(1, 5)], [commit(0, 1), commit(1, 5)]) == [key(0, 0), key(1, 1)]


def test_a_version_knows_its_commits_and_when_it_came_to_be() -> None:
    newest = data_versions({"cases": [commit(0, 10)], "jobs": [commit(0, 20), commit(1, 30)]})[-1]

    assert newest.timestamp == 30
    assert newest.commits == {"cases": commit(0, 10), "jobs": commit(1, 30)}


@pytest.mark.parametrize(
    "history",
    [
        pytest.param({}, id="no table"),
        pytest.param({"cases": [commit(0, 1)], "jobs": []}, id="a table without commits"),
        pytest.param({"cases": [commit(0, 1)], "jobs": [commit(0, 1, changes_rows=False)]}, id="a table without rows"),
    ],
)
def test_there_is_no_version_while_a_table_has_no_rows(history) -> None:
    assert data_versions(history) == []


@pytest.mark.parametrize("tables", [1, 2, 5])
def test_any_number_of_tables_has_versions(tables) -> None:
    history = {f"t{number}": [commit(0, number), commit(1, 10 + number)] for number in range(tables)}

    assert len(data_versions(history)) == 1 + tables


def test_commits_of_one_table_at_one_moment_are_a_version_each() -> None:
    """Delta moves the later one by a millisecond; two commits never are one version."""
    assert keys([commit(0, 5), commit(1, 5), commit(2, 5)], [commit(0, 1)]) == [key(0, 0), key(1, 0), key(2, 0)]


def test_a_clock_that_went_back_loses_no_version() -> None:
    """Delta's time travel makes commit times ascend with the version, whatever the writers' clocks said."""
    assert keys([commit(0, 10), commit(1, 100), commit(2, 90)], [commit(0, 1)]) == [key(0, 0), key(1, 0), key(2, 0)]


@given(
    st.lists(st.integers(0, 50), min_size=1, max_size=8, unique=True).map(sorted),
    st.lists(st.integers(0, 50), min_size=1, max_size=8, unique=True).map(sorted),
)
def test_versions_never_go_back_and_name_every_commit(cases_times, jobs_times) -> None:
    history = {
        name: [commit(number, time) for number, time in enumerate(times)]
        for name, times in (("cases", cases_times), ("jobs", jobs_times))
    }

    pairs = [tuple(made.version for made in version.commits.values()) for version in data_versions(history)]

    assert pairs == sorted(set(pairs))
    assert {pair[0] for pair in pairs} == set(range(len(cases_times)))
    assert {pair[1] for pair in pairs} == set(range(len(jobs_times)))


HISTORY = {"cases": [commit(0, 10), commit(1, 30), commit(2, 50)], "jobs": [commit(0, 20)]}


@pytest.mark.parametrize(
    ("moment", "expected"),
    [
        pytest.param(20, key(0, 0), id="the moment of a commit"),
        pytest.param(29, key(0, 0), id="just before the next"),
        pytest.param(30, key(1, 0), id="the next"),
        pytest.param(10**15, key(2, 0), id="far in the future"),
    ],
)
def test_as_of_means_the_newest_commits_not_after_a_moment(moment, expected) -> None:
    assert as_of(HISTORY, moment).key == expected


def test_as_of_a_moment_before_a_table_s_first_rows_is_refused_by_that_table() -> None:
    with pytest.raises(NoSuchVersion, match=r"no rows at that time \[jobs\].*from 20 ms"):
        as_of(HISTORY, 19)


def test_as_of_on_a_table_without_rows_is_refused() -> None:
    with pytest.raises(NoSuchVersion, match=r"\[jobs\].*a first publication"):
        as_of({**HISTORY, "jobs": []}, 50)


DAY = 1_591_920_000_000  # 2020-06-12T00:00Z
HOUR = 3_600_000


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("2020-06-12T08:00:00Z", DAY + 8 * HOUR, id="with Z"),
        pytest.param("2020-06-12T08:00:00+02:00", DAY + 6 * HOUR, id="with an offset"),
        pytest.param("2020-06-12T08:00:00", DAY + 8 * HOUR, id="without a zone"),
        pytest.param("2020-06-12 08:00:00.250", DAY + 8 * HOUR + 250, id="with milliseconds"),
        pytest.param(" 2020-06-12T08:00:00Z\n", DAY + 8 * HOUR, id="with white space around"),
        pytest.param("2020-06-12T00:00:00", DAY, id="midnight"),
        pytest.param("1969-12-31T23:59:59Z", -1000, id="before 1970"),
        pytest.param("2020-06-12", DAY + 24 * HOUR - 1, id="a day"),
        pytest.param(" 2020-06-12 ", DAY + 24 * HOUR - 1, id="a day with white space around"),
        pytest.param("20200612", DAY + 24 * HOUR - 1, id="a day without dashes"),
        pytest.param("2020-W24-5", DAY + 24 * HOUR - 1, id="a day of a week"),
    ],
)
def test_a_time_is_utc_and_a_day_is_its_end(text, expected) -> None:
    assert parse_time(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        "yesterday",
        "2020-13-01",
        "2020-06-12T25:00:00",
        "1591920000",
        "٢٠٢٠-06-12",
        "2020-06-12\n08:00:00; rm",
        "0001-01-01T00:00:00+01:00",
        "9999-12-31T23:59:59-01:00",
    ],
    ids=repr,
)
def test_what_is_no_time_is_refused_with_an_example(text) -> None:
    with pytest.raises(BadInput, match=r"not a time.*2020-06-12T08:00:00Z"):
        parse_time(text)
