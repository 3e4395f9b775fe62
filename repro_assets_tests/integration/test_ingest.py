"""Publications become Delta commits: what the table, its log and its change data feed say afterwards."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from repro_assets.errors import BadInput, DataDamaged, MalformedFeed, Outside, VersionExpired
from repro_assets.feeds.delta_commit import TABLE_PROPERTIES, BatchItem, commit_batch
from repro_assets.feeds.history import TableHistory, read_commit_info, read_history
from repro_assets.feeds.jhu import LEADING_COLUMNS
from repro_assets.feeds.kaggle import COLUMNS
from repro_assets.feeds.published_file import open_published
from repro_assets.feeds.registry import FEEDS
from repro_assets.resources.raw.raw_tables import raw_table_uri
from repro_assets.settings import Settings
from repro_assets.verbs.ingest import IngestRecord, IngestResult, IngestStopped, ingest_files, ingest_git

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

pytestmark = pytest.mark.spark

CASES = FEEDS["covid_cases"]


def wide(counts: Mapping[int, tuple[int, ...]], fips: str = "1001.0") -> bytes:
    days = [f"6/{10 + number}/20" for number in range(len(next(iter(counts.values()))))]
    rows = [f"{uid},US,USA,{uid},{fips},,,US,,,,{','.join(map(str, row))}" for uid, row in counts.items()]
    return "\n".join([",".join([*LEADING_COLUMNS, *days]), *rows, ""]).encode()


def jobs(people: Mapping[int, str], *, labelled: bool) -> bytes:
    header = ",".join(COLUMNS) + (",target" if labelled else "")
    rows = [f"{key},city_1,0.5,{gender},,,,,,,,,8" + (",1.0" if labelled else "") for key, gender in people.items()]
    return "\n".join([header, *rows, ""]).encode()


class Lake:
    """One installation, its session, and files to ingest."""

    def __init__(self, spark: SparkSession, state: Settings, folder: Path) -> None:
        self.spark, self.state, self.folder = spark, state, folder

    def uri(self, table: str) -> str:
        return raw_table_uri(self.state.lake, table)

    def ingest(self, table: str, **contents: bytes) -> IngestResult:
        files = [self.folder / f"{name}.csv" for name in contents]
        for file, content in zip(files, contents.values(), strict=True):
            file.write_bytes(content)
        return ingest_files(table, files, settings=self.state, open_spark=lambda: self.spark, report=lambda line: None)

    def rows(self, table: str) -> list[tuple[Any, ...]]:
        frame = self.spark.read.format("delta").load(self.uri(table))
        return sorted((tuple(row) for row in frame.collect()), key=str)

    def changes(self, table: str, version: int) -> DataFrame:
        reader = self.spark.read.format("delta").option("readChangeFeed", "true")
        return reader.option("startingVersion", version).option("endingVersion", version).load(self.uri(table))

    def version(self, table: str) -> int | None:
        return read_history(self.uri(table)).version


@pytest.fixture
def lake(spark: SparkSession, state: Settings, tmp_path: Path) -> Lake:
    return Lake(spark, state, tmp_path)


def outcomes(records: list[IngestRecord]) -> list[tuple[str, int | None]]:
    return [(record.state, record.version) for record in records]


def counts(record: IngestRecord) -> tuple[int, int, int]:
    return record.counts.inserted, record.counts.updated, record.counts.deleted


def test_the_first_publication_creates_the_table_in_one_commit(lake: Lake) -> None:
    (record,) = lake.ingest("covid_cases", a=wide({1: (3, 5), 2: (0, 1)})).commits
    assert (record.state, record.version, counts(record)) == ("committed", 0, (4, 0, 0))
    assert lake.version("covid_cases") == 0
    assert len(lake.rows("covid_cases")) == 4


def test_the_table_has_the_properties_that_keep_old_versions(lake: Lake) -> None:
    lake.ingest("covid_cases", a=wide({1: (3,)}))
    detail = lake.spark.sql(f"DESCRIBE DETAIL delta.`{lake.uri('covid_cases')}`").collect()[0]
    assert {name: detail["properties"].get(name) for name in TABLE_PROPERTIES} == TABLE_PROPERTIES


def test_the_log_holds_no_persons_id(lake: Lake) -> None:
    lake.ingest("job_changes", a=jobs({7300401: "Male", 7300402: ""}, labelled=True))
    lake.ingest("job_changes", a=jobs({7300401: "Female", 7300402: "", 7300403: ""}, labelled=True))
    log = Path(lake.uri("job_changes").removeprefix("file://")) / "_delta_log"
    texts = {path.name: path.read_text() for path in log.glob("0*") if path.is_file()}
    assert len(texts) >= 2
    assert [name for name, text in texts.items() if "73004" in text] == []


def test_inserts_corrections_and_deletions_show_in_the_change_data_feed(lake: Lake) -> None:
    first, second = wide({1: (3, 5), 2: (0, 1), 3: (9, 9)}), wide({1: (3, 6, 7), 2: (0, 1, 1)})
    _, record = lake.ingest("covid_cases", a=first, b=second).commits
    changes = lake.changes("covid_cases", 1).collect()
    assert counts(record) == (2, 1, 2)
    assert sorted((row["_change_type"], row["uid"], str(row["date"]), row["confirmed"]) for row in changes) == [
        ("delete", 3, "2020-06-10", 9),
        ("delete", 3, "2020-06-11", 9),
        ("insert", 1, "2020-06-12", 7),
        ("insert", 2, "2020-06-12", 1),
        ("update_postimage", 1, "2020-06-11", 6),
        ("update_preimage", 1, "2020-06-11", 5),
    ]


def test_every_commit_names_its_publication(lake: Lake) -> None:
    lake.ingest("covid_cases", a_2020_06_11=wide({1: (3,)}), b=wide({1: (4,)}))
    lake_history = read_history(lake.uri("covid_cases"))
    assert [item.publication.source for item in lake_history.recorded] == ["a_2020_06_11.csv", "b.csv"]
    assert all(len(item.publication.sha256) == 64 for item in lake_history.recorded)


def test_a_publication_that_only_adds_rows_rewrites_no_file(lake: Lake) -> None:
    lake.ingest("covid_cases", a=wide({1: (3,)}), b=wide({1: (3, 5)}))
    metrics = read_commit_info(lake.uri("covid_cases"), 1)["operationMetrics"]
    assert (metrics["numTargetRowsInserted"], metrics["numTargetFilesRemoved"]) == ("1", "0")


def test_only_changed_rows_enter_the_merge(lake: Lake) -> None:
    lake.ingest("covid_cases", a=wide({1: (3, 5), 2: (0, 1)}), b=wide({1: (3, 6), 2: (0, 1)}))
    info = read_commit_info(lake.uri("covid_cases"), 1)
    assert (info["operation"], info["operationMetrics"]["numSourceRows"]) == ("MERGE", "1")


def test_a_file_that_changes_nothing_makes_no_commit_and_is_known_afterwards(lake: Lake) -> None:
    spelled_anew = wide({1: (3,)}, fips="1001")
    files = {"a_2020-06-11": wide({1: (3,)}), "b_2020-06-12": spelled_anew, "c_2020-06-13": wide({1: (4,)})}
    assert outcomes(lake.ingest("covid_cases", **files).commits) == [
        ("committed", 0),
        ("unchanged", None),
        ("committed", 1),
    ]
    assert outcomes(lake.ingest("covid_cases", **files).commits) == [("skipped", 0), ("skipped", None), ("skipped", 1)]


def test_a_publisher_may_go_back_to_an_earlier_content(lake: Lake) -> None:
    days = {f"cases_2020-06-1{day}": wide({1: (count,)}) for day, count in ((1, 3), (2, 4), (3, 3))}
    assert outcomes(lake.ingest("covid_cases", **days).commits) == [("committed", version) for version in range(3)]


def test_files_before_a_malformed_one_stay_and_it_makes_no_commit(lake: Lake) -> None:
    good, bad = wide({1: (3,)}), wide({1: (3,)}) + b"2,\n"
    with pytest.raises(IngestStopped, match=r"\[bad.csv, row 3") as caught:
        lake.ingest("covid_cases", good=good, bad=bad, later=wide({1: (9,)}))
    assert outcomes(caught.value.result.commits) == [("committed", 0), ("refused", None)]
    assert lake.version("covid_cases") == 0


def test_both_job_files_in_one_call_are_one_commit_that_names_both(lake: Lake) -> None:
    train, test = jobs({1: "Male", 2: ""}, labelled=True), jobs({3: "Female"}, labelled=False)
    records = lake.ingest("job_changes", train=train, test=test).commits
    assert [(record.version, counts(record)) for record in records] == [(0, (2, 0, 0)), (0, (1, 0, 0))]
    assert [item.version for item in read_history(lake.uri("job_changes")).recorded] == [0, 0]


def test_each_job_file_replaces_only_its_own_part(lake: Lake) -> None:
    lake.ingest("job_changes", train=jobs({1: "Male", 2: ""}, labelled=True))
    lake.ingest("job_changes", test=jobs({3: "Female"}, labelled=False))
    (record,) = lake.ingest("job_changes", train_2=jobs({2: "Male", 4: ""}, labelled=True)).commits
    assert (record.version, counts(record)) == (2, (1, 1, 1))
    assert [(row[0], row[3], row[-1]) for row in lake.rows("job_changes")] == [
        (2, "Male", True),
        (3, "Female", False),
        (4, None, True),
    ]


def test_a_person_of_the_other_part_is_refused_and_nothing_is_committed(lake: Lake) -> None:
    lake.ingest("job_changes", train=jobs({1: "", 2: ""}, labelled=True))
    with pytest.raises(IngestStopped, match=r"other part \[test.csv, row 3, column enrollee_id\]: stored 2") as caught:
        lake.ingest("job_changes", test=jobs({3: "", 2: ""}, labelled=False))
    assert isinstance(caught.value.error, MalformedFeed)
    assert lake.version("job_changes") == 0


def test_a_person_who_got_a_label_is_an_update_where_both_files_are_given(lake: Lake) -> None:
    lake.ingest("job_changes", a=jobs({1: ""}, labelled=True), b=jobs({2: "", 3: ""}, labelled=False))
    records = lake.ingest("job_changes", c=jobs({1: "", 2: ""}, labelled=True), d=jobs({3: ""}, labelled=False)).commits
    assert [(record.version, counts(record)) for record in records] == [(1, (0, 1, 0)), (1, (0, 0, 0))]


def batch(content: bytes) -> list[BatchItem]:
    file = open_published("cases.csv", content, None)
    return [BatchItem(file.publication, CASES.parse("cases.csv", file.content))]


def test_of_two_that_create_a_table_the_second_fails_and_the_first_stays(lake: Lake) -> None:
    lake.ingest("covid_cases", a=wide({1: (3,)}))
    before = lake.rows("covid_cases")
    with pytest.raises(Outside, match="Spark could not commit"):
        commit_batch(lake.spark, CASES, TableHistory(lake.uri("covid_cases")), batch(wide({1: (4,)})))
    assert (lake.rows("covid_cases"), lake.version("covid_cases")) == (before, 0)


def test_a_commit_between_comparison_and_merge_is_not_overlooked(lake: Lake) -> None:
    lake.ingest("covid_cases", a=wide({1: (3,)}))
    compared = read_history(lake.uri("covid_cases"))
    lake.ingest("covid_cases", b=wide({1: (4,)}))
    with pytest.raises(DataDamaged, match=r"another writer.*based on version 0"):
        commit_batch(lake.spark, CASES, compared, batch(wide({1: (5,)})))


def test_a_key_that_stands_twice_in_the_table_stops_the_commit(lake: Lake) -> None:
    lake.ingest("covid_cases", a=wide({1: (3,)}))
    lake.spark.read.format("delta").load(lake.uri("covid_cases")).write.format("delta").mode("append").save(
        lake.uri("covid_cases")
    )
    with pytest.raises(IngestStopped, match="a key stands twice in the table"):
        lake.ingest("covid_cases", b=wide({1: (4,)}))


@pytest.mark.parametrize(
    ("break_it", "expected"),
    [
        pytest.param(Path.unlink, VersionExpired, id="gone"),
        pytest.param(lambda file: file.write_bytes(file.read_bytes()[:-1]), DataDamaged, id="cut"),
    ],
)
def test_a_publication_onto_a_version_that_cannot_be_read_names_the_file(lake: Lake, break_it, expected) -> None:
    lake.ingest("covid_cases", a=wide({1: (3,)}))
    (file,) = Path(lake.uri("covid_cases").removeprefix("file://")).glob("*.parquet")
    break_it(file)

    with pytest.raises(IngestStopped, match=file.name) as caught:
        lake.ingest("covid_cases", b=wide({1: (4,)}))
    assert (type(caught.value.error), lake.version("covid_cases")) == (expected, 0)


def test_a_table_with_other_columns_is_refused(lake: Lake) -> None:
    lake.spark.range(3).write.format("delta").save(lake.uri("covid_cases"))
    with pytest.raises(IngestStopped, match="other columns than its feed") as caught:
        lake.ingest("covid_cases", a=wide({1: (3,)}))
    assert isinstance(caught.value.error, BadInput)


def test_the_session_keeps_its_own_commit_text(lake: Lake) -> None:
    lake.ingest("covid_cases", a=wide({1: (3,)}))
    lake.spark.conf.set("spark.databricks.delta.commitInfo.userMetadata", "mine")
    try:
        lake.ingest("covid_cases", b=wide({1: (4,)}))
        assert lake.spark.conf.get("spark.databricks.delta.commitInfo.userMetadata") == "mine"
    finally:
        lake.spark.conf.unset("spark.databricks.delta.commitInfo.userMetadata")


def test_every_version_of_a_git_clone_is_a_commit(lake: Lake) -> None:
    repo = lake.folder / "repo"
    repo.mkdir()
    git(repo, 0, "init", "--quiet")
    for hour, content in enumerate((wide({1: (3,)}), wide({1: (4,)}), b"UID\n", None, wide({1: (5,)}))):
        if content is None:
            (repo / "cases.csv").unlink()
        else:
            (repo / "cases.csv").write_bytes(content)
        git(repo, hour, "add", "--all")
        git(repo, hour, "commit", "--quiet", "--message=publish")
    result = ingest_git(
        "covid_cases",
        repo,
        settings=lake.state,
        open_spark=lambda: lake.spark,
        report=lambda line: None,
        path="cases.csv",
        skip_refused=True,
    )
    assert outcomes(result.commits) == [
        ("committed", 0),
        ("committed", 1),
        ("refused", None),
        ("skipped", None),
        ("committed", 2),
    ]
    assert [record.published for record in result.commits][:2] == ["2020-06-11T00:00:00Z", "2020-06-11T01:00:00Z"]


def git(repo: Path, hour: int, *arguments: str) -> None:
    identity = {f"GIT_{who}_{what}": "a@b.example" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    dates = {f"GIT_{who}_DATE": f"2020-06-11T{hour:02d}:00:00Z" for who in ("AUTHOR", "COMMITTER")}
    variables = {"PATH": os.environ["PATH"], "HOME": str(repo), **identity, **dates}
    subprocess.run(["git", "-C", str(repo), *arguments], env=variables, check=True, capture_output=True)
