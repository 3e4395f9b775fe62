"""A data version given up on purpose is written down, and can be taken back."""

from __future__ import annotations

from pathlib import Path

import pytest

from repro_assets.errors import DataDamaged
from repro_assets.resources.raw.given_up import give_up, given_up, history, take_back
from repro_assets.resources.raw.raw_tables import RawTables

KEY = "covid_cases-v000000--job_changes-v000000"


def test_who_when_and_why_are_kept(tmp_path) -> None:
    record = give_up(tmp_path.as_uri(), KEY, "a person asked")

    assert given_up(tmp_path.as_uri()) == {KEY: record}
    assert (record.why, record.undone) == ("a person asked", None)
    assert "@" in record.who
    assert record.words.endswith(": a person asked")


def test_giving_up_twice_says_what_was_said_first(tmp_path) -> None:
    first = give_up(tmp_path.as_uri(), KEY, "first")

    assert give_up(tmp_path.as_uri(), KEY, "second") == first


def test_taken_back_it_is_no_longer_given_up_and_still_on_record(tmp_path) -> None:
    give_up(tmp_path.as_uri(), KEY, "first")

    assert take_back(tmp_path.as_uri(), KEY)
    assert given_up(tmp_path.as_uri()) == {}
    assert not take_back(tmp_path.as_uri(), KEY)
    give_up(tmp_path.as_uri(), KEY, "second")
    assert [(entry.why, entry.undone is None) for entry in history(tmp_path.as_uri(), KEY)] == [
        ("first", False),
        ("second", True),
    ]


def test_pinning_again_takes_it_back(tmp_path) -> None:
    tables = RawTables(lake=tmp_path.as_uri())
    give_up(tmp_path.as_uri(), KEY, "a mistake")
    tables.keep(KEY)

    assert given_up(tmp_path.as_uri()) == {}


def test_a_record_that_can_not_be_read_stops_whoever_would_remove(tmp_path: Path) -> None:
    give_up(tmp_path.as_uri(), KEY, "first")
    (tmp_path / "_given_up" / f"{KEY}.json").write_bytes(b"{")

    with pytest.raises(DataDamaged, match="can't be read"):
        given_up(tmp_path.as_uri())
