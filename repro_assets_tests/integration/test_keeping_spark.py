"""What is pinned can be read after a vacuum and after 60 days, and what can't be read says why: on real Delta tables.

Four tables, each of one insert, one deletion, one update and another deletion: plain, with deletion vectors, with
column mapping (its files lie in folders of random names) and with in-commit timestamps.
"""

from __future__ import annotations

import json
import os
import random
import time
from collections.abc import Callable, Iterator
from contextlib import nullcontext, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import dagster as dg
import pytest
from deltalake import DeltaTable
from deltalake.exceptions import DeltaError

from repro_assets.errors import (
    BadInput,
    DataDamaged,
    NoSuchVersion,
    PinChanged,
    ReproError,
    TableReplaced,
    VersionExpired,
)
from repro_assets.pins.data import DataPin
from repro_assets.pins.retention import Holder
from repro_assets.resources.keeping.proofs import raw_version
from repro_assets.resources.raw.raw_rows import rows_without_spark
from repro_assets.resources.raw.raw_tables import RawTables
from repro_assets.resources.raw.raw_version import examine
from repro_assets.resources.raw.table_files import files_of_version
from repro_assets.verbs import sql as sql_verb
from repro_assets.verbs.sql import plan as plan_query
from repro_assets.verbs.sql import sql
from repro_assets.verbs.vacuum import plan, vacuum
from repro_assets_tests.integration.test_preflight_spark import forget

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

pytestmark = pytest.mark.spark

TABLE = "covid_cases"
VERSIONS = (1, 2, 3, 4)
DAY = 86_400
COMMON = (
    "'delta.logRetentionDuration' = 'interval 3650 days', 'delta.deletedFileRetentionDuration' = 'interval 3650 days', "
    "'delta.enableChangeDataFeed' = 'true', 'delta.checkpointInterval' = '3'"
)
KINDS = {
    "plain": "",
    "deletion vectors": ", 'delta.enableDeletionVectors' = 'true'",
    "column mapping": ", 'delta.columnMapping.mode' = 'name'",
    "in-commit timestamps": ", 'delta.enableInCommitTimestamps' = 'true'",
}


def made(spark: SparkSession, lake: Path, properties: str, common: str = COMMON) -> Path:
    """A table of five versions; the first has no rows."""
    folder = lake / "raw" / TABLE
    name = f"delta.`{folder}`"
    spark.sql(f"CREATE TABLE {name} (id BIGINT, v STRING) USING delta TBLPROPERTIES ({common}{properties})")
    spark.sql(f"INSERT INTO {name} SELECT id, concat('v', id) FROM range(0, 50, 1, 1)")
    spark.sql(f"DELETE FROM {name} WHERE id = 5")
    spark.sql(f"UPDATE {name} SET v = 'x' WHERE id = 7")
    spark.sql(f"DELETE FROM {name} WHERE id = 6")
    return folder


def tables(lake: Path) -> RawTables:
    """As a process sees the lake that starts now."""
    return RawTables(lake=f"file://{lake}")  # unquoted, as the settings have it


def pinned(spark: SparkSession, lake: Path, version: int) -> DataPin:
    raw = tables(lake)
    return raw.with_files(raw.data_pin(raw.pin(TABLE, version), spark))


# One kind with every commit; making the tables takes most of the time.
PARAMS = [
    pytest.param(properties, id=name, marks=() if name == "deletion vectors" else pytest.mark.long)
    for name, properties in KINDS.items()
]


# Where every test makes its own tables: the plain one with every commit.
OWN = [
    pytest.param(properties, id=name, marks=pytest.mark.long if properties else ())
    for name, properties in KINDS.items()
]


@pytest.fixture(params=PARAMS, scope="module")
def kind(request, spark: SparkSession, tmp_path_factory) -> tuple[Path, dict[int, DataPin]]:
    """A lake below a path with a blank, and every version of its table pinned."""
    lake = tmp_path_factory.mktemp("a lake")
    made(spark, lake, request.param)
    return lake, {version: pinned(spark, lake, version) for version in VERSIONS}


@pytest.fixture
def undone(kind) -> Iterator[Path]:
    """The table's folder; whatever a test does to its files is undone."""
    folder = kind[0] / "raw" / TABLE
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    yield folder
    for path, content in before.items():
        path.write_bytes(content)


