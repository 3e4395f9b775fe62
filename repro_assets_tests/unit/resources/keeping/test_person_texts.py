"""Texts and databases that name an id are told by their content, whatever they are called."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from repro_assets.resources.keeping.person_texts import is_named, places_with

PERSON = "4711"


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("request of 4711", id="a word"),
        pytest.param("enrollee_id=4711.", id="after a sign"),
        pytest.param("person_4711", id="behind an underscore"),
        pytest.param("no. #4711-b", id="before a dash"),
    ],
)
def test_a_reason_names_an_id_in_whatever_way(text) -> None:
    assert is_named(text, PERSON)


@pytest.mark.parametrize("text", ["request of 3 May", "ticket 47110", "a4711"])
def test_a_reason_of_other_numbers_names_nobody(text) -> None:
    assert not is_named(text, PERSON)


def test_a_name_counts_in_whatever_case() -> None:
    assert is_named("asked by Ann@Example.org", "ann@example.org")


@pytest.mark.parametrize("name", ["examples.json", "MLmodel", "requirements", "notes.yaml", "run.err"])
def test_a_text_is_found_whatever_it_is_called(tmp_path, name) -> None:
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / name).write_text('{"ids": [1, 4711]}')
    assert list(places_with(tmp_path, PERSON)) == [str(tmp_path / "deep" / name)]


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"47110 14711 0.4711 4711.5 a-4711 4711abc", id="parts of other words"),
        pytest.param(b"\0\1 4711 \2", id="neither text nor database"),
        pytest.param(b"", id="nothing"),
    ],
)
def test_what_does_not_name_the_id_is_passed_over(tmp_path, content) -> None:
    (tmp_path / "file").write_bytes(content)
    assert list(places_with(tmp_path, PERSON)) == []


def test_a_name_is_found_as_json_writes_it(tmp_path) -> None:
    (tmp_path / "a.json").write_text('["J\\u00f6rg"]')
    assert list(places_with(tmp_path, "Jörg")) == [str(tmp_path / "a.json")]


def database(path: Path) -> sqlite3.Connection:
    """Of three tables, one with the id, written but for its journal; whoever wrote it is there still."""
    opened = sqlite3.connect(path)
    opened.execute("PRAGMA journal_mode=WAL")
    opened.execute("CREATE TABLE params (key TEXT, value TEXT, run_uuid TEXT)")
    opened.execute("CREATE TABLE tags (key TEXT, value TEXT)")
    opened.execute("CREATE TABLE numbers (value INTEGER)")
    opened.execute("INSERT INTO params VALUES ('example', '4711', 'abc')")
    opened.execute("INSERT INTO tags VALUES ('example', '47110')")
    opened.execute("INSERT INTO numbers VALUES (4711)")
    opened.commit()
    return opened


def test_a_database_names_its_tables_and_what_its_journal_has_yet_to_give_it(tmp_path) -> None:
    path = tmp_path / "mlflow.db"
    with closing(database(path)):
        assert (tmp_path / "mlflow.db-wal").stat().st_size
        assert list(places_with(path, PERSON)) == [f"{path} (tables params)"]


def test_a_damaged_database_is_said_since_nobody_knows(tmp_path) -> None:
    path = tmp_path / "index.db"
    path.write_bytes(b"SQLite format 3\0" + b"\xff" * 4000)
    assert list(places_with(tmp_path, PERSON)) == [f"{path} (it can't be read)"]


def test_a_place_that_is_not_there_names_nobody(tmp_path) -> None:
    assert list(places_with(tmp_path / "nothing", PERSON)) == []
