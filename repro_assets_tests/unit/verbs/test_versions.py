"""Data versions as they are listed and registered."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import dagster as dg
import pytest

from repro_assets.pins.data import Commit
from repro_assets.verbs.versions import list_versions, register_all, register_key
from repro_assets_tests.unit.delta_log import commit


class FakeRawTables:
    """Histories from memory."""

    records = "memory://nothing-given-up"

    def __init__(self, **history: Sequence[Commit]) -> None:
        self.tables = history

    def histories(self, tables: Sequence[str]) -> Mapping[str, Sequence[Commit]]:
        return {table: self.tables.get(table, []) for table in tables}

    def commit(self, table: str, version: int) -> Commit:
        return next(found for found in self.tables[table] if found.version == version)


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as ephemeral:
        yield ephemeral


def key(cases: int, jobs: int) -> str:
    return f"covid_cases-v{cases:06d}--job_changes-v{jobs:06d}"


def keys(instance: dg.DagsterInstance) -> list[str]:
    return list(instance.get_dynamic_partitions("data_version"))


def materialize(instance: dg.DagsterInstance, data_version: str | None, run: str | None) -> None:
    """As a run of the chain leaves it in Dagster."""
    metadata = {} if run is None else {"mlflow_parent_run_id": run}
    instance.report_runless_asset_event(
        dg.AssetMaterialization("predictions", partition=data_version, metadata=metadata)
    )


CASES = [commit(0, 10), commit(1, 30), commit(2, 35, changes_rows=False), commit(3, 50)]
JOBS = [commit(0, 20), commit(1, 40)]
TABLES = FakeRawTables(covid_cases=CASES, job_changes=JOBS)
IN_ORDER = [key(0, 0), key(1, 0), key(1, 1), key(3, 1)]


def test_without_tables_there_is_nothing_to_list(instance) -> None:
    assert list_versions(FakeRawTables(), instance) == []


def test_versions_are_registered_and_listed_in_commit_order(instance) -> None:
    rows = list_versions(TABLES, instance)

    assert [row.key for row in rows] == IN_ORDER == keys(instance)


def test_registering_again_adds_nothing(instance) -> None:
    register_all(TABLES, instance)
    register_all(TABLES, instance)

    assert keys(instance) == IN_ORDER


def test_what_is_new_is_registered_after_what_was_there(instance) -> None:
    register_all(FakeRawTables(covid_cases=CASES[:1], job_changes=JOBS[:1]), instance)

    register_all(TABLES, instance)

    assert keys(instance) == IN_ORDER


def test_a_row_says_which_commits_stand_together_and_when_each_was_made(instance) -> None:
    row = list_versions(TABLES, instance)[-1]

    assert row.tables == {
        "covid_cases": {"version": 3, "timestamp": "1970-01-01T00:00:00.050Z"},
        "job_changes": {"version": 1, "timestamp": "1970-01-01T00:00:00.040Z"},
    }


def test_a_version_that_nobody_ran_is_registered(instance) -> None:
    row = list_versions(TABLES, instance)[0]

    assert (row.state, row.runs) == ("registered", [])


def test_a_version_with_predictions_is_materialized_and_names_its_runs_newest_first(instance) -> None:
    for run in ("first", "second", "second"):
        materialize(instance, key(1, 0), run)

    states = {row.key: (row.state, row.runs) for row in list_versions(TABLES, instance)}

    assert states.pop(key(1, 0)) == ("materialized", ["second", "first"])
    assert {state for state, _ in states.values()} == {"registered"}


@pytest.mark.parametrize(
    ("data_version", "run"),
    [pytest.param(None, "run", id="without a partition"), pytest.param(key(1, 0), None, id="without an MLflow run")],
)
def test_a_materialization_that_no_run_of_the_chain_made_does_not_count(instance, data_version, run) -> None:
    materialize(instance, data_version, run)

    assert {row.state for row in list_versions(TABLES, instance)} == {"registered"}


def test_a_version_whose_commit_is_gone_is_expired_even_if_it_was_run(instance) -> None:
    register_all(TABLES, instance)
    materialize(instance, key(0, 0), "run")

    row = list_versions(FakeRawTables(covid_cases=CASES[1:], job_changes=JOBS), instance)[0]

    assert (row.key, row.state, row.runs) == (key(0, 0), "expired", ["run"])
    assert row.tables["covid_cases"] == {"version": 0, "timestamp": None}


def test_a_partition_that_somebody_added_by_hand_is_listed_as_invalid(instance) -> None:
    instance.add_dynamic_partitions("data_version", ["../../etc/passwd"])

    row = list_versions(TABLES, instance)[0]

    assert (row.key, row.state, row.tables) == ("../../etc/passwd", "invalid", {})


def test_an_explicit_pair_is_registered_after_all_others(instance) -> None:
    register_key(key(0, 1), TABLES, instance)

    assert keys(instance) == [*IN_ORDER, key(0, 1)]


def test_a_key_of_commit_order_is_registered_at_its_place(instance) -> None:
    register_key(key(1, 1), TABLES, instance)

    assert keys(instance) == IN_ORDER
