"""How publications are ordered, recognized and recorded."""

from __future__ import annotations

import pytest

from repro_assets.feeds.publication import (
    Anomaly,
    Publication,
    day_in_name,
    from_user_metadata,
    is_earlier,
    is_same,
    newest,
    to_user_metadata,
    utc_time,
)

MORNING, EVENING, NEXT_DAY = "2020-06-11T04:00:00Z", "2020-06-11T20:00:00Z", "2020-06-12T04:00:00Z"


def publication(content: str = "a", published: str | None = None, sha256: str | None = None) -> Publication:
    return Publication("cases.csv", sha256 or f"packed {content}", content, published)


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        pytest.param("2020-06-11", "2020-06-12", True, id="a day before the next"),
        pytest.param("2020-06-12", "2020-06-11", False, id="a day after"),
        pytest.param(MORNING, EVENING, True, id="two times of one day"),
        pytest.param("2020-06-11", EVENING, False, id="a day and a time on it are not ordered"),
        pytest.param(EVENING, "2020-06-11", False, id="a time and its day are not ordered"),
        pytest.param("2020-06-11", NEXT_DAY, True, id="a day before a time of the next day"),
        pytest.param(None, EVENING, False, id="unknown first"),
        pytest.param(MORNING, None, False, id="unknown second"),
    ],
)
def test_a_publication_time_is_earlier_only_where_that_is_certain(
    first: str | None, second: str | None, expected: bool
) -> None:
    assert is_earlier(first, second) is expected


@pytest.mark.parametrize(
    ("recorded", "expected"),
    [
        pytest.param(publication("a", MORNING), True, id="same content and time"),
        pytest.param(publication("a", "2020-06-11"), True, id="same content on that day"),
        pytest.param(publication("a"), True, id="same content, time unknown"),
        pytest.param(publication("b", MORNING, sha256="packed a"), True, id="same bytes as given"),
        pytest.param(publication("a", NEXT_DAY), False, id="a publisher goes back to an earlier content"),
        pytest.param(publication("b", MORNING), False, id="other content at the same time"),
    ],
)
def test_a_publication_is_known_by_content_and_time(recorded: Publication, expected: bool) -> None:
    assert is_same(publication("a", MORNING), recorded) is expected


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        pytest.param("105_2020-06-11_1f4ce8fc.csv.gz", "2020-06-11", id="one day"),
        pytest.param("cases.csv", None, id="none"),
        pytest.param("cases_2020-13-01.csv", None, id="no such month"),
        pytest.param("2020-01-22_to_2020-06-11.csv", None, id="two days"),
        pytest.param("12020-06-111.csv", None, id="inside a longer number"),
    ],
)
def test_a_file_name_gives_its_only_iso_day(name: str, expected: str | None) -> None:
    assert day_in_name(name) == expected


def test_the_newest_of_no_known_times_is_unknown() -> None:
    assert newest([None]) is None


def test_the_newest_time_is_found_between_unknown_ones() -> None:
    assert newest([None, MORNING, NEXT_DAY, None, EVENING]) == NEXT_DAY


def test_a_commit_gives_back_the_publications_that_were_put_in() -> None:
    publications = (
        Publication("train.csv", "1", "2", "2020-12-07", "labelled", (Anomaly("crlf", 3, 1),)),
        Publication("test.csv", "3", "4", None, "unlabelled"),
    )
    assert from_user_metadata(to_user_metadata(publications)) == publications


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(None, id="none"),
        pytest.param("", id="empty"),
        pytest.param("nightly load", id="no JSON"),
        pytest.param("[1]", id="no object"),
        pytest.param('{"job": 7}', id="another writer's document"),
        pytest.param('{"schema": "repro-publications/1"}', id="no publications"),
        pytest.param('{"schema": "repro-publications/1", "publications": [{"source": "a"}]}', id="fields missing"),
        pytest.param(
            '{"schema": "repro-publications/1",'
            ' "publications": [{"source": "a", "sha256": "1", "content_sha256": "2", "published": 7}]}',
            id="a time that is no text",
        ),
        pytest.param("[" * 100_000, id="nested without end"),
    ],
)
def test_what_another_writer_left_names_no_publication(text: str | None) -> None:
    assert from_user_metadata(text) == ()


def test_a_unix_time_is_written_in_utc() -> None:
    assert utc_time(1591848000) == MORNING


def test_what_an_anomaly_does_not_use_is_left_out_of_its_document() -> None:
    assert Anomaly("bom", 1, 1).as_dict() == {"name": "bom", "count": 1, "row": 1, "column": None}


def test_examples_and_acceptance_come_back_from_a_commit() -> None:
    anomaly = Anomaly("doubled_column", 2, 2, "6/10/20", ((2, "6/10/20"), (3, "6/10/20")), accepted=True)
    publication = Publication("a", "1", "2", anomalies=(anomaly,))
    assert from_user_metadata(to_user_metadata([publication])) == (publication,)
    assert anomaly.as_dict()["examples"] == [{"row": 2, "column": "6/10/20"}, {"row": 3, "column": "6/10/20"}]


def test_a_column_that_is_called_like_a_secret_is_recorded_without_it() -> None:
    token = "ghp_" + "aB3d" * 9
    named = f"day {token}"
    found = Anomaly("unparsable_date", 2, 1, named, ((1, named), (1, token)))
    recorded = to_user_metadata([Publication("a.csv", "0", "1", anomalies=(found,))])

    assert token not in recorded
    assert from_user_metadata(recorded)[0].anomalies[0].column == "day (redacted)"
