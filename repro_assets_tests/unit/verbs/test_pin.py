"""Which data version a person means."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from repro_assets.errors import BadInput, NoSuchVersion, Outside, VersionExpired
from repro_assets.feeds.publication import Publication, to_user_metadata
from repro_assets.pins.retention import Holder
from repro_assets.resources.keeping.proofs import Stores
from repro_assets.resources.raw import table_lock
from repro_assets.resources.raw.given_up import give_up, given_up
from repro_assets.resources.raw.raw_tables import RawTables
from repro_assets.settings import load
from repro_assets.verbs import commands_data
from repro_assets.verbs.pin import pin, plan
from repro_assets.verbs.verify import pinned_keys, verify
from repro_assets_tests.unit.delta_log import commit, write_table

DAY = 1_591_920_000_000  # 2020-06-12T00:00Z
HOUR = 3_600_000


def published(*times: str) -> str:
    return to_user_metadata([Publication(f"{time}.csv", "0" * 64, "0" * 64, time) for time in times])


HISTORY = {
    "covid_cases": [
        commit(0, DAY, user_metadata=published("2020-06-10T05:00:00Z")),
        commit(1, DAY + HOUR, changes_rows=False),
        commit(2, DAY + 2 * HOUR, user_metadata=published("2020-06-11T05:00:00Z")),
        commit(3, DAY + 30 * HOUR, user_metadata=published("2020-06-12T05:00:00Z", "2020-06-13T05:00:00Z")),
        commit(4, DAY + 31 * HOUR, changes_rows=False),
    ],
    "job_changes": [commit(0, DAY, changes_rows=False), commit(1, DAY + HOUR, user_metadata="somebody's note")],
}


def key(cases: int, jobs: int) -> str:
    return f"covid_cases-v{cases:06d}--job_changes-v{jobs:06d}"


def test_without_arguments_every_table_stands_at_its_newest_rows() -> None:
    assert plan(HISTORY).key == key(3, 1)


@pytest.mark.parametrize(
    ("specs", "expected"),
    [
        pytest.param(["covid_cases@2"], key(2, 1), id="one table"),
        pytest.param(["job_changes@1", "covid_cases@0"], key(0, 1), id="both, in any order"),
        pytest.param(["covid_cases@1"], key(1, 1), id="a version that changed no row"),
        pytest.param(["covid_cases@000002"], key(2, 1), id="padded as in a key"),
    ],
)
def test_a_version_can_be_named(specs, expected) -> None:
    assert plan(HISTORY, specs).key == expected


def test_a_pair_that_never_stood_together_came_to_be_with_its_later_commit() -> None:
    assert plan(HISTORY, ["covid_cases@0"]).timestamp == DAY + HOUR


@pytest.mark.parametrize(
    "spec",
    ["", "covid_cases", "covid_cases@", "@2", "covid_cases@-1", "covid_cases@1.0", "covid_cases@latest", "other@1",
     "covid_cases@2@2", "covid_cases@٢", "covid_cases@2\n", "covid_cases=2", "covid_cases@" + "9" * 19],
    ids=repr,
)  # fmt: skip
def test_what_is_no_table_version_is_refused_with_the_spelling(spec) -> None:
    with pytest.raises(BadInput, match="covid_cases@N or job_changes@N"):
        plan(HISTORY, [spec])


@pytest.mark.parametrize("version", [5, 10**9])
def test_a_version_that_never_was_is_refused_with_the_range(version) -> None:
    with pytest.raises(NoSuchVersion, match="expected 0 to 4"):
        plan(HISTORY, [f"covid_cases@{version}"])


def test_a_version_whose_commit_is_gone_is_expired() -> None:
    """The table had it, so the answer is another one than for a version that never was: exit code 3."""
    with pytest.raises(VersionExpired):
        plan({**HISTORY, "covid_cases": HISTORY["covid_cases"][2:]}, ["covid_cases@0"])


def test_a_table_that_is_named_twice_is_refused() -> None:
    with pytest.raises(BadInput):
        plan(HISTORY, ["covid_cases@0", "covid_cases@2"])


def test_a_table_without_rows_is_refused_with_the_command_that_fills_it() -> None:
    with pytest.raises(NoSuchVersion, match=r"\[job_changes\].*repro ingest job_changes"):
        plan({**HISTORY, "job_changes": []})


@pytest.mark.parametrize(
    ("time", "expected"),
    [
        pytest.param("2020-06-12T01:00:00Z", key(0, 1), id="the moment of a commit"),
        pytest.param("2020-06-12T02:30:00Z", key(2, 1), id="between two commits"),
        pytest.param("2020-06-12", key(2, 1), id="a day means its end"),
        pytest.param("2030-01-01", key(3, 1), id="the future"),
    ],
)
def test_as_of_goes_by_commit_time(time, expected) -> None:
    assert plan(HISTORY, as_of_time=time).key == expected


def test_as_of_a_time_before_the_first_rows_is_refused() -> None:
    with pytest.raises(NoSuchVersion, match="job_changes"):
        plan(HISTORY, as_of_time="2020-06-12T00:30:00Z")


@pytest.mark.parametrize(
    ("time", "expected"),
    [
        pytest.param("2020-06-10T05:00:00Z", key(0, 1), id="the moment of a publication"),
        pytest.param("2020-06-10", key(0, 1), id="its day"),
        pytest.param("2020-06-11T04:59:59Z", key(0, 1), id="just before the next"),
        pytest.param("2020-06-11T07:00:00+02:00", key(2, 1), id="in another zone"),
        pytest.param("20200610", key(0, 1), id="a day without dashes"),
        pytest.param("2020-W24-4", key(2, 1), id="a day of a week"),
        pytest.param("2020-06-12T05:00:00Z", key(2, 1), id="only the first of a commit's publications"),
        pytest.param("2020-06-13", key(3, 1), id="all of a commit's publications"),
    ],
)
def test_published_as_of_goes_by_what_the_feed_recorded(time, expected) -> None:
    assert plan(HISTORY, published_as_of=time).key == expected


def test_published_as_of_a_time_before_the_first_publication_is_refused_by_its_table() -> None:
    with pytest.raises(NoSuchVersion, match=r"nothing of the table was published.*\[covid_cases\]"):
        plan(HISTORY, published_as_of="2020-06-09")


@pytest.mark.parametrize("option", ["as_of_time", "published_as_of"])
def test_a_time_that_is_none_is_refused(option) -> None:
    with pytest.raises(BadInput, match="not a time"):
        plan(HISTORY, **{option: "last week"})


@pytest.mark.parametrize("option", ["as_of_time", "published_as_of"])
def test_an_empty_time_is_not_the_newest_version(option) -> None:
    """`--as-of "$T"` with `T` unset must not pin something else than was asked for."""
    with pytest.raises(BadInput, match="not a time"):
        plan(HISTORY, **{option: ""})


@pytest.mark.parametrize(
    "ways",
    [
        pytest.param({"as_of_time": "2020-06-12", "published_as_of": "2020-06-12"}, id="two times"),
        pytest.param({"specs": ["covid_cases@0"], "as_of_time": "2020-06-12"}, id="a version and a time"),
    ],
)
def test_two_ways_at_once_are_refused(ways) -> None:
    with pytest.raises(BadInput, match="only one of the three"):
        plan(HISTORY, **ways)


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as ephemeral:
        yield ephemeral


def tables(lake: Path, **timestamps: tuple[int, ...]) -> RawTables:
    """Logs of one file each, and the file."""
    for table, times in timestamps.items():
        write_table(lake, table, *times)
        file(lake, table).write_bytes(b"rows")
    return RawTables(lake=lake.as_uri())


def file(lake: Path, table: str) -> Path:
    return lake / "raw" / table / "part-0.parquet"


def test_a_pinned_version_is_kept_recorded_and_registered_after_the_others(tmp_path: Path, instance) -> None:
    raw_tables = tables(tmp_path, covid_cases=(10, 20), job_changes=(15, 25))
    wanted = plan(raw_tables.histories(["covid_cases", "job_changes"]), ["covid_cases@0", "job_changes@1"])

    assert pin(wanted, raw_tables, instance) == key(0, 1)

    registered = instance.get_dynamic_partitions("data_version")
    assert registered == [key(0, 0), key(1, 0), key(1, 1), key(0, 1)]
    recorded = {path.name for path in (tmp_path / "_pins" / key(0, 1)).iterdir()}
    assert recorded == {"_kept.json", "covid_cases.json", "job_changes.json"}


def test_pinning_twice_changes_nothing(tmp_path: Path, instance) -> None:
    raw_tables = tables(tmp_path, covid_cases=(10,), job_changes=(15,))
    wanted = plan(raw_tables.histories(["covid_cases", "job_changes"]))

    assert pin(wanted, raw_tables, instance) == pin(wanted, raw_tables, instance)
    assert instance.get_dynamic_partitions("data_version") == [key(0, 0)]


def test_a_version_whose_files_are_gone_is_refused_and_stays_given_up(tmp_path: Path, instance) -> None:
    raw_tables = tables(tmp_path, covid_cases=(10,), job_changes=(15,))
    wanted = plan(raw_tables.histories(["covid_cases", "job_changes"]))
    give_up(raw_tables.records, wanted.key, "a reason")
    file(tmp_path, "job_changes").unlink()

    with pytest.raises(VersionExpired, match="job_changes@0"):
        pin(wanted, raw_tables, instance)
    assert wanted.key in given_up(raw_tables.records)
    assert instance.get_dynamic_partitions("data_version") == []


def test_what_is_only_pinned_is_verified_by_the_bytes_of_its_files(tmp_path: Path, instance) -> None:
    raw_tables = tables(tmp_path, covid_cases=(10,), job_changes=(15,))
    found = pin(plan(raw_tables.histories(["covid_cases", "job_changes"])), raw_tables, instance)
    assert pinned_keys(raw_tables.records, found) == [found]
    assert pinned_keys(raw_tables.records, key(7, 7)) == []
    alias = Holder(key(7, 7), "alias candidate of a model whose run was deleted")
    assert pinned_keys(raw_tables.records, None, [alias]) == sorted([found, key(7, 7)])
    assert verify([], Stores(load(), raw_tables, None), (), [found]).damaged == ()  # type: ignore[arg-type] # no run is asked for

    file(tmp_path, "covid_cases").write_bytes(b"ROWS")
    (damage,) = verify([], Stores(load(), raw_tables, None), (), [found]).damaged  # type: ignore[arg-type] # likewise
    assert (damage.what, damage.found) == ("raw covid_cases@0", hashlib.sha256(b"ROWS").hexdigest())


def test_a_pin_waits_for_a_vacuum_of_any_table_and_gives_up_in_time(tmp_path, monkeypatch, capsys) -> None:
    tables(tmp_path, covid_cases=(10,), job_changes=(15,))
    monkeypatch.setenv("REPRO_VAR", str(tmp_path))
    monkeypatch.setenv("REPRO_LAKE", str(tmp_path))
    monkeypatch.setattr(table_lock, "PATIENCE_SECONDS", 0.01)
    with (
        table_lock.hold_table("job_changes", load(), report=pytest.fail),
        pytest.raises(Outside, match="the table is in use"),
    ):
        commands_data.pin([], None, None, json=False)
    assert "waiting for whoever holds job_changes" in capsys.readouterr().err
