"""Rows added, removed and changed between two versions of a Delta table, from its change data feed or without one."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from repro_assets.errors import VersionExpired
from repro_assets.pins.data import DataPin, RowsPin
from repro_assets.resources.raw.raw_tables import RawTables
from repro_assets.resources.raw.row_difference import FEED, VERSIONS, RowDifference, row_difference
from repro_assets.resources.raw.table_files import files_of_version

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

pytestmark = pytest.mark.spark

KEYS = ("uid", "date")
ROWS = {(uid, day): uid * 10 + day for uid in (1, 2, 3) for day in (11, 12)}
# Version 1: one corrected, one gone, one new. 2: the new one changed. 3: everything as it was, but for one.
LATER = [
    {**{key: value for key, value in ROWS.items() if key != (1, 11)}, (2, 11): 99, (4, 11): 1},
    {**{key: value for key, value in ROWS.items() if key != (1, 11)}, (2, 11): 99, (4, 11): 2},
    {**ROWS, (3, 12): 0},
]


class Table:
    """A raw table of four versions."""

    def __init__(self, spark: SparkSession, folder: Path, *, feed: bool) -> None:
        self.spark = spark
        self.tables = RawTables(lake=folder.as_uri())
        self.uri = self.tables.uri("covid_cases")
        self.counts = [len(ROWS)]
        self._frame(ROWS).write.format("delta").option("delta.enableChangeDataFeed", str(feed).lower()).save(self.uri)
        for rows in LATER:
            self._merge(rows)

    def difference(self, first: int, second: int) -> RowDifference:
        return row_difference(self.spark, self.tables, self.pin(first), self.pin(second), KEYS)

    def pin(self, version: int) -> DataPin:
        return DataPin(self.tables.pin("covid_cases", version), RowsPin(f"rows of {version}", self.counts[version], ()))

    def _merge(self, rows: dict[tuple[int, int], int]) -> None:
        from delta.tables import DeltaTable

        same = " AND ".join(f"old.{key} = new.{key}" for key in KEYS)
        merge = DeltaTable.forPath(self.spark, self.uri).alias("old").merge(self._frame(rows).alias("new"), same)
        changed = merge.whenMatchedUpdateAll("old.confirmed <> new.confirmed").whenNotMatchedInsertAll()
        changed.whenNotMatchedBySourceDelete().execute()
        self.counts.append(len(rows))

    def _frame(self, rows: dict[tuple[int, int], int]) -> Any:
        values = [(uid, date(2020, 6, day), confirmed) for (uid, day), confirmed in rows.items()]
        return self.spark.createDataFrame(values, "uid long, date date, confirmed long").coalesce(1)


@pytest.fixture(scope="module", params=[True, False], ids=["with a feed", "without"])
def table(request: pytest.FixtureRequest, spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Table:
    made = Table(spark, tmp_path_factory.mktemp("lake"), feed=request.param)
    made.expected = FEED if request.param else VERSIONS  # type: ignore[attr-defined] # what the tests ask for
    return made


def test_rows_are_counted_by_kind_by_column_and_by_each_key(table: Any) -> None:
    found = table.difference(0, 1)

    assert (found.added, found.removed, found.changed) == (1, 1, 1)
    assert found.columns == {"confirmed": {"rows": 1, "largest": 68.0}}
    assert found.by["uid"] == {
        "values": 3,
        "most": [{"uid": 1, "removed": 1}, {"uid": 2, "changed": 1}, {"uid": 4, "added": 1}],
    }
    assert found.by["date"]["most"] == [{"date": "2020-06-11", "added": 1, "removed": 1, "changed": 1}]
    assert found.counted_from == table.expected


def test_examples_say_what_was_and_what_is(table: Any) -> None:
    assert table.difference(0, 1).examples == {
        "added": [{"uid": 4, "date": "2020-06-11", "confirmed": 1}],
        "removed": [{"uid": 1, "date": "2020-06-11", "confirmed": 21}],
        "changed": [{"uid": 2, "date": "2020-06-11", "confirmed": {"from": 31, "to": 99}}],
    }


def test_a_row_that_came_and_changed_is_added_once_as_it_is_now(table: Any) -> None:
    found = table.difference(0, 2)

    assert (found.added, found.removed, found.changed) == (1, 1, 1)
    assert found.examples["added"] == [{"uid": 4, "date": "2020-06-11", "confirmed": 2}]


def test_what_was_changed_back_is_no_difference(table: Any) -> None:
    found = table.difference(0, 3)

    assert (found.added, found.removed, found.changed) == (0, 0, 1)
    assert found.examples["changed"] == [{"uid": 3, "date": "2020-06-12", "confirmed": {"from": 42, "to": 0}}]


def test_backwards_added_and_removed_change_places(table: Any) -> None:
    found = table.difference(2, 0)

    assert (found.added, found.removed, found.changed) == (1, 1, 1)
    assert found.examples["removed"] == [{"uid": 4, "date": "2020-06-11", "confirmed": 2}]
    assert found.examples["changed"] == [{"uid": 2, "date": "2020-06-11", "confirmed": {"from": 99, "to": 31}}]


def test_a_feed_that_does_not_lead_to_the_pinned_row_count_is_not_believed(table: Any) -> None:
    first, second = table.pin(0), table.pin(1)
    other = DataPin(second.commit, RowsPin("other", 1_000, ()))

    found = row_difference(table.spark, table.tables, first, other, KEYS)

    assert (found.counted_from, found.added, found.removed, found.changed) == (VERSIONS, 1, 1, 1)


def test_a_version_that_is_gone_is_a_reason(spark: SparkSession, tmp_path: Path) -> None:
    made = Table(spark, tmp_path, feed=True)
    pins = made.pin(0), made.pin(2)
    (tmp_path / "raw" / "covid_cases" / "_delta_log" / f"{0:020d}.json").unlink()

    with pytest.raises(VersionExpired):
        row_difference(spark, RawTables(lake=tmp_path.as_uri()), *pins, KEYS)


@pytest.mark.parametrize("broken", [0, 1])
def test_a_file_that_is_gone_is_told_of_the_version_that_needs_it(spark: SparkSession, tmp_path: Path, broken) -> None:
    made = Table(spark, tmp_path, feed=False)
    pins = made.pin(0), made.pin(1)
    files = [{file.path for file in files_of_version(made.uri, pin.commit.version)} for pin in pins]
    (only,) = files[broken] - files[1 - broken]
    (tmp_path / "raw" / "covid_cases" / only).unlink()
    spark.catalog.clearCache()

    with pytest.raises(VersionExpired, match=f"covid_cases@{broken}") as raised:
        row_difference(spark, RawTables(lake=tmp_path.as_uri()), *pins, KEYS)
    assert only in str(raised.value)
