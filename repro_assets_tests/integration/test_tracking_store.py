"""Connecting to an MLflow store, setting one up, and what is said when that fails. No JVM."""

from __future__ import annotations

import socket
import subprocess
import sys
from pathlib import Path

import pytest

from repro_assets import settings as settings_module
from repro_assets.errors import BadInput, Outside, TrackingUnreachable
from repro_assets.resources.tracking.store import connect, initialise, locked
from repro_assets_tests.integration.mlflow_store import SqliteStore

INITIALISE = """
import sys
from repro_assets import settings
from repro_assets.resources.tracking.store import initialise
print(initialise(settings.load({"REPRO_VAR": sys.argv[1]}), "a study"))
"""


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    database = tmp_path_factory.mktemp("template") / "mlflow.db"
    connect(f"sqlite:///{database}")
    return database


def test_two_processes_that_first_touch_an_empty_folder_get_one_working_experiment(tmp_path) -> None:
    command = [sys.executable, "-c", INITIALISE, str(tmp_path)]
    racers = [subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in range(2)]
    answers = [racer.communicate() for racer in racers]

    assert [racer.returncode for racer in racers] == [0, 0], answers
    assert answers[0] == answers[1] == (answers[0][0], "")
    store = SqliteStore(tmp_path)
    assert store.sql("select name from experiments where name = 'a study'") == [("a study",)]
    assert store.sql("select count(*) from alembic_version") == [(1,)]


def test_artifacts_of_the_installation_s_store_lie_under_its_absolute_root(tmp_path, template) -> None:
    store, settings = SqliteStore(tmp_path, template), settings_module.load({"REPRO_VAR": str(tmp_path)})

    initialise(settings, "a study")

    assert store.client.get_experiment_by_name("a study").artifact_location == settings.mlflow_artifacts.as_uri()


def test_artifacts_of_a_sqlite_store_elsewhere_lie_beside_it(tmp_path, template) -> None:
    store = SqliteStore(tmp_path, template)
    elsewhere = {"REPRO_VAR": str(tmp_path / "another"), "MLFLOW_TRACKING_URI": store.uri}

    initialise(settings_module.load(elsewhere), "a study")

    expected = (store.database.parent / "artifacts").as_uri()
    assert store.client.get_experiment_by_name("a study").artifact_location == expected


def test_an_experiment_that_was_deleted_is_not_written_to(tmp_path, template) -> None:
    store, settings = SqliteStore(tmp_path, template), settings_module.load({"REPRO_VAR": str(tmp_path)})
    store.client.delete_experiment(initialise(settings, "a study"))

    with pytest.raises(BadInput, match="was deleted"):
        initialise(settings, "a study")


def test_a_dead_server_is_named_without_its_password() -> None:
    with pytest.raises(TrackingUnreachable) as caught:
        connect("http://me:secret@127.0.0.1:9/mlflow")

    assert "http://***@127.0.0.1:9/mlflow" in str(caught.value)
    assert "secret" not in str(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__


@pytest.mark.slow
def test_a_server_that_accepts_and_never_answers_is_given_up_within_15_seconds() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        uri = f"http://127.0.0.1:{silent.getsockname()[1]}"
        code = f"from repro_assets.resources.tracking.store import connect; connect({uri!r})"
        imports, deadline = 30, 15
        tried = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=imports + deadline
        )

    assert "TrackingUnreachable" in tried.stderr


def test_a_database_of_another_mlflow_version_is_refused(tmp_path, template) -> None:
    store = SqliteStore(tmp_path, template)
    store.sql("update alembic_version set version_num = 'of-the-future'")

    with pytest.raises(Outside, match=r"another MLflow version.*of-the-future"):
        connect(store.uri)


def test_a_read_only_database_is_refused_when_the_experiment_is_made(tmp_path, template, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)  # MLflow takes `file:…` for a relative path and makes that folder
    store = SqliteStore(tmp_path, template)
    uri = f"sqlite:///file:{store.database}?mode=ro&uri=true"

    with pytest.raises(Outside, match="can't be written"):
        initialise(settings_module.load({"REPRO_VAR": str(tmp_path), "MLFLOW_TRACKING_URI": uri}), "a study")


def test_a_folder_that_can_t_be_made_is_one_line(tmp_path) -> None:
    (tmp_path / "mlflow").write_text("a file stands in the way")

    with pytest.raises(Outside) as caught:
        initialise(settings_module.load({"REPRO_VAR": str(tmp_path)}), "a study")

    assert "\n" not in str(caught.value)


def test_a_lock_that_stays_taken_is_said(tmp_path) -> None:
    with (
        locked(tmp_path / "a.lock", 1),
        pytest.raises(Outside, match="another process holds"),
        locked(tmp_path / "a.lock", 0),
    ):
        pass
