"""The real published files give the versions that were counted independently."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow.compute as pc
import pytest
from deltalake import DeltaTable

from repro_assets.experiment import EXPERIMENT
from repro_assets.feeds.history import read_history
from repro_assets.feeds.kaggle import parse_jobs
from repro_assets.pins.data import DataPin, RowsPin
from repro_assets.pins.fingerprint import fingerprint
from repro_assets.resources.raw.raw_tables import RawTables, raw_table_uri
from repro_assets.resources.raw.row_difference import FEED, row_difference
from repro_assets.settings import Settings
from repro_assets.verbs.ingest import IngestResult, ingest_files

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

pytestmark = [pytest.mark.spark, pytest.mark.real_data]

# Rows after the version, inserted, updated, last day, sum of confirmed; nothing is ever deleted in these.
COUNTED = [
    (459801, 459801, 0, "2020-06-10", 84883061),
    (463062, 3261, 0, "2020-06-11", 86906408),
    (463062, 0, 755, "2020-06-11", 87002538),
    (466323, 3261, 0, "2020-06-12", 89051524),
    (466323, 0, 4410, "2020-06-12", 89229298),
    (469584, 3261, 0, "2020-06-13", 91303824),
    (472845, 3261, 0, "2020-06-14", 93397882),
    (476106, 3261, 0, "2020-06-15", 95511908),
    (476106, 0, 18, "2020-06-15", 95512167),
    (479367, 3261, 0, "2020-06-16", 97649898),
    (482628, 3261, 0, "2020-06-17", 99813188),
    (485889, 3261, 0, "2020-06-18", 102004240),
    (489150, 3261, 0, "2020-06-19", 104225201),
    (489150, 0, 83, "2020-06-19", 104226819),
    (492411, 3261, 0, "2020-06-20", 106481938),
    (495672, 3261, 0, "2020-06-21", 108761817),
    (495672, 0, 78, "2020-06-21", 108763228),
    (498933, 3261, 0, "2020-06-22", 111075530),
    (502194, 3261, 0, "2020-06-23", 113422552),
    (502194, 0, 41, "2020-06-23", 113423095),
    (505455, 3261, 0, "2020-06-24", 115804464),
]


def no_report(line: str) -> None:
    """Nobody listens."""


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    from repro_assets import settings

    return settings.load({"REPRO_VAR": str(tmp_path_factory.mktemp("real"))})


@pytest.fixture(scope="module")
def ingested(spark: SparkSession, installation: Settings, real_data: Path) -> IngestResult:
    files = sorted((real_data / "jhu").glob("*.csv.gz"))
    return ingest_files("covid_cases", files, settings=installation, open_spark=lambda: spark, report=no_report)


def test_every_file_is_one_version(ingested: IngestResult) -> None:
    assert [record.version for record in ingested.commits] == list(range(len(COUNTED)))


def test_the_reported_changes_are_those_counted(ingested: IngestResult) -> None:
    found = [(record.counts.inserted, record.counts.updated, record.counts.deleted) for record in ingested.commits]
    assert found == [(inserted, updated, 0) for _, inserted, updated, _, _ in COUNTED]


@pytest.mark.usefixtures("ingested")
def test_the_change_data_feed_shows_the_changes_counted(spark: SparkSession, installation: Settings) -> None:
    reader = spark.read.format("delta").option("readChangeFeed", "true").option("startingVersion", 0)
    feed = reader.load(raw_table_uri(installation.lake, "covid_cases"))
    found = {
        (row["_commit_version"], row["_change_type"]): row["count"]
        for row in feed.groupBy("_commit_version", "_change_type").count().collect()
    }
    expected = {(version, "insert"): inserted for version, (_, inserted, _, _, _) in enumerate(COUNTED)}
    for version, (_, _, updated, _, _) in enumerate(COUNTED):
        expected |= {(version, f"update_{image}image"): updated for image in ("pre", "post")}
    assert found == {kind: count for kind, count in expected.items() if count}


@pytest.mark.parametrize(
    ("older", "changed"), [pytest.param(1, 755, id="seq 106 and 107"), pytest.param(3, 4410, id="seq 108 and 109")]
)
@pytest.mark.usefixtures("ingested")
def test_two_versions_differ_in_the_rows_counted_and_no_other(
    spark: SparkSession, installation: Settings, older: int, changed: int
) -> None:
    tables = RawTables(lake=installation.lake)
    pins = [
        DataPin(tables.pin("covid_cases", version), RowsPin(f"rows of {version}", COUNTED[version][0], ()))
        for version in (older, older + 1)
    ]
    found = row_difference(spark, tables, *pins, EXPERIMENT.table("covid_cases").keys)
    assert (found.added, found.removed, found.changed) == (0, 0, changed)
    assert found.columns["confirmed"]["rows"] == changed
    assert found.counted_from == FEED


@pytest.mark.usefixtures("ingested")
def test_every_version_holds_the_rows_counted(installation: Settings) -> None:
    """Read by another engine than the one that wrote."""
    found = []
    for version, (_, inserted, updated, _, _) in enumerate(COUNTED):
        table = DeltaTable(raw_table_uri(installation.lake, "covid_cases"), version=version).to_pyarrow_table()
        last, total = pc.max(table["date"]).as_py().isoformat(), pc.sum(table["confirmed"]).as_py()
        found.append((table.num_rows, inserted, updated, last, total))
    assert found == COUNTED


@pytest.mark.usefixtures("ingested")
def test_the_same_files_again_make_no_commit_and_start_no_jvm(installation: Settings, real_data: Path) -> None:
    files = sorted((real_data / "jhu").glob("*.csv.gz"))
    again = ingest_files("covid_cases", files, settings=installation, open_spark=no_spark, report=no_report)
    assert {record.state for record in again.commits} == {"skipped"}
    assert read_history(raw_table_uri(installation.lake, "covid_cases")).version == len(COUNTED) - 1


def no_spark() -> SparkSession:
    pytest.fail("nothing is to be committed: no JVM may start")


def test_the_job_files_are_one_version_with_every_row(spark: SparkSession, state: Settings, real_data: Path) -> None:
    files = [real_data / "hr" / "aug_train.csv", real_data / "hr" / "aug_test.csv"]
    result = ingest_files("job_changes", files, settings=state, open_spark=lambda: spark, report=no_report)
    frame = spark.read.format("delta").load(raw_table_uri(state.lake, "job_changes"))
    found = frame.groupBy("labelled", "target").count().orderBy("labelled", "target").collect()
    assert [record.version for record in result.commits] == [0, 0]
    assert [tuple(row) for row in found] == [(False, None, 2129), (True, 0, 14381), (True, 1, 4777)]


def test_only_the_files_without_a_last_line_end_are_read_with_that_and_none_looks_cut(ingested: IngestResult) -> None:
    named = {record.source[:3]: {found.name for found in record.anomalies} for record in ingested.commits}
    line_ends = {name: {"crlf", "no_last_line_end"} for name in ("109", "113", "118", "121", "124")} | {"107": {"crlf"}}
    assert {name: found for name, found in named.items() if found} == line_ends


def test_a_job_file_saved_from_a_spreadsheet_is_read_as_published_and_that_is_told(real_data: Path) -> None:
    published = (real_data / "hr" / "aug_train.csv").read_bytes()
    read, spoilt = (parse_jobs("aug_train.csv", one) for one in (published, published.replace(b"10/49", b"Oct-49")))
    assert fingerprint(spoilt.rows) == fingerprint(read.rows)
    (told,) = [anomaly for anomaly in spoilt.anomalies if anomaly.name == "excel_date"]
    assert (told.count, told.row, told.column) == (published.count(b"10/49"), 17, "company_size")