def read(spark: SparkSession, lake: Path, pin: DataPin) -> None:
    """Read through Spark as a stage does, from a log that Spark does not remember."""
    forget(spark)
    tables(lake).read_verified(spark, pin)


def needed(folder: Path, version: int) -> list[Path]:
    files = files_of_version(f"file://{folder}", version)
    return [folder / path for file in files for path in (file.path, file.vector_path) if path]


def test_everything_that_spark_reads_is_in_the_list_of_files(spark, kind) -> None:
    lake, _ = kind
    folder = lake / "raw" / TABLE
    for version in VERSIONS:
        frame = spark.read.format("delta").option("versionAsOf", version).load(str(folder))
        read_by_spark = {Path(path.replace("%20", " ")).name for path in frame.inputFiles()}
        assert read_by_spark == {path.name for path in needed(folder, version) if path.suffix == ".parquet"}


def test_rows_read_without_spark_are_those_of_the_pin_or_it_is_said_why_not(kind) -> None:
    lake, pins = kind
    for pin in pins.values():
        found = rows_without_spark(tables(lake), pin.commit, pin.rows)
        assert found == pin.rows or found in ("deletion vectors", "column mapping")
        assert raw_version(tables(lake), pin).wrong == ()


@pytest.mark.parametrize("of", ["a data file", "the last file, a deletion vector where there are any"])
def test_a_file_that_is_gone_has_expired_and_a_flipped_bit_is_damage(spark, kind, undone, of) -> None:
    lake, pins = kind
    file = needed(undone, 2)[0 if of == "a data file" else -1]
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    crc = file.with_name(f".{file.name}.crc")
    file.write_bytes(content)
    crc.unlink(missing_ok=True)  # a real disk's fault would not be seen by Hadoop's own sums on other stores either

    (wrong,) = raw_version(tables(lake), pins[2]).wrong
    assert isinstance(wrong, DataDamaged)
    assert file.name in str(wrong.where)
    with suppress(DataDamaged):  # else the bit was none of the rows', which the read has then proved
        read(spark, lake, pins[2])

    file.unlink()
    with pytest.raises(VersionExpired, match=r"1 of \d data files of covid_cases@2 are gone"):
        read(spark, lake, pins[2])


def test_each_of_60_flipped_bits_of_its_files_is_found(kind, undone) -> None:
    lake, pins = kind
    files = sorted(set(needed(undone, 4)))
    whole, chance = {file: file.read_bytes() for file in files}, random.Random(60)
    for number in range(60):
        file = files[number % len(files)]
        content = bytearray(whole[file])
        content[chance.randrange(len(content))] ^= 1 << chance.randrange(8)
        file.write_bytes(content)
        (wrong,) = raw_version(tables(lake), pins[4]).wrong
        assert (type(wrong), file.name in str(wrong.where)) == (DataDamaged, True)
        file.write_bytes(whole[file])


def test_a_flipped_bit_in_an_earlier_commit_is_found_by_verify_and_by_preflight(kind, undone) -> None:
    lake, pins = kind
    earlier = undone / "_delta_log" / f"{1:020d}.json"
    whole, chance = earlier.read_bytes(), random.Random(7)
    for _ in range(60):
        content = bytearray(whole)
        content[chance.randrange(len(content))] ^= 1 << chance.randrange(8)
        earlier.write_bytes(content)
        (wrong,) = raw_version(tables(lake), pins[2]).wrong
        assert (type(wrong), earlier.name in str(wrong.where)) == (DataDamaged, True)
        assert examine(tables(lake), pins[2].commit, datetime.now(UTC)).reasons


def other_table(folder: Path) -> None:
    first = folder / "_delta_log" / f"{0:020d}.json"
    table_id = json.loads(next(line for line in first.read_text().splitlines() if '"metaData"' in line))["metaData"][
        "id"
    ]
    first.write_text(first.read_text().replace(table_id, "00000000-0000-4000-8000-000000000000"))


def rewritten(folder: Path) -> None:
    commit = folder / "_delta_log" / f"{2:020d}.json"
    commit.write_bytes(commit.read_bytes() + b"\n")


def cleaned(folder: Path) -> None:
    for version in (0, 1, 2):
        (folder / "_delta_log" / f"{version:020d}.json").unlink()


