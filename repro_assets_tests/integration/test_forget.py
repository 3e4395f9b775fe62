"""A person is forgotten in real Delta tables: deletion vectors, change data, an interruption, somebody who needs them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from repro_assets.errors import BadInput, VersionExpired
from repro_assets.pins.retention import Holder
from repro_assets.resources.raw.given_up import given_up
from repro_assets.resources.raw.raw_tables import RawTables
from repro_assets.settings import Settings
from repro_assets.verbs.forget import Ways, forget, plan, require_forgotten
from repro_assets_tests.integration.test_preflight_spark import forget as forget_log

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

pytestmark = pytest.mark.spark

TABLE = "job_changes"
PERSON = 5
RETENTION = (
    "'delta.logRetentionDuration' = 'interval 3650 days', 'delta.deletedFileRetentionDuration' = 'interval 3650 days', "
    "'delta.enableChangeDataFeed' = 'true'"
)
KINDS = [
    pytest.param("", id="plain"),
    pytest.param(", 'delta.enableDeletionVectors' = 'true'", id="deletion vectors"),
]


def key(version: int) -> str:
    return f"covid_cases-v{0:06d}--{TABLE}-v{version:06d}"


class Table:
    """Forty people in version 1; one was corrected in version 2, another deleted in 3."""

    def __init__(self, spark: SparkSession, state: Settings, properties: str) -> None:
        self.spark, self.state = spark, state
        self.folder = state.var / "lake" / "raw" / TABLE
        name = f"delta.`{self.folder}`"
        spark.sql(
            f"CREATE TABLE {name} (enrollee_id BIGINT, city STRING) USING delta TBLPROPERTIES ({RETENTION}{properties})"
        )
        spark.sql(f"INSERT INTO {name} SELECT id, concat('city_', id) FROM range(0, 40, 1, 1)")
        spark.sql(f"UPDATE {name} SET city = 'moved' WHERE enrollee_id = {PERSON}")
        spark.sql(f"DELETE FROM {name} WHERE enrollee_id = 6")
        self.holders = [Holder(key(version), f"run of version {version}") for version in (1, 2, 3)]
        self.collected = 0

    def tables(self) -> RawTables:
        """As a process sees them that starts now."""
        return RawTables(lake=self.state.lake)

    def forget(self, **changed: object) -> list[str]:
        ways = Ways(
            holders=lambda: self.holders,
            open_spark=lambda: self.spark,
            collect=self.collect,
            safe_age=timedelta(0),
        )
        tables = self.tables()
        wanted = plan(TABLE, str(PERSON), self.state, tables, self.holders)
        found = forget(wanted, str(PERSON), "asked", tables, replace(ways, **changed))  # type: ignore[arg-type] # its fields
        forget_log(self.spark)
        return found

    def collect(self) -> None:
        self.collected += 1

    def search(self) -> None:
        require_forgotten(plan(TABLE, str(PERSON), self.state, self.tables(), self.holders))

    def files_with_the_person(self) -> list[Path]:
        """What the command does is not asked."""
        found = []
        for path in self.folder.rglob("*.parquet"):
            if "_delta_log" not in path.parts:
                ids = pq.ParquetFile(path).read(columns=["enrollee_id"])["enrollee_id"]
                found += [path] if pc.any(pc.equal(ids, PERSON)).as_py() else []
        return found

    def everything(self) -> dict[str, bytes]:
        lake = self.state.var / "lake"
        return {str(path.relative_to(lake)): path.read_bytes() for path in lake.rglob("*") if path.is_file()}

    def people(self) -> set[int]:
        frame = self.spark.read.format("delta").load(str(self.folder))
        return {row["enrollee_id"] for row in frame.collect()}


@pytest.fixture(params=KINDS)
def table(request, spark: SparkSession, state: Settings) -> Iterator[Table]:
    yield Table(spark, state, request.param)
    forget_log(spark)


@pytest.fixture
def plain(spark: SparkSession, state: Settings) -> Iterator[Table]:
    yield Table(spark, state, "")
    forget_log(spark)


def test_no_file_holds_the_person_and_everybody_else_stays(table: Table) -> None:
    assert len(table.files_with_the_person()) > 1
    table.forget()

    assert table.files_with_the_person() == []
    table.search()
    assert table.people() == set(range(40)) - {PERSON, 6}
    assert set(given_up(table.state.lake)) == {key(version) for version in (1, 2, 3)}
    tables = table.tables()
    lost = tables.pin(TABLE, 2)
    with pytest.raises(VersionExpired, match="`repro vacuum` by"):
        tables.require_files(lost)
    assert table.collected == 1


@pytest.mark.parametrize(
    ("use", "said"),
    [
        pytest.param({"running": True}, "a run of this data version is under way", id="a run that has not ended"),
        pytest.param({"champion": True}, "the champion is of this data version", id="the champion"),
    ],
)
def test_a_version_in_use_is_refused_before_anything_is_changed(plain: Table, use, said) -> None:
    plain.holders.append(Holder(key(2), "somebody", **use))
    before = plain.everything()

    with pytest.raises(BadInput, match=said):
        plain.forget()
    assert (plain.everything(), plain.collected) == (before, 0)


class Killed(Exception):
    """The process ended here."""


def killed(*_: object) -> None:
    raise Killed


class KilledAtVacuum:
    """Spark is there for the rewriting, and the process ends when it is asked for again."""

    def __init__(self, spark: SparkSession) -> None:
        self._left = [spark]

    def __call__(self) -> SparkSession:
        if not self._left:
            raise Killed
        return self._left.pop()


@pytest.mark.slow
@pytest.mark.parametrize("where", ["at the vacuum", "before the outputs go"])
def test_interrupted_it_is_started_again_and_ends_as_if_nothing_had_been(plain: Table, where) -> None:
    stop = {"open_spark": KilledAtVacuum(plain.spark)} if where == "at the vacuum" else {"collect": killed}
    with pytest.raises(Killed):
        plain.forget(**stop)
    plain.forget()

    assert plain.files_with_the_person() == []
    plain.search()
    assert plain.people() == set(range(40)) - {PERSON, 6}


def meanwhile(table: Table, late: Holder) -> Callable[[], Sequence[Holder]]:
    """Somebody is there from the second time on that is asked who needs what."""
    asked: list[None] = []

    def holders() -> Sequence[Holder]:
        asked.append(None)
        return table.holders if len(asked) == 1 else [*table.holders, late]

    return holders


@pytest.mark.slow
def test_a_run_that_began_meanwhile_keeps_its_version_s_files_and_when_it_ended_they_go(plain: Table) -> None:
    running = Holder(key(2), "Dagster run 1f3a, under way", running=True)
    with pytest.raises(BadInput, match=r"came into use meanwhile.*job_changes@2.*Dagster run 1f3a"):
        plain.forget(holders=meanwhile(plain, running))
    tables = plain.tables()
    tables.require_files(tables.pin(TABLE, 2))

    plain.forget()
    assert plain.files_with_the_person() == []
