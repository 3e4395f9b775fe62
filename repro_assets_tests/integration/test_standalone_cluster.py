"""A real standalone cluster of two workers: what a driver finds that joins it, and what it is told when it can't."""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from repro_assets import settings as settings_module
from repro_assets.resources.spark.spark_cluster import load_cluster
from repro_assets.resources.spark.standalone_cluster import down, up
from repro_assets.resources.spark.standalone_processes import members
from repro_assets.settings import Settings

pytestmark = pytest.mark.spark

PROJECT = Path(__file__).parents[2]
CLUSTER = load_cluster("standalone-2x1-v1", settings_module.load({}))


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """An empty installation that shares the project's jars."""
    var = tmp_path_factory.mktemp("cluster") / "a var with blanks and 50%25"
    var.mkdir()
    (var / "jars").symlink_to(settings_module.load().jars)
    return dataclasses.replace(settings_module.load({"REPRO_VAR": str(var)}))


@pytest.fixture(scope="module")
def cluster(here: Settings) -> Iterator[list[int]]:
    """The cluster, up; ids of its processes."""
    state, _ = up(CLUSTER, here, lambda line: None)
    yield [int(owner["pid"]) for owner in state.processes.values()]
    down(CLUSTER, here, lambda line: None)


def in_a_process(here: Settings, *command: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, **here.variables(), "PYTHONPATH": str(PROJECT)}
    return subprocess.run(
        [sys.executable, *command], cwd=here.var, env=environment, capture_output=True, text=True, check=True
    )


_REFUSED = """
import dataclasses
from pathlib import Path
from repro_assets.errors import ReproError
from repro_assets.resources.spark import session_start, spark_cluster

real = spark_cluster.join

def with_another_secret(cluster, settings):
    other = Path("other.conf")
    other.write_text("spark.authenticate.secret " + "0" * 64)
    return dataclasses.replace(real(cluster, settings), settings_file=other.absolute())

spark_cluster.join = with_another_secret
session_start._START_SECONDS = 5.0
try:
    spark_cluster.open_session("standalone-2x1-v1")
except ReproError as refused:
    print(type(refused).__name__, refused)
"""


@pytest.mark.long
def test_a_wrong_secret_is_a_sentence_in_bounded_time(here: Settings, cluster: list[int]) -> None:
    """The quick check of the secret is passed over here: what is left is what Spark itself says, after a while."""
    done = in_a_process(here, "-c", _REFUSED)
    (line,) = done.stdout.splitlines()

    assert line.startswith("ClusterUnavailable cluster standalone-2x1-v1 does not let this process in")
    assert "repro cluster up standalone-2x1-v1" in line
    assert "Authentication failed" not in done.stderr


@pytest.fixture(scope="module")
def seen(here: Settings, cluster: list[int]) -> dict[str, Any]:
    """What one driver saw, from joining to the last worker's end."""
    module = "repro_assets_tests.integration.standalone_driver"
    return json.loads(in_a_process(here, "-m", module).stdout.splitlines()[-1])


def test_executors_are_processes_of_their_own_one_per_worker(seen: dict[str, Any]) -> None:
    assert len(seen["executor_sessions"]) == 2
    assert set(seen["executor_sessions"]) < set(seen["sessions"])


def test_python_workers_are_this_interpreter_with_these_sources(seen: dict[str, Any]) -> None:
    assert {(python, sources) for _, python, sources in seen["places"]} == {
        (sys.executable, str(PROJECT / "repro_assets"))
    }


def test_delta_s_jars_reach_the_executors(seen: dict[str, Any]) -> None:
    assert seen["rows"] == 1000


def test_everything_listens_on_loopback_alone(seen: dict[str, Any]) -> None:
    assert seen["addresses"] == ["127.0.0.1"]


def test_nothing_takes_submissions_by_rest(seen: dict[str, Any]) -> None:
    # Spark's port, and those that it tries where that one is taken.
    assert not set(seen["ports"]) & set(range(6066, 6066 + 17))
    assert len(seen["ports"]) > 3


def test_no_page_answers_without_the_owner_s_token(seen: dict[str, Any]) -> None:
    """Pages of workers hold what executors print."""
    assert set(seen["pages"]["none"]) == set(seen["pages"]["another"]) == {403}
    assert set(seen["pages"]["own"]) == {200}
    assert len(seen["pages"]["own"]) == 6


def test_the_receipt_says_who_registered_with_what(seen: dict[str, Any]) -> None:
    spark = seen["receipt"]["spark"]

    assert (spark["executors"], spark["cores"]) == (2, 2)
    assert [(member["cores"], member["megabytes"]) for member in spark["members"]] == [(1, 1024), (1, 1024)]
    assert spark["master"].startswith("spark://127.0.0.1:")
    assert spark["jars"] == {jar.file_name: jar.sha256 for jar in CLUSTER.jars}
    assert set(CLUSTER.spark_conf) <= set(spark["settings"])


def test_the_secret_is_nowhere_to_be_read(seen: dict[str, Any]) -> None:
    assert seen["receipt"]["spark"]["settings"]["spark.authenticate.secret"] == "(redacted)"
    assert not seen["secret_in_receipt"]
    assert not seen["secret_on_a_command_line"]
    assert not seen["secret_in_a_log"]


def test_a_setting_that_was_changed_meanwhile_stops_the_receipt(seen: dict[str, Any]) -> None:
    assert "spark.sql.shuffle.partitions is '7' in session, declared '2'" in seen["changed_setting"]


def test_a_second_cluster_in_the_process_is_refused_and_the_same_is_the_same(seen: dict[str, Any]) -> None:
    assert "already runs another cluster: stored standalone-2x1-v1, expected local-v1" in seen["second_cluster"]
    assert seen["same_again"]


def test_a_worker_killed_in_the_middle_gives_the_right_result_and_no_receipt(seen: dict[str, Any]) -> None:
    assert seen["sum"] == 3 * sum(range(1000))
    assert "ClusterUnavailable: not all executors" in seen["after_one"]
    assert "stored 1, expected 2" in seen["after_one"]


def test_without_any_executor_a_job_ends_with_the_reason(seen: dict[str, Any]) -> None:
    assert "cluster standalone-2x1-v1 has no executors left" in seen["after_all"]


def test_down_leaves_nothing_of_a_cluster_whose_workers_were_killed(
    here: Settings, cluster: list[int], seen: dict[str, Any]
) -> None:
    down(CLUSTER, here, lambda line: None)

    assert [pid for leader in cluster for pid in members(leader)] == []
    assert not [
        process for process in psutil.process_iter(["cmdline"]) if str(here.var) in str(process.info["cmdline"])
    ]
    assert not (here.var / "clusters" / CLUSTER.name).exists()