def rolled_back(folder: Path) -> None:
    for version in (2, 3, 4):
        (folder / "_delta_log" / f"{version:020d}.json").unlink()


def with_a_gap(folder: Path) -> None:
    (folder / "_delta_log" / f"{1:020d}.json").unlink()


@pytest.mark.parametrize(
    ("break_it", "expected", "words"),
    [
        pytest.param(other_table, TableReplaced, "another table stands", id="another table"),
        pytest.param(rewritten, PinChanged, "not the commit that was pinned", id="a commit rewritten"),
        pytest.param(cleaned, VersionExpired, "log clean-up took it: the log begins at version 3", id="log clean-up"),
        pytest.param(with_a_gap, VersionExpired, "its log has a gap", id="a gap before it"),
        pytest.param(rolled_back, NoSuchVersion, "0 to 1", id="rolled back"),
    ],
)
def test_every_read_that_fails_says_why(spark, kind, undone, break_it, expected, words) -> None:
    lake, pins = kind
    break_it(undone)

    with pytest.raises(ReproError) as raised:
        read(spark, lake, pins[2])
    assert (type(raised.value), words in str(raised.value)) == (expected, True)


def test_a_query_over_a_raw_table_whose_log_has_a_gap_says_so_and_a_misspelt_column_hashes_nothing(
    spark, tmp_path, monkeypatch
) -> None:
    monkeypatch.setenv("REPRO_LAKE", tmp_path.as_uri())
    folder = made(spark, tmp_path, "", COMMON.replace("'3'", "'100'"))
    forget(spark)
    looked: list[object] = []
    monkeypatch.setattr(sql_verb, "cause", lambda *said: looked.append(said))

    with dg.DagsterInstance.ephemeral() as instance:
        with pytest.raises(BadInput, match="UNRESOLVED_COLUMN"):
            sql(plan_query("SELECT casse FROM covid_cases", 0), instance, lambda: spark)
        assert looked == []
        with_a_gap(folder)
        forget(spark)
        with pytest.raises(VersionExpired, match="its log has a gap"):
            sql(plan_query("SELECT * FROM covid_cases", 0), instance, lambda: spark)


@pytest.mark.parametrize("properties", OWN)
def test_a_query_over_a_raw_table_that_cannot_be_read_names_the_file(spark, tmp_path, monkeypatch, properties) -> None:
    monkeypatch.setenv("REPRO_LAKE", tmp_path.as_uri())
    folder = made(spark, tmp_path, properties)
    forget(spark)
    gone = next(path for path in needed(folder, 4) if path.suffix == ".parquet")
    gone.unlink()

    with dg.DagsterInstance.ephemeral() as instance, pytest.raises(VersionExpired, match=gone.name):
        sql(plan_query("SELECT * FROM covid_cases", 0), instance, lambda: spark)


def checkpoint_by_spark(spark: SparkSession, folder: Path) -> None:
    """Of any kind of table; what is older than the table's retention is cleaned up at once."""
    forget(spark)
    spark._jvm.org.apache.spark.sql.delta.DeltaLog.forTable(spark._jsparkSession, str(folder)).checkpoint()


def aged(folder: Path, make_checkpoint: Callable[[], None]) -> None:
    """Its five commits, what they say of their files and of themselves, and the files, as of 60 days ago."""
    moment = time.time() - 60 * DAY
    millis = int(moment * 1000)
    for number in range(5):
        commit = folder / "_delta_log" / f"{number:020d}.json"
        lines = [json.loads(line) for line in commit.read_text().splitlines()]
        for line in lines:
            for action, field in (
                ("commitInfo", "timestamp"),
                ("add", "modificationTime"),
                ("remove", "deletionTimestamp"),
            ):
                if action in line:
                    line[action][field] = millis + number * 1000
            if "inCommitTimestamp" in line.get("commitInfo", {}):
                line["commitInfo"]["inCommitTimestamp"] = millis + number * 1000
        commit.write_text("".join(f"{json.dumps(line)}\n" for line in lines))
        os.utime(commit, (moment + number, moment + number))
    # A checkpoint repeats when files were removed, and Spark's sums of a version when it was committed.
    for repeats in (*(folder / "_delta_log").glob("*checkpoint*"), *(folder / "_delta_log").glob("*.crc")):
        repeats.unlink(missing_ok=True)
    make_checkpoint()
    for checkpoint in (folder / "_delta_log").glob("*.checkpoint.parquet"):
        os.utime(checkpoint, (moment + 5, moment + 5))
    for file in folder.rglob("*"):
        if file.is_file() and "_delta_log" not in file.parts:
            os.utime(file, (moment, moment))


