"""Starting, looking at and ending a standalone cluster; its processes are small programs in Spark's words."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterable, Iterator
from pathlib import Path

import psutil
import pytest

from repro_assets import settings as settings_module
from repro_assets.errors import BadInput, ClusterMismatch, ClusterUnavailable
from repro_assets.pins.compute import ClusterFile
from repro_assets.resources.spark import standalone_cluster, standalone_processes
from repro_assets.resources.spark.spark_cluster import load_cluster
from repro_assets.resources.spark.standalone_cluster import down, end, join, left_over, look, up
from repro_assets.resources.spark.standalone_state import daemon_settings, folder_of, read_state, scratch, write_state
from repro_assets.settings import Settings
from repro_assets_tests.unit.resources.spark import fake_spark

CLUSTER = load_cluster("standalone-2x1-v1", settings_module.load({}))
OTHER = load_cluster("standalone-3x1-v1", settings_module.load({}))


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A Spark home without a JVM, in place of pyspark's."""
    made = fake_spark.make(tmp_path / "spark")
    monkeypatch.setattr(standalone_cluster, "_spark_home", lambda: made)
    return made


@pytest.fixture
def here(state: Settings, home: Path) -> Iterator[Settings]:
    """An installation without a cluster; none is left after the test."""
    yield state
    for cluster in (CLUSTER, OTHER):
        down(cluster, state, silent)


def silent(line: str) -> None:
    """Nobody listens."""


def started(here: Settings, cluster: ClusterFile = CLUSTER) -> dict[str, int]:
    """Bring a cluster up; ids of its processes by name."""
    state, _ = up(cluster, here, silent)
    return {name: int(owner["pid"]) for name, owner in state.processes.items()}


def everybody(pids: dict[str, int]) -> list[int]:
    """Processes of the sessions that these lead: workers' children are among them."""
    return [pid for leader in pids.values() for pid in standalone_processes.members(leader)]


def running(pids: Iterable[int]) -> list[int]:
    """Those that still run: what is dead may stay in the system's table until its new parent has asked for it."""
    return [pid for pid in pids if psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE]


def sessions_of(cluster: ClusterFile, here: Settings) -> set[int]:
    """Sessions of a cluster that are found without anything that was written down."""
    folder = folder_of(cluster.name, here)
    return standalone_processes.sessions([], daemon_settings(folder), scratch(folder))


def killed(pid: int) -> None:
    os.kill(pid, signal.SIGKILL)
    psutil.Process(pid).wait(10)


def test_it_is_up_once_all_workers_have_registered(here) -> None:
    state, is_new = up(CLUSTER, here, silent)

    assert is_new
    assert sorted(state.processes) == ["master", "worker-1", "worker-2"]
    assert state.master.startswith("spark://127.0.0.1:")
    assert (look(CLUSTER, here).state, look(CLUSTER, here).workers) == ("up", 2)


def test_what_is_told_on_the_way_names_the_master(here) -> None:
    lines: list[str] = []
    state, _ = up(CLUSTER, here, lines.append)

    assert any(state.master in line for line in lines)


def test_up_again_says_that_it_is_up_and_starts_nothing(here) -> None:
    first = started(here)
    state, is_new = up(CLUSTER, here, silent)

    assert not is_new
    assert {name: owner["pid"] for name, owner in state.processes.items()} == first


