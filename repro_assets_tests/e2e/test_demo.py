"""What `repro demo` leaves behind: six outputs per key, and MLflow runs that say everything about them."""

from __future__ import annotations

import json
import re
from pathlib import Path

import dagster as dg
import pytest

from repro_assets.experiment import EXPERIMENT
from repro_assets.sample.generate import generate
from repro_assets_tests.e2e.conftest import Demo
from repro_assets_tests.installation import java_that_refuses

pytestmark = pytest.mark.spark

ASSETS = ["covid_cases", "job_changes", "train_test_snapshot", "features", "model", "predictions"]
TAGS = {
    "repro.identity",
    "repro.data_version",
    "repro.asset",
    "repro.code.commit",
    "repro.code.capsule",
    "repro.environment",
    "repro.compute",
    "repro.output_digest",
    "repro.manifest",
    "repro.owner",
    "dagster_run_id",
}
UPSTREAM = {
    "covid_cases": [],
    "job_changes": [],
    "train_test_snapshot": ["covid_cases", "job_changes"],
    "features": ["train_test_snapshot"],
    "model": ["features"],
    "predictions": ["features", "model"],
}


def test_three_data_versions_each_have_six_computed_outputs(demo: Demo) -> None:
    assert [list(run["assets"]) for run in demo.runs] == [ASSETS] * 3
    assert {asset["state"] for run in demo.runs for asset in run["assets"].values()} == {"computed"}


def test_each_run_has_one_parent_and_six_nested_mlflow_runs_all_finished(demo: Demo) -> None:
    rows = demo.installation.mlflow("SELECT run_uuid, status FROM runs")
    assert len(rows) == 3 * (1 + len(ASSETS)) + 1  # the reproduction
    assert {status for _, status in rows} == {"FINISHED"}
    for run in demo.runs:
        assert set(demo.installation.nested(run["mlflow_run_id"])) == set(ASSETS)


@pytest.mark.parametrize("asset", ASSETS)
def test_every_nested_run_has_every_tag_of_the_design(demo: Demo, asset: str) -> None:
    for run in demo.runs:
        tags = demo.installation.tags(demo.installation.nested(run["mlflow_run_id"])[asset])
        inputs = {f"repro.input.{name}" for name in UPSTREAM[asset]}
        assert tags.keys() >= TAGS | inputs
        assert tags["repro.data_version"] == run["key"]
        assert tags["repro.identity"] == run["assets"][asset]["identity"]
        assert tags["repro.output_digest"] == run["assets"][asset]["output_digest"]
        assert {name: tags[f"repro.input.{name}"] for name in UPSTREAM[asset]} == {
            name: run["assets"][name]["output_digest"] for name in UPSTREAM[asset]
        }


@pytest.mark.parametrize("asset", ASSETS)
def test_every_nested_run_has_every_artifact_of_the_design(demo: Demo, asset: str) -> None:
    run_id = demo.installation.nested(demo.runs[0]["mlflow_run_id"])[asset]
    expected = {"manifest.json", "receipt.json", "cluster.json", "ml-v1.yaml", "ml-v1.lock"}
    assert demo.installation.artifacts(run_id) >= expected


def test_parameters_name_path_and_version_of_every_raw_table_the_snapshot_and_the_hyperparameters(demo: Demo) -> None:
    params = demo.installation.params(demo.installation.nested(demo.runs[1]["mlflow_run_id"])["model"])
    snapshot = demo.runs[1]["assets"]["train_test_snapshot"]["identity"]
    assert params["covid_cases.version"] == "1"
    assert params["job_changes.version"] == "0"
    assert params["covid_cases.path"].endswith("/lake/raw/covid_cases")
    assert params["snapshot.path"].endswith(f"/train_test_snapshot/{demo.runs[1]['key']}/{snapshot}")
    assert params["family"] == "logistic_regression"


def test_datasets_stand_with_their_fingerprint_and_the_first_version_is_not_dropped(demo: Demo) -> None:
    rows = demo.installation.mlflow(
        "SELECT dataset_source, input_tags.value FROM datasets "
        "JOIN inputs ON inputs.source_id = dataset_uuid "
        "JOIN input_tags USING (input_uuid) "
        "WHERE datasets.name = 'covid_cases' AND input_tags.name = 'repro.fingerprint'"
    )
    versions = {json.loads(source)["delta_table_version"]: print_ for source, print_ in rows}
    expected = {number: run["assets"]["covid_cases"]["output_digest"] for number, run in enumerate(demo.runs)}
    assert versions == expected