def data_files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file() and "_delta_log" not in path.parts]


def over_a_checkpoint(spark: SparkSession, folder: Path) -> None:
    """Commits of today, up to a checkpoint, at which Delta cleans its log."""
    for number in range(4):
        spark.sql(f"INSERT INTO delta.`{folder}` VALUES ({100 + number}, 'new')")
    forget(spark)


def vacuumed(spark: SparkSession, folder: Path) -> None:
    """As by somebody else, who knows nothing of pins; in two tasks instead of Spark's 10,000."""
    tasks = "spark.sql.sources.parallelPartitionDiscovery.parallelism"
    spark.conf.set(tasks, "2")
    try:
        spark.sql(f"VACUUM delta.`{folder}`").collect()
    finally:
        spark.conf.unset(tasks)
        forget(spark)


@pytest.mark.parametrize("properties", OWN)
def test_after_60_days_a_log_clean_up_and_somebody_elses_vacuum_every_pinned_version_is_still_read(
    spark, tmp_path, properties
) -> None:
    folder = made(spark, tmp_path, properties)
    aged(folder, lambda: checkpoint_by_spark(spark, folder))
    forget(spark)
    pins = {version: pinned(spark, tmp_path, version) for version in VERSIONS}
    over_a_checkpoint(spark, folder)
    vacuumed(spark, folder)
    with suppress(DeltaError) if properties else nullcontext():  # of tables that it can't write it takes nothing
        DeltaTable(folder).vacuum(dry_run=False)

    for version, pin in pins.items():
        read(spark, tmp_path, pin)
        assert raw_version(tables(tmp_path), pin).wrong == ()
        found = rows_without_spark(tables(tmp_path), pin.commit, pin.rows)
        assert found == pin.rows or (properties and found in ("deletion vectors", "column mapping"))
        assert examine(tables(tmp_path), pin.commit, datetime.now(UTC)).reasons == ()
        assert DeltaTable(folder, version=version).version() == version


def test_without_the_retention_properties_the_same_60_days_take_pinned_versions(spark, tmp_path) -> None:
    folder = made(spark, tmp_path, "", COMMON.replace("3650", "30"))
    aged(folder, lambda: DeltaTable(folder).create_checkpoint())
    forget(spark)
    with pytest.raises(VersionExpired, match=r"older than delta\.deletedFileRetentionDuration"):
        pinned(spark, tmp_path, 2)
    over_a_checkpoint(spark, folder)

    before = data_files(folder)
    vacuumed(spark, folder)

    assert set(before) - set(data_files(folder))
    assert not (folder / "_delta_log" / f"{2:020d}.json").exists()
    assert tables(tmp_path).versions(TABLE)[0] > 2


# The last: it takes files of the tables that the tests above share.
def test_after_a_vacuum_kept_versions_read_as_before_and_the_others_say_what_took_them(spark, kind) -> None:
    lake, pins = kind
    holders = [Holder(f"covid_cases-v{version:06d}--job_changes-v000000", "run x") for version in (2, 4)]
    wanted = plan(TABLE, tables(lake), holders, ())
    assert {1, 3} >= set(wanted.expired) >= {3}
    log = {path.name for path in (lake / "raw" / TABLE / "_delta_log").iterdir()}

    vacuum(wanted, tables(lake), lambda: spark)

    forget(spark)
    for version in (2, 4):
        raw = tables(lake)
        assert raw.data_pin(pins[version].commit, spark).rows == pins[version].rows
        found = rows_without_spark(raw, pins[version].commit, pins[version].rows)
        assert found == pins[version].rows or isinstance(found, str)
        assert raw_version(raw, pins[version]).wrong == ()
    for version in wanted.expired:
        with pytest.raises(VersionExpired, match=r"`repro vacuum` by .* no pin kept them"):
            read(spark, lake, pins[version])
    assert log <= {path.name for path in (lake / "raw" / TABLE / "_delta_log").iterdir()}
    assert plan(TABLE, tables(lake), holders, ()).remove == ()