def test_of_two_at_once_one_starts_it_and_the_other_finds_it_up(here) -> None:
    answers: list[bool] = []
    threads = [threading.Thread(target=lambda: answers.append(up(CLUSTER, here, silent)[1])) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(answers) == [False, True]


def test_two_clusters_stand_side_by_side(here) -> None:
    started(here)
    started(here, OTHER)

    assert (look(CLUSTER, here).state, look(OTHER, here).workers) == ("up", 3)


def test_down_ends_every_process_and_removes_every_file(here) -> None:
    processes = everybody(started(here))

    assert down(CLUSTER, here, silent) == len(processes) == 5
    assert not running(processes)
    assert not folder_of(CLUSTER.name, here).exists()
    assert look(CLUSTER, here).state == "down"


def test_down_where_nothing_is_up_ends_nothing(here) -> None:
    assert down(CLUSTER, here, silent) == 0


@pytest.mark.parametrize("name", ["master", "worker-1"])
def test_a_killed_process_is_seen_and_down_still_leaves_nothing(here, name) -> None:
    pids = started(here)
    processes = everybody(pids)
    killed(pids[name])

    assert look(CLUSTER, here).state == "partly up"
    with pytest.raises(ClusterUnavailable, match="repro cluster down standalone-2x1-v1"):
        up(CLUSTER, here, silent)
    down(CLUSTER, here, silent)
    assert not running(processes)


def test_after_all_leaders_were_killed_their_children_are_found(here) -> None:
    pids = started(here)
    children = [pid for pid in everybody(pids) if pid not in pids.values()]
    for pid in pids.values():
        killed(pid)

    assert len(children) == 2
    assert look(CLUSTER, here).state == "down"
    assert down(CLUSTER, here, silent) == 2
    assert not running(children)


def test_processes_that_were_never_written_down_are_found_by_their_command_line(here) -> None:
    processes = everybody(started(here))
    folder = folder_of(CLUSTER.name, here)
    state = read_state(folder)
    write_state(folder, dataclasses.replace(state, processes={}))

    assert down(CLUSTER, here, silent) == len(processes)


def test_down_of_one_leaves_the_other_alone(here) -> None:
    started(here)
    started(here, OTHER)
    down(CLUSTER, here, silent)

    assert look(OTHER, here).state == "up"


def test_an_id_that_another_process_has_by_now_is_left_alone(here) -> None:
    started(here)
    folder = folder_of(CLUSTER.name, here)
    state = read_state(folder)
    mine = {**next(iter(state.processes.values())), "pid": os.getpid(), "started": 1.0}
    write_state(folder, dataclasses.replace(state, processes={**state.processes, "worker-9": mine}))

    down(CLUSTER, here, silent)

    assert psutil.pid_exists(os.getpid())


@pytest.mark.parametrize("damage", ["cut off", "gone", "of a process that is gone"])
def test_a_name_is_enough_to_end_it_whatever_was_written_down(here, damage) -> None:
    pids = started(here)
    processes = everybody(pids)
    path = folder_of(CLUSTER.name, here) / "state.json"
    if damage == "cut off":
        path.write_bytes(path.read_bytes()[:40])
    elif damage == "gone":
        path.unlink()
    else:
        killed(pids["worker-1"])  # its executor goes on, in the session of a leader that is gone
        path.write_text("{}")

    end(CLUSTER.name, here, silent)

    assert not running(processes)
    assert not folder_of(CLUSTER.name, here).exists()
    assert left_over(here) == []


def test_processes_are_found_when_the_whole_folder_is_gone(here) -> None:
    processes = everybody(started(here))
    shutil.rmtree(folder_of(CLUSTER.name, here))

    assert end(CLUSTER.name, here, silent) == len(processes)
    assert not running(processes)


def test_the_end_of_one_cluster_is_none_of_another_s(here) -> None:
    started(here)
    started(here, OTHER)

    end(CLUSTER.name, here, silent)

    assert (look(CLUSTER, here).state, look(OTHER, here).state) == ("down", "up")
    assert left_over(here) == [OTHER.name]


@pytest.mark.parametrize(
    ("trouble", "told"),
    [("master ends", "master ended: stored .*no port to bind"), ("worker ends", "worker-. ended: stored .*no memory")],
)
def test_one_that_does_not_come_up_says_why_and_leaves_nothing(here, home, trouble, told) -> None:
    fake_spark.misbehave(home, trouble)

    with pytest.raises(ClusterUnavailable, match=told):
        up(CLUSTER, here, silent)

    assert not folder_of(CLUSTER.name, here).exists()
    assert sessions_of(CLUSTER, here) == set()


def test_workers_that_never_register_are_not_waited_for_for_ever(here, home, monkeypatch) -> None:
    fake_spark.misbehave(home, "worker is silent")
    monkeypatch.setattr(standalone_cluster, "_PATIENCE_SECONDS", 2.0)

    with pytest.raises(ClusterUnavailable, match="not all of its workers registered"):
        up(CLUSTER, here, silent)


def test_an_interrupt_on_the_way_leaves_nothing(here, monkeypatch) -> None:
    def interrupted(line: str) -> None:
        if "workers" in line:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        up(CLUSTER, here, interrupted)

    assert not folder_of(CLUSTER.name, here).exists()
    assert sessions_of(CLUSTER, here) == set()


_KILLED_ON_THE_WAY = """
import os, signal, sys
from pathlib import Path
from repro_assets import settings
from repro_assets.resources.spark import standalone_cluster
from repro_assets.resources.spark.spark_cluster import load_cluster

standalone_cluster._spark_home = lambda: Path(sys.argv[1])
cluster = load_cluster("standalone-2x1-v1", settings.load())

def report(line):
    if "workers" in line:  # the master runs, and is written down
        os.kill(os.getpid(), signal.SIGKILL)

standalone_cluster.up(cluster, settings.load(), report)
"""


def test_what_a_killed_up_has_left_is_removed_by_the_next_one(here, home) -> None:
    environment = {**os.environ, **here.variables()}
    killed_one = subprocess.run([sys.executable, "-c", _KILLED_ON_THE_WAY, str(home)], env=environment, check=False)
    left = read_state(folder_of(CLUSTER.name, here))
    assert killed_one.returncode == -signal.SIGKILL
    assert left is not None
    assert left.alive == ("master",)
    lines: list[str] = []

    state, is_new = up(CLUSTER, here, lines.append)

    assert is_new
    assert any("a start that was killed" in line for line in lines)
    assert running([int(left.processes["master"]["pid"])]) == []
    assert look(CLUSTER, here).state == "up"
    assert set(state.processes) == {"master", "worker-1", "worker-2"}


def test_one_that_lost_a_worker_after_it_was_whole_is_not_started_again_under_whoever_uses_it(here) -> None:
    pids = started(here)
    killed(pids["worker-1"])

    with pytest.raises(ClusterUnavailable, match=r"not whole: stored 1 workers registered, expected 2.*cluster down"):
        up(CLUSTER, here, silent)

    assert running([pids["master"], pids["worker-2"]])


def test_its_processes_get_no_sources_credentials_or_options_of_whoever_started_them(here, home, monkeypatch) -> None:
    for name in ("PYTHONPATH", "AWS_SECRET_ACCESS_KEY", "JAVA_TOOL_OPTIONS", "REPRO_LAKE", "SPARK_MASTER_HOST"):
        monkeypatch.setenv(name, "x")
    started(here)
    environment = json.loads((home / "environment.json").read_text())

    assert "x" not in environment.values()
    assert (environment["SPARK_LOCAL_IP"], environment["OMP_NUM_THREADS"]) == ("127.0.0.1", "1")


def test_no_command_line_holds_the_secret(here) -> None:
    pids = started(here)
    secret = (folder_of(CLUSTER.name, here) / "client.conf").read_text().split()[1]

    assert not any(secret in " ".join(psutil.Process(pid).cmdline()) for pid in everybody(pids))


def test_only_a_standalone_cluster_is_started(here) -> None:
    with pytest.raises(BadInput, match=r"stored local\[2\]"):
        up(load_cluster("local-v1", settings_module.load({})), here, silent)


def test_a_cluster_of_another_spark_is_not_started(here) -> None:
    with pytest.raises(ClusterMismatch, match=r"expected 3\.5\.0"):
        up(dataclasses.replace(CLUSTER, spark_version="3.5.0"), here, silent)


# --- joining ----------------------------------------------------------------------------------------------------


def test_who_joins_gets_the_real_address_and_the_file_with_the_secret(here) -> None:
    state, _ = up(CLUSTER, here, silent)
    joined = join(CLUSTER, here)

    assert joined.cluster.master == state.master
    assert joined.cluster.sha256 == CLUSTER.sha256
    assert joined.settings_file.name == "client.conf"


def test_a_cluster_that_is_not_up_is_refused_with_the_command(here) -> None:
    with pytest.raises(ClusterUnavailable, match=r"is not up\. Run `repro cluster up standalone-2x1-v1`"):
        join(CLUSTER, here)


def test_a_cluster_that_lost_a_worker_is_refused_with_the_count(here) -> None:
    killed(started(here)["worker-1"])

    with pytest.raises(ClusterUnavailable, match="stored 1 workers registered, expected 2"):
        join(CLUSTER, here)


@pytest.mark.parametrize(
    ("field", "value", "named"),
    [
        ("cluster_sha256", "0" * 64, "another file"),
        ("spark_version", "3.5.0", "another Spark"),
        ("java", 8, "another Java"),
    ],
)
def test_a_cluster_that_was_started_from_something_else_is_refused(here, field, value, named) -> None:
    state, _ = up(CLUSTER, here, silent)
    write_state(folder_of(CLUSTER.name, here), dataclasses.replace(state, **{field: value}))

    with pytest.raises(ClusterMismatch, match=named):
        join(CLUSTER, here)
