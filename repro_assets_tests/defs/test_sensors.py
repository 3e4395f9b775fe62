"""The sensor `new_data_versions`: what a tick answers, and what it costs."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from repro_assets.definitions import defs
from repro_assets.defs.partitions import registered
from repro_assets.defs.run_pins import OWNER_TAG
from repro_assets.pins.data_history import data_versions
from repro_assets.resources.process_owner import current_owner
from repro_assets.resources.raw import delta_log
from repro_assets.resources.raw.raw_tables import RawTables
from repro_assets_tests.defs.sensor_daemon import Daemon, key, publish, said, settle
from repro_assets_tests.unit.delta_log import ADDED_ROWS, commit_file, log_file, metadata, write_commit, write_table


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[Daemon]:
    """Over three versions of the cases and one of the jobs; no tick yet."""
    write_table(tmp_path, "covid_cases", 100, 300, 500)
    write_table(tmp_path, "job_changes", 200)
    with dg.DagsterInstance.ephemeral() as instance:
        yield Daemon(tmp_path, instance)


# --- what a tick answers ------------------------------------------------------------------------------------------


def test_the_sensor_runs_by_default_and_starts_the_chain() -> None:
    sensor = defs.resolve_sensor_def("new_data_versions")

    assert sensor.default_status is dg.DefaultSensorStatus.RUNNING
    assert sensor.job_name == "chain"


def test_the_first_tick_registers_all_versions_in_commit_order_and_requests_the_newest(daemon) -> None:
    answer = daemon.tick()

    assert registered(daemon.instance) == [key(0, 0), key(1, 0), key(2, 0)]
    assert [(run.partition_key, run.run_key) for run in answer.run_requests] == [(key(2, 0), key(2, 0))]


def test_a_new_commit_is_registered_and_requested_in_the_same_answer(daemon) -> None:
    daemon.tick()
    publish(daemon, "job_changes", 1, 600)
    answer = daemon.tick()

    assert [list(request.partition_keys) for request in answer.dynamic_partitions_requests] == [[key(2, 1)]]
    assert [run.run_key for run in answer.run_requests] == [key(2, 1)]


def test_a_tick_without_news_says_so_and_starts_nothing(daemon) -> None:
    daemon.tick()

    answer = daemon.tick()

    assert not answer.run_requests
    assert said(answer) == "nothing new"


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(
            commit_file(
                {"remove": {"path": "a", "dataChange": False}},
                {"add": {"path": "b", "dataChange": False}},
                timestamp=900,
                operation="OPTIMIZE",
            ),
            id="OPTIMIZE",
        ),
        pytest.param(commit_file(timestamp=900, operation="VACUUM START"), id="VACUUM"),
        pytest.param(commit_file(metadata(), timestamp=900, operation="SET TBLPROPERTIES"), id="properties"),
        pytest.param(
            commit_file(
                ADDED_ROWS,
                timestamp=900,
                operation="MERGE",
                operationMetrics={f"numTargetRows{what}": "0" for what in ("Inserted", "Updated", "Deleted")},
            ),
            id="a MERGE of nothing",
        ),
    ],
)
def test_a_commit_that_changes_no_row_starts_nothing_and_is_named(daemon, content) -> None:
    daemon.tick()
    write_commit(daemon.lake, "covid_cases", 3, content)

    answer = daemon.tick()

    assert not answer.run_requests
    assert not answer.dynamic_partitions_requests
    assert said(answer).startswith("no row changed: covid_cases 3 (")
    assert said(daemon.tick()) == "nothing new"


def test_500_commits_between_two_ticks_are_500_runs_in_commit_order(daemon) -> None:
    daemon.tick()
    for number in range(500):
        publish(daemon, "covid_cases", 3 + number, 1_000 + number)

    assert daemon.requested() == [key(3 + number, 0) for number in range(500)]
    assert registered(daemon.instance)[3:] == [key(3 + number, 0) for number in range(500)]


def test_many_ticks_register_what_one_look_at_the_whole_log_gives(daemon) -> None:
    for number in range(6):
        publish(daemon, "covid_cases", 3 + number, 1_000 + 10 * number)
        publish(daemon, "job_changes", 1 + number, 1_003 + 7 * number + 30 * (number % 2))
        daemon.tick()
    tables = RawTables(lake=f"file://{daemon.lake}")
    whole = [version.key for version in data_versions(tables.histories(("covid_cases", "job_changes")))]

    assert set(whole) <= set(registered(daemon.instance))


@pytest.mark.parametrize(
    ("gone", "named"),
    [pytest.param("job_changes", "job_changes", id="one"), pytest.param("covid_cases", "covid_cases", id="the other")],
)
def test_while_a_table_is_missing_there_is_no_version_and_it_is_named(daemon, gone, named) -> None:
    shutil.rmtree(daemon.lake / "raw" / gone)

    answer = daemon.tick()

    assert not answer.run_requests
    assert answer.cursor is None
    assert said(answer).startswith("no data version yet: no table at file://")
    assert said(answer).endswith(named)


# --- twice, and late ----------------------------------------------------------------------------------------------


def without_folders(cursor: str) -> str:
    """A cursor without the folders' times, which are not told right after a change."""
    return re.sub(r'"folder":(null|"[^"]*")', "", cursor)


