"""From what was found to one answer: ready, ready until a day, or blocked with every reason."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from repro_assets.errors import Blocked, TableReplaced
from repro_assets.pins.preflight import Finding, Limit, Retention, judge, reason, retention, time_left

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
WEEK = Retention(timedelta(days=7), timedelta(days=30))
NAME, WHERE = "covid_cases@3", "file:///lake/raw/covid_cases"


def left(days_ago: float, *, newest: bool = False, kept: Retention = WEEK) -> Finding:
    return time_left(NAME, WHERE, NOW - timedelta(days=days_ago), newest=newest, kept=kept, now=NOW)


def test_where_nothing_was_found_the_run_is_ready() -> None:
    answer = judge([Finding(), Finding(notes=("a note",))])

    assert (answer.ready, answer.until, answer.words, answer.notes) == (True, None, "ready", ("a note",))


def test_of_several_limits_the_earliest_counts() -> None:
    limits = [Limit(NOW + timedelta(days=days), f"{days} days") for days in (9, 2, 5)]

    answer = judge([Finding(limits=tuple(limits[:2])), Finding(limits=tuple(limits[2:]))])

    assert answer.words == "ready until 2026-06-03 because 2 days"


def test_every_reason_is_said_once_and_a_limit_no_longer_matters() -> None:
    answer = judge([Finding(("A: x",), (Limit(NOW, "soon"),)), Finding(("B: y", "A: x"))])

    assert (answer.ready, answer.until, answer.because) == (False, None, None)
    assert answer.words == "blocked: A: x; B: y"


def test_a_reason_begins_with_the_name_of_its_error() -> None:
    assert reason(TableReplaced("another table", where="here")) == "TableReplaced: another table [here]"
    assert reason(Blocked("gone")).startswith("Blocked: ")


def test_a_superseded_version_can_be_read_until_its_commit_is_older_than_the_retention() -> None:
    answer = judge([left(3)])

    assert str(answer.until) == "2026-06-05"
    assert answer.because == "covid_cases@3 is then older than delta.deletedFileRetentionDuration (7 days)"


def test_a_superseded_version_older_than_the_retention_is_blocked_with_what_would_free_it() -> None:
    (said,) = left(7).reasons

    assert said.startswith("VersionExpired: Spark refuses to read covid_cases@3")
    assert "ALTER TABLE" in said


def test_a_shorter_retention_of_the_log_comes_first() -> None:
    answer = judge([left(3, kept=Retention(timedelta(days=3650), timedelta(days=10)))])

    assert answer.words.startswith("ready until 2026-06-08 because log clean-up may then take covid_cases@3")


def test_a_log_that_should_be_gone_and_is_not_lasts_until_today() -> None:
    assert str(judge([left(20, kept=Retention(timedelta(days=3650), timedelta(days=10)))]).until) == "2026-06-01"


@pytest.mark.parametrize("days_ago", [0, 3, 400])
def test_the_newest_version_is_not_limited_however_old(days_ago: float) -> None:
    found = left(days_ago, newest=True)

    assert (found.reasons, found.limits) == ((), ())
    assert "once another one follows" in found.notes[0]


def test_a_newest_version_that_is_kept_for_years_is_nothing_to_tell() -> None:
    assert left(3, newest=True, kept=Retention(timedelta(days=3650), timedelta(days=3650))) == Finding()


INTERVALS = {
    "interval 3650 days": timedelta(days=3650),
    "INTERVAL 1 week": timedelta(days=7),
    "interval 1 weeks 2 days 3 hours": timedelta(days=9, hours=3),
    "168 hours": timedelta(days=7),
    "interval 0 seconds": timedelta(0),
    "interval 99999999999 weeks": timedelta(days=365_000),
    "interval 1 month": timedelta(days=7),
    "soon": timedelta(days=7),
    "": timedelta(days=7),
}


@pytest.mark.parametrize(("text", "expected"), INTERVALS.items(), ids=[text or "empty" for text in INTERVALS])
def test_an_interval_is_read_as_delta_writes_it_and_else_counts_as_the_default(text: str, expected: timedelta) -> None:
    assert retention({"delta.deletedFileRetentionDuration": text}) == Retention(expected, timedelta(days=30))


def test_a_table_that_says_nothing_has_deltas_defaults() -> None:
    assert retention({}) == WEEK


def test_a_retention_longer_than_the_calendar_is_no_error() -> None:
    forever = retention(
        dict.fromkeys(
            ("delta.logRetentionDuration", "delta.deletedFileRetentionDuration"), "interval 99999999999 weeks"
        )
    )

    assert judge([left(3, kept=forever)]).ready
