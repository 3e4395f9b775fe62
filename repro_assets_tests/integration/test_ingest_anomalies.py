"""Anomalies that only a table can show, what a commit says about them, and a crash at any file that a commit writes."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from repro_assets.feeds import delta_commit
from repro_assets.feeds.anomalies import AnomalyRefused
from repro_assets.feeds.history import read_commit_info, read_history
from repro_assets.feeds.jhu import LEADING_COLUMNS
from repro_assets.feeds.kaggle import COLUMNS
from repro_assets.resources.raw.raw_tables import raw_table_uri
from repro_assets.settings import Settings
from repro_assets.verbs import ingest as verb
from repro_assets.verbs.ingest import IngestResult, IngestStopped, ingest_files

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

pytestmark = pytest.mark.spark


def wide(counts: Mapping[int, tuple[object, ...]], days: str = "6/10/20,6/11/20") -> bytes:
    labels = "," * (len(LEADING_COLUMNS) - 1)
    rows = [f"{uid}{labels},{','.join(map(str, row))}" for uid, row in counts.items()]
    return "\n".join([f"{','.join(LEADING_COLUMNS)},{days}", *rows, ""]).encode()


def jobs(people: range, *, labelled: bool) -> bytes:
    header = ",".join(COLUMNS) + (",target" if labelled else "")
    rows = [f"{person},city_1,0.5,,,,,,,,,,8" + (",1.0" if labelled else "") for person in people]
    return "\n".join([header, *rows, ""]).encode()


COUNTIES = {uid: (uid % 7, uid % 7 + 1) for uid in range(1, 401)}


def without(gone: int) -> dict[int, tuple[int, int]]:
    return {uid: row for uid, row in COUNTIES.items() if uid > gone}


class Lake:
    """One installation and its session."""

    def __init__(self, spark: SparkSession, state: Settings, folder: Path) -> None:
        self.spark, self.state, self.folder = spark, state, folder

    def uri(self, table: str = "covid_cases") -> str:
        return raw_table_uri(self.state.lake, table)

    def place(self, table: str = "covid_cases") -> Path:
        return Path(self.uri(table).removeprefix("file://"))

    def ingest(self, table: str = "covid_cases", accept: tuple[str, ...] = (), **contents: bytes) -> IngestResult:
        files = [self.folder / f"{name}.csv" for name in contents]
        for file, content in zip(files, contents.values(), strict=True):
            file.write_bytes(content)
        return ingest_files(
            table, files, settings=self.state, open_spark=lambda: self.spark, report=lambda line: None, accept=accept
        )

    def rows(self, table: str = "covid_cases") -> list[tuple[Any, ...]]:
        """Read by another engine than the one that wrote."""
        from deltalake import DeltaTable

        found = DeltaTable(self.uri(table)).to_pyarrow_table().to_pylist()
        return sorted((tuple(row.values()) for row in found), key=str)

    def recorded(self, table: str = "covid_cases", version: int = 0) -> list[list[dict[str, Any]]]:
        """Anomalies of every publication of a commit, as they stand in it."""
        document = json.loads(read_commit_info(self.uri(table), version)["userMetadata"])
        return [publication["anomalies"] for publication in document["publications"]]


@pytest.fixture(scope="module")
def lake(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Lake:
    """Two tables with a first publication each, which the tests leave as they are."""
    from repro_assets import settings

    folder = tmp_path_factory.mktemp("anomalies")
    lake = Lake(spark, settings.load({"REPRO_VAR": str(folder / "var")}), folder)
    lake.ingest(first=wide(COUNTIES))
    lake.ingest("job_changes", train=jobs(range(300), labelled=True), test=jobs(range(300, 400), labelled=False))
    return lake


@pytest.fixture
def copy(lake: Lake, tmp_path: Path) -> Lake:
    """An installation of one's own with the same tables."""
    from repro_assets import settings

    shutil.copytree(lake.state.var, tmp_path / "var")
    return Lake(lake.spark, settings.load({"REPRO_VAR": str(tmp_path / "var")}), tmp_path)


def test_more_than_one_per_cent_of_the_counties_gone_is_refused_and_nothing_is_committed(lake: Lake) -> None:
    with pytest.raises(IngestStopped, match=r"keys_gone - .*\[gone.csv, column uid\]: stored 5 of 400.*--accept") as no:
        lake.ingest(gone=wide(without(5)))
    assert isinstance(no.value.error, AnomalyRefused)
    assert no.value.exit_code == 2
    (record,) = no.value.result.commits
    assert (record.state, [found.name for found in record.anomalies]) == ("refused", ["keys_gone"])
    assert read_history(lake.uri()).version == 0


