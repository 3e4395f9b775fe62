"""Who needs what decides which files a vacuum takes."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from repro_assets.errors import BadInput
from repro_assets.pins.retention import (
    FoundFile,
    Holder,
    VacuumPlan,
    is_data,
    kept_keys,
    kept_versions,
    plan_vacuum,
)

TABLES = ("covid_cases", "job_changes")
NOW = datetime(2026, 1, 31, tzinfo=UTC)
OLD = NOW - timedelta(days=30)
# Version 0 in one file, which 1 replaces; 2 adds another; 3 changes no file.
NEEDED = {0: {"a"}, 1: {"b"}, 2: {"b", "c"}, 3: {"b", "c"}}
CHANGES = {1: {"_change_data/1"}, 2: {"_change_data/2"}}
SIZES = {"a": 1, "b": 10, "c": 100, "_change_data/1": 1000, "_change_data/2": 2000}


def key(cases: int, jobs: int) -> str:
    return f"covid_cases-v{cases:06d}--job_changes-v{jobs:06d}"


def plan(*kept: int, extra: tuple[FoundFile, ...] = (), gone: tuple[str, ...] = ()) -> VacuumPlan:
    found = [FoundFile(path, size, OLD) for path, size in SIZES.items() if path not in gone]
    holders = dict.fromkeys(kept, ("run x",))
    return plan_vacuum("covid_cases", [*found, *extra], NEEDED, CHANGES, holders, now=NOW)


def removed(found: VacuumPlan) -> set[str]:
    return {file.path for file in found.remove}


def test_a_version_is_kept_by_everybody_who_needs_its_key() -> None:
    keys = kept_keys([Holder(key(0, 0), "run x"), Holder(key(0, 1), "pinned"), Holder(key(0, 1), "pinned")], ())

    assert kept_versions(keys, TABLES) == {
        "covid_cases": {0: ("run x", "pinned")},
        "job_changes": {0: ("run x",), 1: ("pinned",)},
    }


def test_what_was_given_up_is_kept_by_nobody() -> None:
    assert kept_keys([Holder(key(0, 0), "run x"), Holder(key(1, 0), "run y")], {key(0, 0)}) == {key(1, 0): ("run y",)}


def test_a_run_under_way_keeps_what_was_given_up() -> None:
    assert kept_keys([Holder(key(0, 0), "Dagster run", running=True)], {key(0, 0)}) == {key(0, 0): ("Dagster run",)}


def test_the_champion_keeps_what_was_given_up_and_another_alias_does_not() -> None:
    champion, candidate = Holder(key(0, 0), "alias champion of m", champion=True), Holder(key(1, 0), "alias candidate")

    assert kept_keys([champion, candidate], {key(0, 0), key(1, 0)}) == {key(0, 0): ("alias champion of m",)}


def test_keys_of_another_experiment_keep_nothing_of_this_one() -> None:
    assert kept_versions({"other-v000000": ("run x",)}, TABLES) == {"covid_cases": {}, "job_changes": {}}


@pytest.mark.parametrize(
    "old",
    [
        pytest.param("covid_cases-v000003", id="a table was added since"),
        pytest.param("covid_cases-v000003--weather-v000001", id="a table was removed since"),
        pytest.param("weather-v000001--covid_cases-v000003", id="they were reordered"),
    ],
)
def test_a_key_of_other_tables_keeps_those_that_are_left(old) -> None:
    assert kept_versions({old: ("run x",)}, TABLES)["covid_cases"] == {3: ("run x",)}


@pytest.mark.parametrize("wrong", ["", "covid_cases", "covid_cases-v3", "covid_cases-v000003--", "../x"])
def test_a_key_that_names_nothing_is_refused_and_not_skipped(wrong) -> None:
    with pytest.raises(BadInput, match="nobody knows which files"):
        kept_versions({wrong: ("run x",)}, TABLES)


@pytest.mark.parametrize(
    ("kept", "gone", "expired"),
    [
        pytest.param((), {"a", "_change_data/1", "_change_data/2"}, (0,), id="nobody needs any"),
        pytest.param((0,), {"_change_data/1", "_change_data/2"}, (), id="the oldest is needed"),
        pytest.param((1,), {"a", "_change_data/2"}, (0,), id="one in the middle"),
        pytest.param((0, 1, 2, 3), set(), (), id="all are needed"),
    ],
)
def test_what_no_kept_version_needs_goes_and_the_newest_stays(kept, gone, expired) -> None:
    found = plan(*kept)

    assert (removed(found), found.expired) == (gone, expired)
    assert found.bytes == sum(SIZES[path] for path in gone)


def test_each_kept_version_says_what_it_costs_and_what_giving_it_up_would_free() -> None:
    costs = [(kept.version, kept.bytes, kept.own_bytes, kept.holders) for kept in plan(0, 2).kept]

    assert costs == [(0, 1, 1, ("run x",)), (2, 110, 0, ("run x",)), (3, 110, 0, ("newest version",))]


def test_the_newest_version_that_changed_rows_stays_where_an_optimize_stands_on_top() -> None:
    needed = {**NEEDED, 4: {"b and c"}}
    found = [FoundFile(path, 10, OLD) for path in (*SIZES, "b and c")]
    kept = plan_vacuum("covid_cases", found, needed, CHANGES, {}, newest_data=2, now=NOW)
    assert {one.version: one.holders for one in kept.kept} == {2: ("newest data version",), 4: ("newest version",)}
    assert removed(kept) == {"a", "_change_data/1"}
    assert removed(plan_vacuum("covid_cases", found, needed, CHANGES, {}, now=NOW)) == set(SIZES)


def test_a_file_that_no_commit_names_goes_only_when_it_is_old() -> None:
    young, old, unknown = (
        FoundFile("young", 1, NOW - timedelta(days=6)),
        FoundFile("old", 1, NOW - timedelta(days=8)),
        FoundFile("unknown", 1, None),
    )
    found = plan(0, 1, 2, 3, extra=(young, old, unknown))

    assert removed(found) == {"old"}
    assert set(found.young) == {young, unknown}


def test_a_version_whose_files_were_gone_before_does_not_expire_now() -> None:
    assert plan(gone=("a",)).expired == ()


def with_a_lost_version(**options: Any) -> VacuumPlan:
    found = [FoundFile(path, size, OLD) for path, size in {**SIZES, "of 17": 1, "orphan": 1}.items()]
    return plan_vacuum("covid_cases", found, NEEDED, CHANGES, {17: ("run x",)}, now=NOW, **options)


def test_while_a_kept_version_is_lost_files_that_no_commit_names_stay_and_so_does_its_list() -> None:
    found = with_a_lost_version(recorded={17: {"of 17", "a"}})

    assert removed(found) == {"_change_data/1", "_change_data/2"}
    assert {file.path for file in found.young} == {"orphan"}


def test_a_lost_version_without_a_list_of_its_files_stops_everything() -> None:
    assert removed(with_a_lost_version(recorded={3: {"b"}})) == set()


def test_a_kept_version_that_nothing_leads_to_is_named() -> None:
    assert plan(0, 17).lost == (17,)


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("part-0.parquet", True),
        ("deletion_vector_x.bin", True),
        ("_change_data/cdc-0.parquet", True),
        ("_change_data/county=_x/cdc-0.parquet", True),
        ("_day=1/part-0.parquet", True),
        ("Wb/part-0.parquet", True),
        ("_delta_log/00.json", False),
        ("_delta_index/x", False),
        (".part-0.parquet.crc", False),
        ("_change_data/.cdc-0.parquet.crc", False),
        ("_change_data", False),
        ("a/_temporary/part-0.parquet", False),
    ],
)
def test_only_files_that_deltas_vacuum_would_look_at_are_looked_at(path, expected) -> None:
    assert is_data(path) is expected
