"""What is known of a commit's rows, and that nothing is read unproved; without a JVM."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest

from repro_assets.errors import DataDamaged, TableReplaced
from repro_assets.pins.data import DataPin, RowsPin
from repro_assets.pins.fingerprint import Fingerprint
from repro_assets.resources.raw.raw_tables import RawTables
from repro_assets.resources.spark import spark_fingerprint
from repro_assets_tests.unit.delta_log import write_table

TABLE = "covid_cases"
OTHER_ID = "00000000-0000-4000-8000-000000000002"
ROWS = RowsPin("cd" * 32, 3, (("uid", "int64"),))


@pytest.fixture
def lake(tmp_path: Path) -> Path:
    """A lake with one table of three commits."""
    folder = tmp_path / "lake"
    write_table(folder, TABLE, 1_000, 2_000, 3_000)
    return folder


def tables(lake: Path) -> RawTables:
    """As a process sees the lake that starts now."""
    return RawTables(lake=lake.as_uri())


def test_rows_that_were_never_read_are_not_known(lake) -> None:
    assert tables(lake).known_rows(tables(lake).pin(TABLE, 1)) is None


def test_rows_are_remembered_across_processes(lake) -> None:
    pin = tables(lake).pin(TABLE, 1)

    assert tables(lake).remember_rows(pin, ROWS) == ROWS
    assert tables(lake).known_rows(pin) == ROWS


def test_rows_of_another_commit_are_not_known(lake) -> None:
    tables(lake).remember_rows(tables(lake).pin(TABLE, 1), ROWS)

    assert tables(lake).known_rows(tables(lake).pin(TABLE, 2)) is None


def test_rows_of_another_table_at_the_same_place_are_not_known(lake) -> None:
    pin = tables(lake).pin(TABLE, 1)
    tables(lake).remember_rows(pin, ROWS)

    assert tables(lake).known_rows(dataclasses.replace(pin, table_id=OTHER_ID)) is None


def test_rows_are_known_wherever_the_lake_is_mounted(lake) -> None:
    pin = tables(lake).pin(TABLE, 1)
    tables(lake).remember_rows(pin, ROWS)

    assert tables(lake).known_rows(dataclasses.replace(pin, uri="file:///elsewhere")) == ROWS


@pytest.mark.parametrize(
    "other",
    [
        pytest.param(dataclasses.replace(ROWS, fingerprint="ef" * 32), id="fingerprint"),
        pytest.param(dataclasses.replace(ROWS, rows=4), id="count"),
        pytest.param(dataclasses.replace(ROWS, schema=(("uid", "string"),)), id="schema"),
    ],
)
def test_rows_that_are_not_what_they_were_are_damage(lake, other) -> None:
    pin = tables(lake).pin(TABLE, 1)
    tables(lake).remember_rows(pin, ROWS)

    with pytest.raises(DataDamaged, match="rows of version 1 are not what they were"):
        tables(lake).remember_rows(pin, other)
    assert tables(lake).known_rows(pin) == ROWS


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"{}", b"null"], ids=repr)
def test_a_damaged_memory_is_refused_by_its_place(lake, content) -> None:
    pin = tables(lake).pin(TABLE, 1)
    tables(lake).remember_rows(pin, ROWS)
    (memo,) = (lake / "_fingerprints").iterdir()
    memo.write_bytes(content)

    with pytest.raises(DataDamaged, match=memo.name):
        tables(lake).known_rows(pin)


class FakeReader:
    """Takes the place of a Spark session: reads nothing, and counts how often it was asked to."""

    def __init__(self) -> None:
        self.options: list[tuple[str, object]] = []

    @property
    def read(self) -> FakeReader:
        return self

    def format(self, name: str) -> FakeReader:
        return self

    def option(self, name: str, value: object) -> FakeReader:
        self.options.append((name, value))
        return self

    def load(self, uri: str) -> Any:
        return object()


@pytest.fixture
def rows_found(monkeypatch) -> list[Fingerprint]:
    """What the fake reader's frames are found to hold; the last entry counts."""
    found = [Fingerprint(ROWS.fingerprint, ROWS.rows, ROWS.schema)]
    monkeypatch.setattr(spark_fingerprint, "fingerprint_frame", lambda frame: found[-1])
    return found


def test_a_read_names_the_version(lake, rows_found) -> None:
    reader = FakeReader()

    tables(lake).read(reader, tables(lake).pin(TABLE, 1))

    assert reader.options == [("versionAsOf", 1)]


def test_nothing_is_read_from_a_table_that_fails_the_check(lake, rows_found) -> None:
    pin, reader = tables(lake).pin(TABLE, 1), FakeReader()
    write_table(lake, TABLE, 1_000, 2_000, 3_000, table_id=OTHER_ID)

    with pytest.raises(TableReplaced):
        tables(lake).read(reader, pin)
    assert reader.options == []


def test_a_data_pin_holds_the_commit_and_its_rows(lake, rows_found) -> None:
    pin = tables(lake).pin(TABLE, 1)

    assert tables(lake).data_pin(pin, FakeReader()) == DataPin(pin, ROWS)
    assert tables(lake).known_rows(pin) == ROWS


def test_rows_that_changed_under_their_commit_are_damage(lake, rows_found) -> None:
    pin = tables(lake).data_pin(tables(lake).pin(TABLE, 1), FakeReader())
    rows_found.append(Fingerprint("ef" * 32, 3, ROWS.schema))

    with pytest.raises(DataDamaged, match="not what they were"):
        tables(lake).read_verified(FakeReader(), pin)


def test_rows_are_compared_with_the_pin_even_when_nothing_is_remembered_of_them(lake, rows_found) -> None:
    pin = DataPin(tables(lake).pin(TABLE, 1), dataclasses.replace(ROWS, fingerprint="ef" * 32))

    with pytest.raises(DataDamaged):
        tables(lake).read_verified(FakeReader(), pin)


def test_rows_are_proved_once_per_process(lake, rows_found) -> None:
    raw_tables = tables(lake)
    pin = raw_tables.data_pin(raw_tables.pin(TABLE, 1), FakeReader())
    rows_found.append(Fingerprint("never looked at", 0, ()))

    raw_tables.read_verified(FakeReader(), pin)