def test_so_are_days_and_people_of_one_part(lake: Lake) -> None:
    with pytest.raises(IngestStopped, match=r"keys_gone - .*\[test.csv, column enrollee_id\]: stored 3 of 100"):
        lake.ingest("job_changes", test=jobs(range(303, 400), labelled=False))


def test_no_county_may_go_where_the_last_line_end_is_missing_too(lake: Lake) -> None:
    few = {uid: row for uid, row in COUNTIES.items() if uid <= 399}
    with pytest.raises(IngestStopped, match=r"keys_gone - .*stored 1 of 400 .*expected none, as the last line end"):
        lake.ingest(cut=wide(few).removesuffix(b"\n"))
    assert read_history(lake.uri()).version == 0


def test_every_date_header_misspelt_by_a_day_is_refused(lake: Lake) -> None:
    moved = wide(COUNTIES).replace(b"6/11/20", b"6/12/20").replace(b"6/10/20", b"6/11/20")
    with pytest.raises(IngestStopped, match=r"keys_gone - .*column date\]: .*2020-06-10, expected every day before"):
        lake.ingest(moved=moved)
    assert read_history(lake.uri()).version == 0


def test_the_newest_day_may_be_taken_back(copy: Lake) -> None:
    (record,) = copy.ingest(shorter=wide({uid: row[:1] for uid, row in COUNTIES.items()}, "6/10/20")).commits
    assert [(one.name, one.column) for one in record.anomalies] == [("few_keys_gone", "date")]


def test_other_values_for_many_rows_are_refused_and_accepted_by_name(copy: Lake) -> None:
    other = wide({uid: tuple(count + 1 for count in row) for uid, row in COUNTIES.items()})
    with pytest.raises(
        IngestStopped, match=r"many_rows_changed - .*stored 743 of 743 rows .*expected at most 148.*--acc"
    ):
        copy.ingest(other=other)
    assert read_history(copy.uri()).version == 0

    (record,) = copy.ingest(accept=("many_rows_changed",), other=other).commits
    assert (record.counts.updated, copy.recorded(version=1)[0][-1]["accepted"]) == (800, True)


def test_some_rows_may_be_corrected(copy: Lake) -> None:
    some = {uid: (row[0], row[1] + (uid <= 148)) for uid, row in COUNTIES.items()}
    (record,) = copy.ingest(some=wide(some)).commits
    assert (record.counts.updated, record.anomalies) == (148, ())


def test_one_per_cent_of_the_counties_may_go_and_the_commit_and_the_line_say_so(copy: Lake) -> None:
    (record,) = copy.ingest(gone=wide(without(4))).commits
    expected = {"name": "few_keys_gone", "count": 4, "row": None, "column": "uid"}
    assert (record.counts.deleted, copy.recorded(version=1)) == (8, [[expected]])
    assert record.as_line().endswith("8 deleted; read with few_keys_gone (4, column uid)")


def test_keys_that_went_and_were_accepted_stand_in_the_commit_without_the_keys(copy: Lake) -> None:
    (record,) = copy.ingest(accept=("keys_gone",), gone=wide(without(5))).commits
    expected = {"name": "keys_gone", "count": 5, "row": None, "column": "uid", "accepted": True}
    assert copy.recorded(version=1) == [[expected]]
    assert record.as_dict()["anomalies"] == [expected]
    assert read_history(copy.uri()).recorded[-1].publication.anomalies == record.anomalies


def test_people_who_got_a_label_are_not_gone(copy: Lake) -> None:
    records = copy.ingest(
        "job_changes", train=jobs(range(350), labelled=True), test=jobs(range(350, 400), labelled=False)
    ).commits
    assert [(record.counts.updated, record.counts.deleted) for record in records] == [(50, 0), (0, 0)]


def test_a_fall_is_accepted_once_and_a_new_one_is_refused_in_a_first_file_and_in_a_later_one(
    spark: SparkSession, state: Settings, tmp_path: Path
) -> None:
    fallen, days = {1: (4000, 0), 2: (3000, 3001)}, "6/10/20,6/11/20,6/12/20"
    own = Lake(spark, state, tmp_path)
    with pytest.raises(IngestStopped, match=r"falling_total - .*\[first.csv, row 2, column 6/11/20\]"):
        own.ingest(first=wide(fallen))
    assert read_history(own.uri()).version is None

    own.ingest(first=wide(fallen), accept=("falling_total", "falling_count"))
    (record,) = own.ingest(second=wide({1: (4000, 0, 4002), 2: (3000, 3001, 3002)}, days)).commits
    assert (record.version, record.counts.inserted, record.anomalies) == (1, 2, ())
    assert [[found["name"] for found in one] for one in own.recorded()] == [["falling_total", "falling_count"]]

    with pytest.raises(IngestStopped, match=r"falling_total - .*\[third.csv, row 3, column 6/12/20\]"):
        own.ingest(third=wide({1: (4000, 0, 4002), 2: (9000, 9001, 0)}, days))