def test_a_tick_that_died_after_it_answered_is_answered_the_same_again(daemon) -> None:
    daemon.tick()
    publish(daemon, "covid_cases", 3, 600)
    cursor = daemon.cursor
    lost = daemon.tick()
    daemon.cursor = cursor

    again = daemon.tick()

    assert [run.run_key for run in again.run_requests] == [run.run_key for run in lost.run_requests] == [key(3, 0)]
    assert without_folders(again.cursor) == without_folders(lost.cursor)
    assert registered(daemon.instance).count(key(3, 0)) == 1


def test_two_ticks_at_once_answer_with_the_same_run_key(daemon) -> None:
    daemon.tick()
    publish(daemon, "covid_cases", 3, 600)

    assert [run.run_key for run in daemon.answer().run_requests] == [
        run.run_key for run in daemon.answer().run_requests
    ]


def test_a_key_that_was_registered_by_hand_is_still_run(daemon) -> None:
    daemon.tick()
    publish(daemon, "covid_cases", 3, 600)
    daemon.instance.add_dynamic_partitions("data_version", [key(3, 0)])

    assert daemon.requested() == [key(3, 0)]


def test_a_commit_that_arrives_late_registers_the_past_and_runs_the_present(daemon) -> None:
    daemon.tick()
    publish(daemon, "job_changes", 1, 250)

    assert daemon.requested() == [key(2, 1)]
    assert registered(daemon.instance) == [key(0, 0), key(1, 0), key(2, 0), key(0, 1), key(1, 1), key(2, 1)]


def test_a_commit_that_lands_between_two_looks_is_not_missed(daemon, monkeypatch) -> None:
    """The cases are listed, then get version 3, then the jobs get version 1: (2, 1) never stood together."""
    daemon.tick()
    settle(daemon)  # another time of the folders than at the tick: they are listed again
    listed = delta_log.versions

    def versions(table: str) -> list[int]:
        found = listed(table)
        if table.endswith("covid_cases") and found[-1] == 2:
            publish(daemon, "covid_cases", 3, 600)
            publish(daemon, "job_changes", 1, 700)
        return found

    monkeypatch.setattr(delta_log, "versions", versions)

    assert daemon.requested() == [key(3, 0), key(3, 1)]


# --- what a tick costs --------------------------------------------------------------------------------------------


def test_a_tick_reads_no_commit_that_it_does_not_need(daemon) -> None:
    daemon.tick()
    for version in (0, 1):
        log_file(daemon.lake, "covid_cases", version).write_bytes(b"not read again")
    assert said(daemon.tick()) == "nothing new"
    publish(daemon, "job_changes", 1, 600)

    assert daemon.requested() == [key(2, 1)]


def test_a_log_that_nobody_touched_is_not_even_listed(daemon, monkeypatch) -> None:
    settle(daemon)
    daemon.tick()
    monkeypatch.setattr(delta_log, "versions", lambda table: pytest.fail(f"listed {table}"))

    assert said(daemon.tick()) == "nothing new"


def test_a_new_commit_is_seen_even_where_the_folder_does_not_show_it(daemon) -> None:
    """Some mounts of other systems never change a folder's time."""
    settle(daemon)
    daemon.tick()
    publish(daemon, "covid_cases", 3, 600)
    settle(daemon)

    assert daemon.requested() == [key(3, 0)]


def test_a_tick_loads_no_engine(daemon) -> None:
    program = (
        "import sys, dagster as dg\n"
        "from repro_assets.definitions import defs\n"
        "from repro_assets.resources.raw.raw_tables import RawTables\n"
        "sensor = defs.resolve_sensor_def('new_data_versions')\n"
        "with dg.DagsterInstance.ephemeral() as instance:\n"
        "    raw_tables = RawTables(lake=sys.argv[1])\n"
        "    result = sensor(dg.build_sensor_context(instance=instance, resources={'raw_tables': raw_tables}))\n"
        "assert result.run_requests\n"
        "engines = ('pyspark', 'mlflow', 'sklearn', 'pandas', 'pyarrow', 'deltalake', 'py4j')\n"
        "print([name for name in engines if name in sys.modules])\n"
    )
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program, f"file://{daemon.lake}"],
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "[]"


# --- the reaper ---------------------------------------------------------------------------------------------------


def started_run(instance: dg.DagsterInstance, owner: dict[str, object]) -> str:
    run = instance.create_run_for_job(
        defs.resolve_job_def("chain"), status=dg.DagsterRunStatus.STARTED, tags={OWNER_TAG: json.dumps(owner)}
    )
    return run.run_id


def status(instance: dg.DagsterInstance, run_id: str) -> dg.DagsterRunStatus:
    run = instance.get_run_by_id(run_id)
    assert run is not None
    return run.status


def test_a_tick_closes_runs_of_this_host_whose_process_is_gone(daemon) -> None:
    gone = started_run(daemon.instance, {**current_owner(), "started": 1.0})

    daemon.tick()

    assert status(daemon.instance, gone) is dg.DagsterRunStatus.FAILURE


@pytest.mark.parametrize(
    "owner",
    [
        pytest.param({}, id="a process that still runs"),
        pytest.param({"host": "elsewhere", "started": 1.0}, id="another host"),
    ],
)
def test_a_tick_leaves_other_runs_alone(daemon, owner) -> None:
    run_id = started_run(daemon.instance, {**current_owner(), **owner})

    daemon.tick()

    assert status(daemon.instance, run_id) is dg.DagsterRunStatus.STARTED