def test_the_candidate_is_the_model_of_the_highest_data_version(demo: Demo) -> None:
    rows = demo.installation.mlflow(
        "SELECT name, tags.value FROM registered_model_aliases aliases JOIN model_version_tags tags USING (name, version) "
        "WHERE alias = 'candidate' AND tags.key = 'repro.data_version'"
    )
    newest = demo.runs[-1]["key"]
    assert sorted(rows) == [(f"{EXPERIMENT.name}.full", newest), (f"{EXPERIMENT.name}.without_cases", newest)]


def test_the_manifest_digest_in_mlflow_is_that_of_the_manifest_that_show_gives(demo: Demo) -> None:
    from repro_assets.pins.manifest import manifest_digest

    run = demo.runs[0]
    shown = demo.shown(run["key"])
    for asset, run_id in demo.installation.nested(run["mlflow_run_id"]).items():
        assert manifest_digest(shown["stages"][asset]) == demo.installation.tags(run_id)["repro.manifest"]


def test_a_key_is_shown_by_the_run_that_made_it(demo: Demo) -> None:
    assert demo.shown(demo.runs[1]["key"])["mlflow_run_id"] == demo.runs[1]["mlflow_run_id"]


def test_the_manifest_holds_four_pins_each_as_declared_and_as_found(demo: Demo) -> None:
    pins = demo.shown(demo.runs[0]["key"])["stages"]["predictions"]["pins"]
    assert pins["data"]["covid_cases"]["fingerprint"] == demo.runs[0]["assets"]["covid_cases"]["output_digest"]
    assert re.fullmatch(r"[0-9a-f]{64}", pins["code"]["capsule"])
    assert pins["environment"]["declared"]["name"] == "ml-v1"
    assert pins["environment"]["effective"]["mismatches"] == []
    declared, effective = pins["compute"]["declared"]["settings"], pins["compute"]["effective"]["spark"]
    assert effective["master"] == declared["spark.master"]
    assert effective["settings"]["spark.sql.shuffle.partitions"] == declared["spark.sql.shuffle.partitions"]


def test_a_correction_moves_the_cases_and_leaves_everybody_on_their_side(demo: Demo) -> None:
    stages = [demo.shown(run["key"])["stages"]["train_test_snapshot"] for run in demo.runs[1:]]
    parts = [{part["name"]: part["digest"] for part in stage["output"]["parts"]} for stage in stages]
    assert parts[0]["cases"] != parts[1]["cases"]
    assert {name: parts[0][name] for name in ("train", "test", "unlabelled")} == {
        name: parts[1][name] for name in ("train", "test", "unlabelled")
    }
    assert demo.runs[1]["metrics"].keys() == demo.runs[2]["metrics"].keys() >= {"roc_auc", "brier_score", "log_loss"}


def test_the_answer_says_that_the_mapping_is_synthetic(demo: Demo) -> None:
    assert all("SYNTHETIC" in run["answer"] for run in demo.runs)


def test_the_same_key_again_reuses_everything_without_a_jvm_or_an_mlflow_run(demo: Demo, tmp_path: Path) -> None:
    before = demo.installation.mlflow("SELECT count(*) FROM runs")
    again = demo.installation.json("run", demo.runs[0]["key"], env=java_that_refuses(tmp_path))["runs"][0]
    assert {asset["state"] for asset in again["assets"].values()} == {"reused"}
    assert again["mlflow_run_id"] == demo.runs[0]["mlflow_run_id"]
    assert {name: asset["output_digest"] for name, asset in again["assets"].items()} == {
        name: asset["output_digest"] for name, asset in demo.runs[0]["assets"].items()
    }
    assert demo.installation.mlflow("SELECT count(*) FROM runs") == before
    assert not (tmp_path / "a-jvm-was-started").exists()


def test_versions_lists_the_keys_in_commit_order_with_what_became_of_them(demo: Demo) -> None:
    rows = demo.installation.json("versions")["versions"]
    assert [row["key"] for row in rows] == [run["key"] for run in demo.runs]
    assert {row["state"] for row in rows} == {"materialized"}
    assert rows[0]["runs"] == [demo.runs[0]["mlflow_run_id"]]
    assert [row["tables"]["covid_cases"]["version"] for row in rows] == [0, 1, 2]


def test_pin_by_version_prints_the_key_and_the_key_is_listed_last(demo: Demo) -> None:
    key = demo.installation.json("pin", "covid_cases@1")["key"]
    assert key == demo.runs[1]["key"]