def test_a_blank_count_becomes_a_null_row_and_is_reported_in_the_commit(copy: Lake) -> None:
    blank = wide({**COUNTIES, 2: ("", 3), 5: (5, "")})
    (record,) = copy.ingest(blank=blank).commits
    assert [row for row in copy.rows() if row[2] is None] == [
        row for row in copy.rows() if (row[0], row[1].day) in {(2, 10), (5, 11)}
    ]
    assert (record.counts.updated, copy.recorded(version=1)[0]) == (
        2,
        [
            {
                "name": "blank_count",
                "count": 2,
                "row": 3,
                "column": "6/10/20",
                "examples": [{"row": 3, "column": "6/10/20"}, {"row": 6, "column": "6/11/20"}],
            }
        ],
    )
    filled = copy.ingest(filled=wide({**COUNTIES, 2: (2, 4)})).commits
    assert (filled[0].counts.updated, filled[0].anomalies) == (3, ())


SECOND = wide({uid: (*row, row[1] + uid % 2) for uid, row in without(1).items()}, "6/10/20,6/11/20,6/12/20")


def files_below(folder: Path) -> set[Path]:
    return {path.relative_to(folder) for path in folder.rglob("*") if path.is_file()}


def when_it_appears(table: Path, path: Path) -> tuple[int, bool]:
    """Hadoop's local file system puts a file in its place, then the file of its checksum."""
    is_checksum = path.suffix == ".crc" and path.name.startswith(".")
    main = path.with_name(path.stem[1:]) if is_checksum else path
    return (table / main).stat().st_mtime_ns, is_checksum


@pytest.mark.long
def test_a_crash_at_any_file_that_a_commit_writes_leaves_the_old_table_or_the_new_one(
    lake: Lake, copy: Lake, tmp_path: Path
) -> None:
    """For every N: the table as the first N files that the commit writes leave it, then the same command again."""
    old, table = lake.rows(), copy.place()
    before = files_below(table)
    copy.ingest(second=SECOND)
    new, whole = copy.rows(), tmp_path / "whole"
    written = sorted(files_below(table) - before, key=lambda path: when_it_appears(table, path))
    commit = written.index(Path("_delta_log") / f"{1:020d}.json")
    assert commit >= 1
    table.rename(whole)
    for number in range(len(written) + 1):
        shutil.rmtree(table, ignore_errors=True)
        shutil.copytree(lake.place(), table)
        for path in written[:number]:
            (table / path).parent.mkdir(exist_ok=True)
            shutil.copy2(whole / path, table / path)
        assert copy.rows() == (new if number > commit else old)
        (record,) = copy.ingest(second=SECOND).commits
        assert (record.state, record.version) == ("skipped" if number > commit else "committed", 1)
        assert copy.rows() == new
        assert [item.version for item in read_history(copy.uri()).recorded] == [0, 1]


EFFECTS = ((delta_commit, "_create"), (delta_commit, "_merge"), (verb, "note_unchanged"))


class Crash(BaseException):
    """The process ends here."""


@pytest.mark.long
@pytest.mark.parametrize("done", range(len(EFFECTS) + 1))
def test_a_crash_at_any_side_effect_loses_nothing_and_doubles_nothing(
    lake: Lake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, done: int
) -> None:
    """Three publications in one call: the first makes the table, the second changes it, the third changes nothing."""
    from repro_assets import settings

    mine = Lake(lake.spark, settings.load({"REPRO_VAR": str(tmp_path / "var")}), tmp_path)
    few = {uid: COUNTIES[uid] for uid in range(1, 4)}
    spelled_anew = wide({f"{uid}.0": row for uid, row in {**few, 3: (9, 9)}.items()})
    contents = {"a": wide(few), "b": wide({**few, 3: (9, 9)}), "c": spelled_anew}
    count = 0

    def crashing(effect: Any) -> Any:
        def call(*arguments: Any) -> Any:
            nonlocal count
            if count == done:
                raise Crash
            count += 1
            result = effect(*arguments)
            if count == done == len(EFFECTS):
                raise Crash
            return result

        return call

    with monkeypatch.context() as patched:
        for module, name in EFFECTS:
            patched.setattr(module, name, crashing(getattr(module, name)))
        with pytest.raises(Crash):
            mine.ingest(**contents)
    states = [record.state for record in mine.ingest(**contents).commits]
    assert states == [*["skipped"] * done, *["committed", "committed", "unchanged"][done:]]
    assert [item.version for item in read_history(mine.uri()).recorded] == [0, 1, None]
    assert {row[0]: row[2] for row in mine.rows() if row[1].day == 11} == {1: 2, 2: 3, 3: 9}
