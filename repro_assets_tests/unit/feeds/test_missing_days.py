"""Columns of days that are missing, or were left out as accepted: what the one excuses of the other."""

from __future__ import annotations

import re

import pytest

from repro_assets.feeds.anomalies import AnomalyKind as K
from repro_assets.feeds.anomalies import AnomalyRefused, accepted_kinds
from repro_assets_tests.unit.feeds.test_anomalies import CASES, DAYS, REPEATED, parse, values


@pytest.mark.parametrize("header", ["1/23/2O", "1/23/20_1", "13/23/20", "23.1.20"])
def test_a_column_that_does_not_parse_is_left_out_where_that_is_accepted(header: str) -> None:
    parsed = parse("covid_cases", CASES.replace("1/23/20", header), accepted_kinds(["unparsable_date"]))
    assert values(parsed, "confirmed") == [1, 3, 0, 5]
    assert [found.name for found in parsed.anomalies] == ["unparsable_date"]


def test_a_column_left_out_explains_one_missing_day_and_no_second() -> None:
    text = CASES.replace("1/22/20", "x1").replace("1/24/20", "1/26/20")
    with pytest.raises(AnomalyRefused, match=r"day_gap.*2020-01-23, then 2020-01-26, expected 2020-01-24"):
        parse("covid_cases", text, accepted_kinds(["unparsable_date"]))


@pytest.mark.parametrize(
    ("days", "accepted"),
    [
        pytest.param("1/22/20,x1,1/24/20", "unparsable_date", id="left out between the two"),
        pytest.param("1/22/20,1/22/20,1/24/20", "doubled_column", id="headed as the day before it"),
        pytest.param("1/22/20,1/24/20,1/24/20", "doubled_column", id="headed as the day after it"),
        pytest.param("1/23/20,1/24/20,x1", "unparsable_date", id="left out at the end, where nothing is missing"),
    ],
)
def test_a_day_is_not_missing_where_its_column_was_left_out_as_accepted(days: str, accepted: str) -> None:
    parsed = parse("covid_cases", CASES.replace(DAYS, days), accepted_kinds([accepted]))
    assert [(found.name, found.accepted) for found in parsed.anomalies] == [(accepted, True)]


@pytest.mark.parametrize(
    ("days", "accepted", "message"),
    [
        pytest.param(
            "1/22/20,1/24/20,x1",
            "unparsable_date",
            "1/24/20]: stored 2020-01-22, then 2020-01-24, expected 2020-01-23",
            id="one left out elsewhere",
        ),
        pytest.param(
            "1/22/20,x1,1/25/20",
            "unparsable_date",
            "1/25/20]: stored 2020-01-22, then 2020-01-25, and 1 of 2 left out as accepted",
            id="fewer left out than are missing",
        ),
        pytest.param(
            "1/22/20,1/24/20,1/24/20,1/26/20",
            "doubled_column",
            "1/26/20]: stored 2020-01-24, then 2020-01-26, expected 2020-01-25",
            id="one doubled column for two days",
        ),
    ],
)
def test_a_column_left_out_elsewhere_hides_no_missing_day(days: str, accepted: str, message: str) -> None:
    text = CASES.replace(DAYS, days)
    if days.count(",") > DAYS.count(","):
        text = text.replace(",1,2,3", ",1,2,3,4").replace(",0,5,5", ",0,5,5,6")
    with pytest.raises(AnomalyRefused, match=re.escape(message)) as refused:
        parse("covid_cases", text, accepted_kinds([accepted]))
    assert refused.value.kind is K.DAY_GAP


def test_a_column_twice_with_the_same_values_is_no_missing_day() -> None:
    text = REPEATED.replace("1/23/20", "1/24/20")
    with pytest.raises(AnomalyRefused, match="day_gap"):
        parse("covid_cases", text, accepted_kinds(["doubled_column"]))
