"""From the real files to predictions, by the command line alone, from an empty `var/`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from repro_assets_tests.installation import Installation, java_that_refuses

pytestmark = [pytest.mark.spark, pytest.mark.real_data]

# Sequence numbers of the files are 105 to 125; version 0 is the first.
CORRECTION_ONLY = 109 - 105
RUN = (108 - 105, CORRECTION_ONLY, 125 - 105)


@pytest.fixture(scope="module")
def ingested(tmp_path_factory: pytest.TempPathFactory, real_data: Path) -> tuple[Installation, dict[str, Any]]:
    installation = Installation.make(tmp_path_factory.mktemp("real"))
    files = sorted((real_data / "jhu").glob("*.csv.gz"))
    commits = installation.json("ingest", "covid_cases", *map(str, files))
    jobs = [str(real_data / "hr" / name) for name in ("aug_train.csv", "aug_test.csv")]
    installation.json("ingest", "job_changes", *jobs)
    return installation, commits


@pytest.fixture(scope="module")
def runs(ingested: tuple[Installation, dict[str, Any]]) -> list[dict[str, Any]]:
    installation, _ = ingested
    keys = [row["key"] for row in installation.json("versions")["versions"]]
    return [installation.json("run", keys[number])["runs"][0] for number in RUN]


def test_the_21_files_are_21_commits_with_the_changes_that_were_counted(
    ingested: tuple[Installation, dict[str, Any]],
) -> None:
    _, document = ingested
    commits = document["commits"]
    assert [commit["version"] for commit in commits] == list(range(21))
    assert [commits[number]["updated"] for number in (2, 4, 8, 13, 16, 19)] == [755, 4410, 18, 83, 78, 41]
    assert {commit["inserted"] for commit in commits[1:]} == {0, 3261}
    assert {commit["deleted"] for commit in commits} == {0}


def test_the_glob_ingested_again_makes_no_commit_and_starts_no_jvm(
    ingested: tuple[Installation, dict[str, Any]], real_data: Path, tmp_path: Path
) -> None:
    installation, _ = ingested
    files = sorted((real_data / "jhu").glob("*.csv.gz"))
    again = installation.json("ingest", "covid_cases", *map(str, files), env=java_that_refuses(tmp_path))
    assert {commit["state"] for commit in again["commits"]} == {"skipped"}
    assert len(installation.json("versions")["versions"]) == 21


def test_each_run_has_six_nested_mlflow_runs_and_all_rows(
    ingested: tuple[Installation, dict[str, Any]], runs: list[dict[str, Any]]
) -> None:
    installation, _ = ingested
    for run in runs:
        assert len(installation.nested(run["mlflow_run_id"])) == 6
        assert run["assets"]["job_changes"]["rows"] == {"job_changes": 19158 + 2129}
        snapshot = run["assets"]["train_test_snapshot"]["rows"]
        assert snapshot["train"] + snapshot["test"] == 19158
        assert snapshot["unlabelled"] == 2129
        assert run["assets"]["predictions"]["rows"] == {"predictions": snapshot["test"] + 2129}
    assert [run["assets"]["covid_cases"]["rows"]["covid_cases"] for run in runs] == [466323, 466323, 505455]


def test_versions_that_differ_in_a_correction_only_have_the_same_split(
    ingested: tuple[Installation, dict[str, Any]], runs: list[dict[str, Any]]
) -> None:
    installation, _ = ingested
    before, after = runs[0], runs[1]
    assert before["assets"]["covid_cases"]["output_digest"] != after["assets"]["covid_cases"]["output_digest"]
    parts = [
        {
            part["name"]: part["digest"]
            for part in installation.json("show", run["key"])["stages"]["train_test_snapshot"]["output"]["parts"]
        }
        for run in (before, after)
    ]
    for people in ("train", "test", "unlabelled"):
        assert parts[0][people] == parts[1][people]
    assert before["metrics"]["roc_auc"] != after["metrics"]["roc_auc"]


def test_the_metrics_are_those_of_a_model_that_learned_something(runs: list[dict[str, Any]]) -> None:
    for run in runs:
        assert 0.74 < run["metrics"]["roc_auc"] < 0.82
        assert run["metrics"]["brier_score"] < 0.17


def test_a_run_on_the_real_files_is_reproduced_identical(
    ingested: tuple[Installation, dict[str, Any]], runs: list[dict[str, Any]]
) -> None:
    installation, _ = ingested
    found = installation.json("reproduce", runs[0]["mlflow_run_id"], "--strict")
    assert found["verdict"] == "IDENTICAL"
    assert {stage["asset"]: stage["found"] for stage in found["stages"]} == {
        name: asset["output_digest"] for name, asset in runs[0]["assets"].items()
    }
