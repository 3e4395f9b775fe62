"""`--force` compares, and what is damaged or replaced is refused: on a state of its own, since it is changed."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from repro_assets.sample.generate import generate
from repro_assets_tests.installation import Installation, java_that_refuses

pytestmark = [pytest.mark.spark, pytest.mark.slow]


@pytest.fixture(scope="module")
def one_run(tmp_path_factory: pytest.TempPathFactory) -> tuple[Installation, str]:
    """One data version, materialized."""
    folder = tmp_path_factory.mktemp("one")
    installation = Installation.make(folder)
    feed = generate(folder / "feed", versions=1)
    installation.json("ingest", "covid_cases", *map(str, feed.covid_files))
    installation.json("ingest", "job_changes", *map(str, feed.job_files))
    key = installation.json("versions")["versions"][0]["key"]
    installation.json("run", key)
    return installation, key


def test_force_recomputes_everything_and_confirms_the_original(one_run: tuple[Installation, str]) -> None:
    installation, key = one_run
    original = installation.json("run", key)["runs"][0]["assets"]
    forced = installation.json("run", key, "--force")["runs"][0]["assets"]
    assert {asset["state"] for asset in forced.values()} == {"computed"}
    assert {name: asset["output_digest"] for name, asset in forced.items()} == {
        name: asset["output_digest"] for name, asset in original.items()
    }
    assert {installation.tags(asset["mlflow_run_id"])["repro.confirmations"] for asset in original.values()} == {"1"}
    assert {asset["mlflow_run_id"] for asset in forced.values()}.isdisjoint(
        asset["mlflow_run_id"] for asset in original.values()
    )
    assert installation.mlflow("SELECT count(*) FROM model_versions") == [(2,)]


def test_another_installation_with_the_same_stores_confirms_the_original_and_both_show_who(
    one_run: tuple[Installation, str], tmp_path: Path
) -> None:
    installation, key = one_run
    other = Installation.make(tmp_path)
    shared = {
        "REPRO_LAKE": str(installation.var / "lake"),
        "REPRO_CAPSULES": str(installation.var / "capsules"),
        "MLFLOW_TRACKING_URI": f"sqlite:///{installation.var}/mlflow/mlflow.db",
    }
    original = installation.json("run", key)["runs"][0]
    before = installation.json("show", original["mlflow_run_id"])["confirmations"]
    other.json("run", key, "--force", env=shared)
    told = other.json("show", original["mlflow_run_id"], env=shared)["confirmations"]
    assert told == installation.json("show", original["mlflow_run_id"])["confirmations"]
    assert len(told) == len(before) + 1
    assert (told[-1]["said"], told[-1]["assets"]) == ("recomputed equal", list(original["assets"]))
    assert all(told[-1][name] for name in ("user", "host", "time", "cpu"))


def test_force_on_a_damaged_output_puts_the_good_one_in_its_place(one_run: tuple[Installation, str]) -> None:
    installation, key = one_run
    identity = installation.json("run", key)["runs"][0]["assets"]["features"]["identity"]
    file = installation.stored_files("features", key, identity)[0]
    content = file.read_bytes()
    file.write_bytes(content[:100] + bytes([content[100] ^ 1]) + content[101:])
    assert installation.repro("run", key).returncode == 1
    forced = installation.json("run", key, "--force")["runs"][0]["assets"]
    assert {asset["state"] for asset in forced.values()} == {"computed"}
    again = installation.json("run", key)["runs"][0]["assets"]
    assert {asset["state"] for asset in again.values()} == {"reused"}
    assert again["features"]["output_digest"] == forced["features"]["output_digest"]


def test_another_result_under_the_same_identity_keeps_both_and_exits_1(one_run: tuple[Installation, str]) -> None:
    installation, key = one_run
    asset = installation.json("run", key)["runs"][0]["assets"]["predictions"]
    marker = installation.var / "lake" / "predictions" / key / asset["identity"] / "_COMPLETE.json"
    whole = marker.read_text()
    marker.write_text(whole.replace(f'"digest":"{asset["output_digest"]}"', f'"digest":"{"0" * 64}"'))
    done = installation.repro("run", key, "--force")
    marker.write_text(whole)
    assert done.returncode == 1, done.stderr
    assert "predictions came out different" in done.stderr
    assert list(marker.parent.glob("_CONFLICT-*.json"))


def test_parameters_make_another_identity_and_both_results_stay(one_run: tuple[Installation, str]) -> None:
    installation, key = one_run
    first = installation.json("run", key)["runs"][0]["assets"]
    other = installation.json("run", key, "--set", "model.family=random_forest", "--set", "model.n_estimators=20")
    assets = other["runs"][0]["assets"]
    assert {name: asset["state"] for name, asset in assets.items()} == {
        **dict.fromkeys(("covid_cases", "job_changes", "train_test_snapshot", "features"), "reused"),
        **dict.fromkeys(("model", "predictions"), "computed"),
    }
    assert assets["model"]["identity"] != first["model"]["identity"]
    tags = installation.tags(other["runs"][0]["mlflow_run_id"])
    assert tags["repro.reused.features"] == first["features"]["mlflow_run_id"]
    assert (
        installation.json("run", key)["runs"][0]["assets"]["model"]["output_digest"] == first["model"]["output_digest"]
    )


@pytest.mark.parametrize("asset", ["train_test_snapshot", "features", "model", "predictions"])
def test_a_flipped_bit_in_a_stored_output_is_found_before_it_is_used(
    one_run: tuple[Installation, str], asset: str
) -> None:
    installation, key = one_run
    identity = installation.json("run", key)["runs"][0]["assets"][asset]["identity"]
    file = installation.stored_files(asset, key, identity)[0]
    whole = file.read_bytes()
    file.write_bytes(whole[:100] + bytes([whole[100] ^ 1]) + whole[101:])
    done = installation.repro("run", key)
    file.write_bytes(whole)
    assert done.returncode == 1
    assert file.name in done.stderr
    assert len(done.stderr.strip().splitlines()[-1]) < 1000
    assert "Traceback" not in done.stderr


def test_a_version_that_never_was_is_refused_at_once(one_run: tuple[Installation, str]) -> None:
    installation, _ = one_run
    done = installation.repro("run", "covid_cases-v1000000000--job_changes-v000000")
    assert done.returncode == 2
    assert "covid_cases has no version 1000000000" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_removed_commit_file_is_expired_and_exits_3(one_run: tuple[Installation, str]) -> None:
    installation, key = one_run
    log = installation.var / "lake" / "raw" / "covid_cases" / "_delta_log"
    first, second = log / f"{0:020d}.json", log / f"{1:020d}.json"
    shutil.copy(first, second)
    content = first.read_bytes()
    first.unlink()
    done = installation.repro("run", key)
    first.write_bytes(content)
    second.unlink()
    assert done.returncode == 3
    assert "version 0 of covid_cases is gone from the log" in done.stderr


def test_a_changed_commit_is_not_the_one_that_was_pinned(one_run: tuple[Installation, str]) -> None:
    installation, key = one_run
    commit = installation.var / "lake" / "raw" / "covid_cases" / "_delta_log" / f"{0:020d}.json"
    content = commit.read_bytes()
    commit.write_bytes(content + b"\n")
    done = installation.repro("run", key)
    commit.write_bytes(content)
    assert done.returncode == 3
    assert "version 0 is not the commit that was pinned" in done.stderr


def test_a_table_made_anew_at_the_same_place_is_another_table(one_run: tuple[Installation, str]) -> None:
    installation, key = one_run
    commit = installation.var / "lake" / "raw" / "job_changes" / "_delta_log" / f"{0:020d}.json"
    content = commit.read_text()
    metadata = next(line for line in content.splitlines() if line.startswith('{"metaData"'))
    table_id = metadata.split('"id":"')[1].split('"')[0]
    commit.write_text(content.replace(table_id, "00000000-0000-4000-8000-000000000000"))
    done = installation.repro("run", key)
    commit.write_text(content)
    assert done.returncode == 3
    assert "another table stands at this location" in done.stderr


@pytest.mark.parametrize("name", ["conda/ml-v1.lock", "conda/ml-v1.yaml", "clusters/local-v1.json"])
def test_a_file_edited_under_its_old_name_is_refused(
    one_run: tuple[Installation, str], tmp_path: Path, name: str
) -> None:
    installation, key = one_run
    envs = tmp_path / "envs"
    shutil.copytree(Path(__file__).parents[2] / "envs", envs)
    (envs / name).write_text((envs / name).read_text() + "\n")
    done = installation.repro("run", key, env={"REPRO_ENVS": str(envs)})
    assert done.returncode == 2
    assert name in done.stderr
    assert "Traceback" not in done.stderr


def test_an_mlflow_server_that_is_gone_fails_the_run_with_its_address(one_run: tuple[Installation, str]) -> None:
    installation, key = one_run
    done = installation.repro("run", key, "--force", env={"MLFLOW_TRACKING_URI": "http://127.0.0.1:9"})
    assert done.returncode == 4
    assert "http://127.0.0.1:9" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_run_that_reused_everything_is_shown_by_the_run_that_computed(one_run: tuple[Installation, str]) -> None:
    installation, key = one_run
    reused = installation.json("run", key)["runs"][0]
    assert installation.json("show", reused["dagster_run_id"])["mlflow_run_id"] == reused["mlflow_run_id"]


def test_real_files_do_not_join_a_table_that_holds_the_sample(
    one_run: tuple[Installation, str], tmp_path: Path
) -> None:
    installation, _ = one_run
    feed = generate(tmp_path, versions=2)
    real = tmp_path / "time_series_2020-06-30.csv"
    shutil.copy(feed.covid_files[1], real)
    done = installation.repro("ingest", "covid_cases", str(real))
    assert done.returncode == 2
    assert "the table holds the generated sample" in done.stderr
    assert len(installation.json("versions")["versions"]) == 1


def test_a_model_of_reused_features_is_not_fitted_by_other_threads_than_the_cluster_file_s(
    one_run: tuple[Installation, str], tmp_path: Path
) -> None:
    """Nothing of it needs Spark, so no session compares the process with the file."""
    installation, key = one_run
    models = installation.var / "lake" / "model" / key
    before = set(models.iterdir())
    threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "2")
    done = installation.repro("run", key, "--set", "model.C=2.0", env={**java_that_refuses(tmp_path), **threads})
    assert done.returncode == 2
    assert "cluster local-v1 needs other variables" in done.stderr
    assert set(models.iterdir()) == before
    assert not (tmp_path / "a-jvm-was-started").exists()


def test_nothing_is_left_running_in_mlflow_after_all_that(one_run: tuple[Installation, str]) -> None:
    installation, key = one_run
    installation.json("run", key)
    assert installation.mlflow("SELECT count(*) FROM runs WHERE status = 'RUNNING'") == [(0,)]


def test_a_state_that_was_moved_works_after_its_addresses_were_rewritten(
    one_run: tuple[Installation, str], tmp_path: Path
) -> None:
    installation, key = one_run
    before = installation.json("run", key)["runs"][0]
    moved = Installation(tmp_path / "elsewhere")
    shutil.move(installation.var, moved.var)
    (moved.var / "dagster" / "dagster.yaml").unlink(missing_ok=True)
    project = Path(__file__).parents[2]
    command = [sys.executable, "-m", "scripts.move_var", str(installation.var), str(moved.var)]
    done = subprocess.run(command, cwd=project, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert {asset["state"] for asset in moved.json("run", key)["runs"][0]["assets"].values()} == {"reused"}
    assert moved.json("show", before["mlflow_run_id"])["stages"].keys() == before["assets"].keys()
    forced = moved.json("run", key, "--force")["runs"][0]["assets"]
    assert {name: asset["output_digest"] for name, asset in forced.items()} == {
        name: asset["output_digest"] for name, asset in before["assets"].items()
    }
