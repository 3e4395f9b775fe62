"""What forgetting finds and refuses, which files it takes at once, and which tables nothing may remove from."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pyarrow as pa
import pytest
from deltalake import write_deltalake

from repro_assets.errors import BadInput, DataDamaged
from repro_assets.pins.retention import FoundFile
from repro_assets.resources.raw.expiry import record_vacuum
from repro_assets.resources.raw.given_up import give_up
from repro_assets.resources.raw.raw_tables import RawTables
from repro_assets.settings import Settings
from repro_assets.verbs.forget import (
    ForgetPlan,
    plan,
    require_discreet,
    require_forgotten,
    require_found,
    require_searchable,
    require_unused,
    split_young,
    versions_with,
)
from repro_assets.verbs.vacuum import require_own

TABLE = "job_changes"
NOW = datetime(2026, 1, 31, tzinfo=UTC)
FILES = [FoundFile("named", 1, NOW), FoundFile("old", 1, NOW - timedelta(days=8)), FoundFile("young", 1, NOW)]


@pytest.mark.parametrize(
    ("hours", "stays"), [pytest.param(168, ["young"], id="seven days"), pytest.param(0, [], id="none")]
)
def test_a_young_file_that_no_commit_names_goes_only_without_a_safe_age(hours, stays) -> None:
    goes, young = split_young(FILES, {"named"}, timedelta(hours=hours), NOW)

    assert [file.path for file in young] == stays
    assert [file.path for file in goes] == [file.path for file in FILES if file.path not in stays]


def test_files_that_were_too_young_are_said_with_what_to_do() -> None:
    left = ForgetPlan("job_changes", ("young",), (), False, (), (), (), ())
    with pytest.raises(DataDamaged, match=r"too young.*--safe-hours 0"):
        require_forgotten(left, ["young"])


def test_a_reason_that_names_the_person_is_refused_and_does_not_repeat_it() -> None:
    require_discreet("request of 3 May", "4711")
    with pytest.raises(BadInput, match="the reason names the person") as refused:
        require_discreet("request of 4711", "4711")
    assert "4711" not in str(refused.value)


def people(state: Settings) -> RawTables:
    """A table of three people, with what an installation keeps beside it."""
    write_deltalake(state.var / "lake" / "raw" / TABLE, pa.table({"enrollee_id": [4710, 4711, 4712]}))
    return RawTables(lake=state.lake)


def test_an_id_that_nobody_has_is_said_to_be_nobodys(state) -> None:
    tables = people(state)
    somebody, nobody = (plan(TABLE, person, state, tables, []) for person in ("4711", "4713"))
    require_found(somebody)
    with pytest.raises(
        BadInput, match=r"nobody of that id is found.*nothing was done.*`repro gc` takes the outputs that were left"
    ):
        require_found(nobody)


@pytest.mark.parametrize("spelling", ["04711", "0x1267", "0X1267", "00004711"])
def test_an_id_that_is_spelt_otherwise_than_its_column_has_it_is_refused(state, spelling) -> None:
    """Rows are found by value, texts and the reason by spelling."""
    tables = people(state)
    require_searchable(TABLE, "4711", tables)
    for ask in (lambda: require_searchable(TABLE, spelling, tables), lambda: plan(TABLE, spelling, state, tables, [])):
        with pytest.raises(BadInput, match=r"not spelt as its column has it.*nothing was done") as refused:
            ask()
        assert spelling not in str(refused.value)


def test_texts_and_databases_that_name_the_person_are_told(state) -> None:
    tables = people(state)
    folder = state.var / "mlflow"
    model = folder / "artifacts" / "1" / "MLmodel"
    model.parent.mkdir(parents=True)
    model.write_text("example: 4711\n")
    with closing(sqlite3.connect(folder / "mlflow.db")) as database:
        database.execute("CREATE TABLE params (key TEXT, value TEXT)")
        database.execute("INSERT INTO params VALUES ('who', '4711')")
        database.commit()

    found = plan(TABLE, "4711", state, tables, []).by_hand
    assert found == (str(model), f"{folder / 'mlflow.db'} (tables params)")


def test_reasons_written_down_before_and_logs_of_clusters_that_name_the_person_are_told(state) -> None:
    tables = people(state)
    key = f"covid_cases-v000000--{TABLE}-v000000"
    give_up(tables.records, key, "asked by person_4711")
    give_up(tables.records, key.replace("v000000--", "v000001--"), "asked by 47110")
    record_vacuum(tables, TABLE, "named", {"who": "4711@host", "expired": []})
    record_vacuum(tables, TABLE, "other", {"who": "me@host", "expired": [4711], "when": "4711-01-01"})
    log = state.var / "clusters" / "standalone" / "worker.log"
    log.parent.mkdir(parents=True)
    log.write_text("no row for 4711\n")

    found = plan(TABLE, "4711", state, tables, []).by_hand
    assert found == (
        str(log),
        f"{tables.records}/_given_up/{key}.json",
        f"{tables.records}/_vacuums/{TABLE}/named.json",
    )


def test_a_damaged_file_stops_it_before_anything_is_done(state) -> None:
    tables = people(state)
    (file,) = (state.var / "lake" / "raw" / TABLE).glob("*.parquet")
    file.write_bytes(file.read_bytes()[:-40] + b"\xff" * 32 + file.read_bytes()[-8:])
    with pytest.raises(DataDamaged, match="can't be searched for a person"):
        plan(TABLE, "4711", state, tables, [])


def test_a_version_whose_log_is_lost_is_given_up_by_the_list_of_its_files() -> None:
    assert versions_with({"a"}, {2: {"b"}, 3: {"a", "b"}}, {1: {"a"}, 2: {"b"}}) == (1, 3)


def test_a_version_that_came_into_use_meanwhile_keeps_its_files() -> None:
    used = {"covid_cases-v000000--job_changes-v000003": ("Dagster run r, under way",)}
    require_unused("job_changes", [1, 2], used)
    with pytest.raises(BadInput, match=r"came into use meanwhile.*job_changes@3.*Dagster run r"):
        require_unused("job_changes", [1, 3], used)


def test_raw_tables_of_another_installation_are_not_touched() -> None:
    require_own(SimpleNamespace(root="file:///a", records="file:///a"))  # type: ignore[arg-type] # the two that it reads
    with pytest.raises(BadInput, match="another installation"):
        require_own(SimpleNamespace(root="file:///a", records="file:///b"))  # type: ignore[arg-type] # likewise
