"""What removes or proves looks at the store that lake and capsules belong to, or at none. No JVM."""

from __future__ import annotations

import shutil
from pathlib import Path

import dagster as dg
import pytest

from repro_assets import settings as settings_module
from repro_assets.errors import BadInput
from repro_assets.experiment import EXPERIMENT
from repro_assets.resources.keeping.belonging import claim, open_holders, open_records
from repro_assets.resources.raw.raw_tables import RawTables
from repro_assets.resources.tracking.store import connect, initialise
from repro_assets.settings import Settings
from repro_assets.verbs import commands_keep
from repro_assets.verbs.preflight import preflight
from repro_assets_tests.unit.pins.run_records import KEY

NAME = "a study"


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("template")
    initialise(settings_module.load({"REPRO_VAR": str(folder)}), NAME)
    return folder / "mlflow" / "mlflow.db"


@pytest.fixture
def here(tmp_path: Path, template: Path) -> Settings:
    (tmp_path / "mlflow").mkdir()
    shutil.copy(template, tmp_path / "mlflow" / "mlflow.db")
    return settings_module.load({"REPRO_VAR": str(tmp_path)})


def stand(here: Settings) -> None:
    folder = here.var / "lake" / "features" / KEY / ("1" * 64)
    folder.mkdir(parents=True)
    (folder / "_COMPLETE.json").write_bytes(b"{}")


def test_a_store_that_is_not_there_is_refused_and_not_made(tmp_path) -> None:
    here = settings_module.load({"REPRO_VAR": str(tmp_path)})
    with pytest.raises(BadInput, match="no MLflow store"):
        open_holders(here, NAME, lake=here.lake)
    assert list(tmp_path.iterdir()) == []


def test_an_experiment_that_is_not_there_is_refused_and_not_made(here) -> None:
    with pytest.raises(BadInput, match="no such experiment"):
        open_holders(here, "edited", lake=here.lake)
    assert connect(here.mlflow_tracking_uri).get_experiment_by_name("edited") is None


def test_holders_are_looked_for_in_every_experiment_of_the_store(here) -> None:
    other = connect(here.mlflow_tracking_uri).create_experiment("its former name")
    assert other in open_holders(here, NAME, lake=here.lake).experiments


def test_outputs_that_no_run_of_the_store_names_are_not_removed(here) -> None:
    stand(here)
    with pytest.raises(BadInput, match="no run of the MLflow store names any"):
        open_holders(here, NAME, lake=here.lake)
    client = connect(here.mlflow_tracking_uri)
    tags = {"repro.manifest": "x", "repro.asset": "features", "repro.data_version": KEY, "repro.identity": "1" * 64}
    run = client.create_run(client.get_experiment_by_name(NAME).experiment_id, tags=tags)
    client.delete_run(run.info.run_id)  # it still says whose the outputs are
    open_holders(here, NAME, lake=here.lake)


def test_a_lake_that_belongs_to_another_store_is_refused_and_its_own_store_may_move_with_it(here, tmp_path) -> None:
    claim(here, lake=here.lake)
    open_holders(here, NAME, lake=here.lake)
    moved = tmp_path / "moved"
    moved.mkdir()
    for name in ("lake", "mlflow", "capsules"):
        shutil.move(tmp_path / name, moved / name)
    there = settings_module.load({"REPRO_VAR": str(moved)})
    open_holders(there, NAME, lake=there.lake)
    shutil.copy(moved / "mlflow" / "mlflow.db", tmp_path / "other.db")
    uri = f"sqlite:///{tmp_path / 'other.db'}"
    other = settings_module.load({"REPRO_VAR": str(moved), "MLFLOW_TRACKING_URI": uri})
    with pytest.raises(BadInput, match="belongs to another MLflow store"):
        open_holders(other, NAME, lake=other.lake)


def test_where_nothing_was_recorded_verify_and_preflight_say_so_and_make_nothing(tmp_path, monkeypatch, capsys) -> None:
    monkeypatch.setenv("REPRO_VAR", str(tmp_path))
    here = settings_module.load()
    assert open_records(here, EXPERIMENT.name, lake=here.lake) is None

    commands_keep.verify(None, every=True, json=False)

    with dg.DagsterInstance.ephemeral() as instance:
        assert preflight(None, here, instance, RawTables()) == []
        with pytest.raises(BadInput, match="none was recorded yet"):
            preflight(KEY, here, instance, RawTables())
    assert "no run was recorded in this installation yet" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_with_a_store_that_is_not_that_of_the_lake_nothing_is_called_whole(here, tmp_path, monkeypatch) -> None:
    stand(here)
    other = tmp_path / "elsewhere" / "other.db"
    monkeypatch.setenv("REPRO_VAR", str(tmp_path))
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{other}")

    with pytest.raises(BadInput, match="no MLflow store"):
        commands_keep.verify(None, every=True, json=False)
    with dg.DagsterInstance.ephemeral() as instance, pytest.raises(BadInput, match="no MLflow store"):
        preflight(None, settings_module.load(), instance, RawTables())
    assert not other.parent.exists()

    other.parent.mkdir()
    initialise(settings_module.load(), EXPERIMENT.name)
    with pytest.raises(BadInput, match="no run of the MLflow store names any"):
        commands_keep.verify(None, every=True, json=False)
    with dg.DagsterInstance.ephemeral() as instance, pytest.raises(BadInput, match="names any"):
        preflight(None, settings_module.load(), instance, RawTables())
