"""MLflow runs whose process is gone. No JVM."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from repro_assets import settings as settings_module
from repro_assets.resources.process_owner import current_owner
from repro_assets.resources.tracking.reaper import reap_mlflow
from repro_assets.resources.tracking.store import connect, initialise
from repro_assets_tests.integration.mlflow_store import SqliteStore

EXPERIMENT = "a study"
KILLED_IN_THE_MIDDLE = """
import os, signal, sys
from repro_assets import settings
from repro_assets.resources.tracking.resource import RunTracker
tracker = RunTracker(settings.load({"REPRO_VAR": sys.argv[1]}), "a study")
tracker.nested("first")
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    database = tmp_path_factory.mktemp("template") / "mlflow.db"
    connect(f"sqlite:///{database}")
    return database


@pytest.fixture
def store(tmp_path: Path, template: Path) -> SqliteStore:
    return SqliteStore(tmp_path, template)


def running(store: SqliteStore, tmp_path: Path, tags: dict[str, str]) -> str:
    experiment = initialise(settings_module.load({"REPRO_VAR": str(tmp_path)}), EXPERIMENT)
    return store.client.create_run(experiment, tags=tags).info.run_id


def test_the_runs_of_a_killed_process_are_ended_as_failed(store, tmp_path) -> None:
    killed = subprocess.run([sys.executable, "-c", KILLED_IN_THE_MIDDLE, str(tmp_path)], check=False)
    assert killed.returncode == -9
    assert store.sql("select distinct status from runs") == [("RUNNING",)]

    reaped = reap_mlflow(store.client, EXPERIMENT)

    assert len(reaped) == 2
    assert store.sql("select distinct status from runs") == [("FAILED",)]
    assert store.sql("select count(*) from tags where key = 'repro.reaped'") == [(2,)]


@pytest.mark.parametrize(
    "tags",
    [
        pytest.param({"repro.owner": json.dumps(current_owner())}, id="a living process"),
        pytest.param({"repro.owner": json.dumps({"host": "else", "pid": 1, "started": 0})}, id="another host"),
        pytest.param({"repro.owner": "not json"}, id="a foreign tag"),
        pytest.param({}, id="no owner"),
    ],
)
def test_a_run_that_may_still_be_written_is_left(store, tmp_path, tags) -> None:
    running(store, tmp_path, tags)

    assert reap_mlflow(store.client, EXPERIMENT) == []
    assert store.sql("select status from runs") == [("RUNNING",)]


def test_an_orphan_is_reaped_once(store, tmp_path) -> None:
    gone = {**current_owner(), "started": 1.0}
    run_id = running(store, tmp_path, {"repro.owner": json.dumps(gone)})

    assert reap_mlflow(store.client, EXPERIMENT) == [run_id]
    assert reap_mlflow(store.client, EXPERIMENT) == []


def test_more_orphans_than_one_page_are_all_reaped(store, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr("repro_assets.resources.tracking.reaper._PAGE", 2)
    gone = {"repro.owner": json.dumps({**current_owner(), "started": 1.0})}
    orphans = [running(store, tmp_path, gone) for _ in range(5)]

    assert sorted(reap_mlflow(store.client, EXPERIMENT)) == sorted(orphans)


def test_an_experiment_that_does_not_exist_has_nothing_to_reap(store) -> None:
    assert reap_mlflow(store.client, "never made") == []