def test_the_same_files_and_versions_again_make_no_commit_and_reuse_everything(demo: Demo, tmp_path: Path) -> None:
    no_java, feed = java_that_refuses(tmp_path), generate(tmp_path / "feed")
    for table, files in (("covid_cases", feed.covid_files), ("job_changes", feed.job_files)):
        demo.installation.json("ingest", table, *map(str, files), env=no_java)
    again = demo.installation.json("backfill", "--all", env=no_java)
    assert {asset["state"] for run in again["runs"] for asset in run["assets"].values()} == {"reused"}
    assert len(demo.installation.json("versions")["versions"]) == 3


def test_the_demo_ends_with_its_oldest_run_reproduced_identical(demo: Demo) -> None:
    found = demo.document["reproduction"]
    assert (found["verdict"], found["run"]) == ("IDENTICAL", demo.runs[0]["mlflow_run_id"])
    assert [stage["asset"] for stage in found["stages"]] == ASSETS
    assert {stage["asset"]: stage["found"] for stage in found["stages"]} == {
        name: asset["output_digest"] for name, asset in demo.runs[0]["assets"].items()
    }
    assert all(stage["equal"] for stage in found["stages"])
    assert (found["not_compared"], found["reasons"], found["first_difference"]) == ([], [], None)
    assert all(component["equal"] for component in found["components"].values())


def test_the_verdict_stands_on_a_run_of_its_own_and_on_the_original_linked_both_ways(demo: Demo) -> None:
    found = demo.document["reproduction"]
    original, own = demo.installation.tags(found["run"]), demo.installation.tags(found["reproduction_run"])
    assert (own["repro.reproduces"], own["repro.verdict"]) == (found["run"], "IDENTICAL")
    assert (original["repro.verdict"], original["repro.verdict.run"]) == ("IDENTICAL", found["reproduction_run"])
    assert original["repro.reproduced"] == "1 of 1, on 1 host"
    assert "verdict.json" in demo.installation.artifacts(found["reproduction_run"])
    assert len(list((demo.installation.artifact_folder(found["run"]) / "verdicts").iterdir())) == 1


def test_the_reproduction_shows_the_metrics_that_came_out(demo: Demo) -> None:
    rows = demo.installation.mlflow(
        "SELECT key, value FROM metrics WHERE run_uuid = ?", demo.document["reproduction"]["reproduction_run"]
    )
    found = dict(rows)
    assert {name: found[name] for name in demo.runs[0]["metrics"]} == demo.runs[0]["metrics"]


def test_the_check_of_the_original_partition_holds_the_verdict(demo: Demo) -> None:
    with demo.installation.dagster() as instance:
        records = instance.event_log_storage.get_asset_check_execution_history(
            dg.AssetCheckKey(dg.AssetKey("predictions"), "reproduces"), limit=100
        )
    found = [record.event.dagster_event.event_specific_data for record in records]
    newest = next(one for one in found if one.partition == demo.runs[0]["key"])
    assert newest.passed
    assert newest.metadata["verdict"].value == "IDENTICAL"
    assert newest.metadata["output_digest"].value == demo.runs[0]["assets"]["predictions"]["output_digest"]
    others = [one for one in found if one.partition != demo.runs[0]["key"]]
    assert {one.description for one in others} == {"not yet reproduced"}


def test_a_reproduction_leaves_no_workspace_behind(demo: Demo) -> None:
    assert list((demo.installation.var / "reproductions").iterdir()) == []


def test_the_dagster_run_of_a_reproduction_is_shown_as_its_original(demo: Demo) -> None:
    found = demo.document["reproduction"]
    assert demo.installation.json("show", found["dagster_run_id"])["mlflow_run_id"] == found["run"]


def test_every_run_of_the_demo_can_be_run_again_as_far_as_can_be_seen(demo: Demo) -> None:
    runs = demo.installation.json("preflight", "--all")["runs"]

    assert [run["mlflow_run_id"] for run in runs] == [run["mlflow_run_id"] for run in demo.runs]
    assert [(run["ready"], run["reasons"]) for run in runs] == [(True, [])] * 3
    # Of three versions of the cases two were followed by another one, and a table is kept for ten years.
    assert [run["until"] is None for run in runs] == [False, False, True]


def test_without_its_capsule_a_run_is_blocked_and_the_exit_code_says_so(demo: Demo, tmp_path: Path) -> None:
    done = demo.installation.repro(
        "preflight", demo.runs[-1]["key"], "--json", env={"REPRO_CAPSULES": str(tmp_path / "elsewhere")}
    )

    assert done.returncode == 3
    (run,) = json.loads(done.stdout)["runs"]
    assert [reason.partition(":")[0] for reason in run["reasons"]] == ["Blocked"]
