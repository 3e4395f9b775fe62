"""Registered versions, the candidate, and the witnesses of a result. No JVM."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from repro_assets import settings as settings_module
from repro_assets.errors import BadInput, Outside
from repro_assets.resources.tracking.confirmations import add_confirmation, add_conflict
from repro_assets.resources.tracking.model_registry import move_candidate, register
from repro_assets.resources.tracking.store import initialise
from repro_assets_tests.integration.mlflow_store import SqliteStore

NAME = "study_model"


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> SqliteStore:
    folder = tmp_path_factory.mktemp("var")
    initialise(settings_module.load({"REPRO_VAR": str(folder)}), "a study")
    return SqliteStore(folder)


@pytest.fixture
def run_id(store: SqliteStore) -> str:
    experiment = store.client.get_experiment_by_name("a study").experiment_id
    return store.client.create_run(experiment).info.run_id


def registered(store: SqliteStore, run_id: str, name: str) -> str:
    location = store.client.get_run(run_id).info.artifact_uri
    return register(store.client, name, source=location, run_id=run_id, data_version="a-v000001", tags={"n": 1})


def candidate(store: SqliteStore, name: str) -> str:
    return str(store.client.get_model_version_by_alias(name, "candidate").version)


def test_a_version_names_its_run_and_data_version(store, run_id) -> None:
    version = registered(store, run_id, "named")

    made = store.client.get_model_version("named", version)
    assert (made.run_id, made.tags) == (run_id, {"n": "1", "repro.data_version": "a-v000001"})


def test_a_logged_model_is_registered_by_its_id(store, run_id) -> None:
    client = store.client
    logged = client.create_logged_model(client.get_run(run_id).info.experiment_id, name="m", source_run_id=run_id)
    client.finalize_logged_model(logged.model_id, "READY")

    version = register(client, "by_id", source=f"models:/{logged.model_id}", run_id=run_id, data_version="k")

    made = client.get_model_version("by_id", version)
    assert made.source == f"models:/{logged.model_id}"
    assert client.get_model_version_download_uri("by_id", version) == logged.artifact_location


@pytest.mark.parametrize(
    ("ranks", "expected"),
    [
        pytest.param([0], "1", id="the first"),
        pytest.param([3, 5], "2", id="a newer data version"),
        pytest.param([5, 3], "1", id="an older one, as in a backfill"),
        pytest.param([5, 5], "2", id="the same one again"),
        pytest.param([2, 10, 9], "2", id="by number, not by text"),
    ],
)
def test_the_candidate_is_the_model_of_the_newest_data_version(store, run_id, tmp_path, ranks, expected) -> None:
    name = f"by rank {ranks}"
    for rank in ranks:
        move_candidate(store.client, name, registered(store, run_id, name), rank, lock=tmp_path / "registry.lock")

    assert candidate(store, name) == expected


def test_move_candidate_says_whether_it_moved(store, run_id, tmp_path) -> None:
    versions = [registered(store, run_id, "said") for _ in range(2)]
    lock = tmp_path / "registry.lock"

    assert move_candidate(store.client, "said", versions[0], 5, lock=lock) is True
    assert move_candidate(store.client, "said", versions[1], 4, lock=lock) is False


def test_a_candidate_set_by_hand_gives_way(store, run_id, tmp_path) -> None:
    by_hand, ours = registered(store, run_id, "hand"), registered(store, run_id, "hand")
    store.client.set_registered_model_alias("hand", "candidate", by_hand)

    assert move_candidate(store.client, "hand", ours, 0, lock=tmp_path / "registry.lock")


def test_a_version_that_does_not_exist_is_one_line(store, run_id, tmp_path) -> None:
    registered(store, run_id, NAME)

    with pytest.raises(Outside, match="MLflow refused"):
        move_candidate(store.client, NAME, "99", 0, lock=tmp_path / "registry.lock")


def test_confirmations_are_files_and_the_tag_counts_them(store, run_id) -> None:
    counts = [add_confirmation(store.client, run_id, {"by": who}) for who in ("first", "second")]

    run = store.client.get_run(run_id)
    files = Path(run.info.artifact_uri.removeprefix("file://"), "confirmations").iterdir()
    assert counts == [1, 2]
    assert run.data.tags["repro.confirmations"] == "2"
    assert sorted(json.loads(file.read_text())["by"] for file in files) == ["first", "second"]
    assert "repro.conflict" not in run.data.tags


def test_a_conflict_is_no_confirmation(store, run_id) -> None:
    add_conflict(store.client, run_id, {"output_digest": "other"})

    tags = store.client.get_run(run_id).data.tags
    assert tags["repro.conflict"] == "1"
    assert "repro.confirmations" not in tags


def test_a_record_without_stable_text_is_refused(store, run_id) -> None:
    with pytest.raises(BadInput):
        add_confirmation(store.client, run_id, {"auc": float("nan")})


def test_a_run_that_does_not_exist_can_t_be_confirmed(store) -> None:
    with pytest.raises(Outside, match="MLflow refused"):
        add_confirmation(store.client, "0" * 32, {})
