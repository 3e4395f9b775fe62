"""A person is forgotten in real Delta tables: deletion vectors, column mapping, change data, an interruption."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
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
# Of no other number that a log may hold.
FIRST = 7_300_400
PERSON = FIRST + 17
OTHER = FIRST + 6
EVERYBODY = set(range(FIRST, FIRST + 40)) - {OTHER}
RETENTION = (
    "'delta.logRetentionDuration' = 'interval 3650 days', 'delta.deletedFileRetentionDuration' = 'interval 3650 days', "
    "'delta.enableChangeDataFeed' = 'true'"
)
KINDS = [
    pytest.param("", id="plain"),
    pytest.param(", 'delta.enableDeletionVectors' = 'true'", id="deletion vectors"),
    pytest.param(", 'delta.columnMapping.mode' = 'name'", id="column mapping"),
    pytest.param(
        ", 'delta.columnMapping.mode' = 'name', 'delta.enableDeletionVectors' = 'true'", id="vectors and mapping"
    ),
]


def key(version: int) -> str:
    return f"covid_cases-v{0:06d}--{TABLE}-v{version:06d}"


def ids_of(path: Path) -> set[int]:
    return set(pq.ParquetFile(path).read(columns=["enrollee_id"])["enrollee_id"].to_pylist())


class Table:
    """Forty people in version 1; one was corrected in version 2, another deleted in 3."""

    def __init__(self, spark: SparkSession, state: Settings, properties: str) -> None:
        self.spark, self.state = spark, state
        self.folder = state.var / "lake" / "raw" / TABLE
        name = f"delta.`{self.folder}`"
        spark.sql(
            f"CREATE TABLE {name} (enrollee_id BIGINT, city STRING) USING delta TBLPROPERTIES ({RETENTION}{properties})"
        )
        spark.sql(
            f"INSERT INTO {name} SELECT id, concat('city_', id - {FIRST}) FROM range({FIRST}, {FIRST + 40}, 1, 1)"
        )
        # By their cities: a condition stands in the log.
        spark.sql(f"UPDATE {name} SET city = 'moved' WHERE city = 'city_17'")
        spark.sql(f"DELETE FROM {name} WHERE city = 'city_6'")
        self.holders = [Holder(key(version), f"run of version {version}") for version in (1, 2, 3)]
        self.collected: list[Collection[str]] = []

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

    def collect(self, keys: Collection[str]) -> None:
        self.collected.append(keys)

    def search(self) -> None:
        require_forgotten(plan(TABLE, str(PERSON), self.state, self.tables(), self.holders))

    def files_with_the_person(self) -> list[Path]:
        """What the command does is not asked."""
        found = []
        for path in self.folder.rglob("*.parquet"):
            if "_delta_log" not in path.parts:
                # Whatever the column is called there: nobody else's number is this one.
                ids = [column for column in pq.ParquetFile(path).read().columns if pa.types.is_int64(column.type)]
                found += [path] if any(pc.any(pc.equal(column, PERSON)).as_py() for column in ids) else []
        return found

    def said_of_the_person(self) -> list[str]:
        """Lines of any file that name the person, without the smallest and largest id of data files."""
        bounds = re.compile(r'\\?"(minValues|maxValues)\\?":\{[^{}]*\}')
        lines = [
            bounds.sub("", line.decode("utf-8", "replace"))
            for path in self.state.var.rglob("*")
            if path.is_file() and "jars" not in path.parts
            for line in path.read_bytes().splitlines()
        ]
        return [line[:300] for line in lines if str(PERSON) in line]

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
    assert table.people() == EVERYBODY - {PERSON}
    assert set(given_up(table.state.lake)) == {key(version) for version in (1, 2, 3)}
    tables = table.tables()
    lost = tables.pin(TABLE, 2)
    with pytest.raises(VersionExpired, match=r"`repro forget` by .* removed them .* a backup would bring them back"):
        tables.require_files(lost)
    assert table.collected == [tuple(key(version) for version in (1, 2, 3))]


def test_the_id_is_written_down_nowhere(table: Table) -> None:
    table.forget()

    assert table.said_of_the_person() == []


def test_a_version_that_nobody_keeps_and_that_does_not_hold_the_person_stays(plain: Table) -> None:
    plain.spark.sql(f"INSERT INTO delta.`{plain.folder}` VALUES ({FIRST + 90}, 'city_90')")
    plain.spark.sql(f"DELETE FROM delta.`{plain.folder}` WHERE city = 'city_90'")
    forget_log(plain.spark)
    late = plain.folder / "late.parquet"
    pq.write_table(pa.table({"enrollee_id": [FIRST + 1], "city": ["city_1"]}), late)
    files = {path for path in plain.folder.glob("*.parquet") if FIRST + 90 in ids_of(path)}
    assert files

    plain.forget()
    assert all(path.exists() for path in (late, *files))


def test_where_the_log_names_the_person_is_said(plain: Table) -> None:
    log = plain.folder / "_delta_log"
    plain.spark.sql(f"DELETE FROM delta.`{plain.folder}` WHERE enrollee_id = {FIRST + 1}")
    plain.spark.sql(f"OPTIMIZE delta.`{plain.folder}`")

    def named(person: int) -> set[str]:
        found = plan(TABLE, str(person), plain.state, plain.tables(), plain.holders).by_hand
        return {place.removeprefix(f"{log.as_uri()}/") for place in found}

    assert {"00000000000000000004.json"} <= named(FIRST + 1), "the condition of a DELETE by hand"
    assert {"00000000000000000001.json", "00000000000000000001.crc"} <= named(FIRST), "the smallest id"
    assert named(PERSON) == set()


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
    assert (plain.everything(), plain.collected) == (before, [])


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
    assert plain.people() == EVERYBODY - {PERSON}


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
