"""Components replaced on purpose, blame and grid: runs of two codes over three publications, with planted causes.

Between the first run and `planted` lie one publication, one edited feature and one parameter.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from repro_assets.sample.generate import generate
from repro_assets.steps.feature_columns import ORDINALS
from repro_assets_tests.edited_sources import FORMULA, commit, copy_sources, edit
from repro_assets_tests.installation import Installation

pytestmark = [pytest.mark.spark, pytest.mark.long]

KEYS = [f"covid_cases-v{version:06d}--job_changes-v000000" for version in range(3)]
PARAMETER = "model.C=0.01"
METRIC = "predictions.roc_auc"


@dataclass(frozen=True)
class Runs:
    """Runs, and the installation and sources that made them.

    Attributes:
        installation: State.
        sources: Clone of the project, at its second commit.
        ids: MLflow run of each data version: the first by the first commit, the others by the second.
        metrics: Of each data version's predictions.
        planted: MLflow run of the second data version with another parameter, and its metrics.
    """

    installation: Installation
    sources: Path
    ids: list[str]
    metrics: list[dict[str, float]]
    planted: tuple[str, dict[str, float]] = ("", {})

    @property
    def code(self) -> dict[str, str]:
        """Environment in which the clone's sources are the live code."""
        return {"PYTHONPATH": str(self.sources), "REPRO_PROJECT": str(self.sources)}

    def json(self, *arguments: str) -> Any:
        """The document of a command that has to succeed."""
        return self.installation.json(*arguments, env=self.code)

    def verdict(self, run: str, *replace: str, code: int = 1) -> dict[str, Any]:
        """The verdict with components replaced, and the exit code that goes with it."""
        options = [word for one in replace for word in ("--with", one)]
        done = self.installation.repro("reproduce", run, *options, "--json", env=self.code)
        assert done.returncode == code, done.stderr
        return dict(json.loads(done.stdout))


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Runs:
    folder = tmp_path_factory.mktemp("swaps")
    installation, sources = Installation.make(folder), copy_sources(folder / "sources")
    made = Runs(installation, sources, [], [])
    feed = generate(folder / "feed", versions=3)
    made.json("ingest", "covid_cases", *map(str, feed.covid_files))
    made.json("ingest", "job_changes", *map(str, feed.job_files))
    _second_cluster(sources)
    planted: tuple[str, dict[str, float]] = ("", {})
    for key in KEYS:
        (run,) = made.json("run", key)["runs"]
        made.ids.append(run["mlflow_run_id"])
        made.metrics.append(run["metrics"])
        if key == KEYS[0]:
            edit(sources / FORMULA[0], FORMULA[1])
            commit(sources, "another feature")
        if key == KEYS[1]:
            (other,) = made.json("run", key, "--set", PARAMETER)["runs"]
            planted = (other["mlflow_run_id"], other["metrics"])
    return replace(made, planted=planted)


def _second_cluster(sources: Path) -> None:
    """A cluster file with one core and other partitions, registered as `make envs-digest` does."""
    folder = sources / "envs" / "clusters"
    document = json.loads((folder / "local-v1.json").read_text())
    document["cluster_name"], document["repro"]["master"] = "one-core-v1", "local[1]"
    document["spark_conf"]["spark.sql.shuffle.partitions"] = "5"
    (folder / "one-core-v1.json").write_text(json.dumps(document, indent=2) + "\n")
    command = [sys.executable, "-m", "scripts.envs_digest"]
    environment = {**os.environ, "PYTHONPATH": str(sources), "REPRO_PROJECT": str(sources)}
    subprocess.run(command, cwd=sources, env=environment, check=True, capture_output=True)
    commit(sources, "a cluster of one core")


@pytest.fixture(scope="module")
def edited(runs: Runs) -> dict[str, Any]:
    """The first run under today's code."""
    return runs.verdict(runs.ids[0], "code=current")


@pytest.fixture(scope="module")
def newer(runs: Runs) -> dict[str, Any]:
    """The first run on the next publication."""
    return runs.verdict(runs.ids[0], f"data={KEYS[1]}", code=1)


def test_an_edited_feature_diverges_at_the_features_and_names_file_and_columns(
    runs: Runs, edited: dict[str, Any]
) -> None:
    assert (edited["verdict"], edited["first_difference"], edited["swapped"]) == ("DIVERGED", "features", ["code"])
    assert edited["changes"]["code"]["changed"] == [FORMULA[0]]
    assert FORMULA[1][1] in edited["changes"]["code"]["patch"]
    difference = edited["differences"]["features"]
    assert 0 < len(difference["columns"]) <= len(ORDINALS)
    assert set(difference["columns"]) <= set(ORDINALS)
    assert all(edited["components"][name]["equal"] for name in ("data", "environment", "compute"))


def test_the_next_data_version_diverges_at_the_cases_and_counts_their_rows(runs: Runs, newer: dict[str, Any]) -> None:
    assert (newer["verdict"], newer["first_difference"], newer["swapped"]) == ("DIVERGED", "covid_cases", ["data"])
    rows = newer["changes"]["data"]["covid_cases"]
    between = runs.json("diff", KEYS[0], KEYS[1])["data"]["tables"]["covid_cases"]
    assert {kind: rows[kind] for kind in ("added", "removed", "changed")} == {
        kind: between[kind] for kind in ("added", "removed", "changed")
    }
    assert rows["changed"] > 0
    assert not any(line.startswith("rows of covid_cases") for line in newer["not_compared"])
    assert newer["components"]["code"]["equal"]


def test_both_runs_are_linked_and_the_originals_own_verdict_stays(runs: Runs, edited: dict[str, Any]) -> None:
    tags = runs.installation.tags(edited["reproduction_run"])
    assert (tags["repro.reproduces"], tags["repro.swapped"]) == (runs.ids[0], "code")
    shown = runs.json("show", runs.ids[0])
    assert "repro.verdict" not in runs.installation.tags(runs.ids[0])
    assert edited["reproduction_run"] in str(shown)


def test_what_is_known_is_reused_and_listed_as_not_compared(runs: Runs) -> None:
    """The first run on the third publication under the third run's code is the third run."""
    found = runs.verdict(runs.ids[0], f"data=@{runs.ids[2]}", f"code=@{runs.ids[2]}")
    assert found["swapped"] == ["data", "code"]
    assert [stage["found"] for stage in found["stages"]] == [
        stage["output"]["digest"] for stage in runs.json("show", runs.ids[2])["stages"].values()
    ]
    assert len([line for line in found["not_compared"] if runs.ids[2] in line]) == len(found["stages"])


def test_another_cluster_is_identical_and_named_as_replaced(runs: Runs) -> None:
    found = runs.verdict(runs.ids[0], "cluster=one-core-v1", code=0)
    assert (found["verdict"], found["swapped"]) == ("IDENTICAL", ["compute"])
    assert found["components"]["compute"]["found"]["name"] == "one-core-v1"
    assert found["changes"]["compute"]["repro.master"] == {"from": "local[2]", "to": "local[1]"}


@pytest.mark.parametrize(
    "replaced",
    ["code=nosuch", "environment=nosuch", "cluster=nosuch", "data=nosuch", "parameters=@nosuch", "C=x"],
)
def test_what_can_replace_nothing_is_refused_before_anything_starts(runs: Runs, replaced: str) -> None:
    done = runs.installation.repro("reproduce", runs.ids[0], "--with", replaced, "--json", env=runs.code)
    assert (done.returncode, done.stdout) == (2, "")
    assert "capsule" not in done.stderr
    assert "Traceback" not in done.stderr


def test_blame_attributes_planted_changes_to_their_causes(
    runs: Runs, edited: dict[str, Any], newer: dict[str, Any]
) -> None:
    second, metrics = runs.planted
    found = runs.json("blame", runs.ids[0], second)
    assert sorted(found["order"]) == ["code", "data", "parameters"]
    first = {name: part["first_difference"] for name, part in found["components"].items()}
    assert first == {"data": "covid_cases", "code": "features", "parameters": "model"}
    before = runs.metrics[0]["roc_auc"]
    alone = {name: part["alone"][METRIC] for name, part in found["components"].items()}
    # What replacing each of them alone did, as verdicts of their own say.
    assert {"data": alone["data"], "code": alone["code"]} == {
        "data": _roc_auc(newer) - before,
        "code": _roc_auc(edited) - before,
    }
    # What the parameter does is what a run of the chain with it does, at the first code and data.
    assert alone["parameters"] == pytest.approx(_parameter_alone(runs) - before, abs=0)
    assert found["total"][METRIC] == metrics["roc_auc"] - before
    assert all(alone.values())
    assert found["interaction"][METRIC] == pytest.approx(found["total"][METRIC] - sum(alone.values()), abs=1e-12)
    steps = [part["in_order"][METRIC] for part in found["components"].values()]
    assert sum(steps) == pytest.approx(found["total"][METRIC], abs=1e-12)
    # Asked again, nothing is computed.
    again = runs.json("blame", runs.ids[0], second)
    assert not any(variant["computed"] for variant in again["variants"])
    assert again["total"] == found["total"]


def _roc_auc(verdict: dict[str, Any]) -> float:
    stage = next(stage for stage in verdict["stages"] if stage["asset"] == "predictions")
    return float(stage["metrics"]["roc_auc"]["found"])


def _parameter_alone(runs: Runs) -> float:
    """ROC AUC of a run of the chain at the first commit, with the parameter."""
    done = ["git", "-C", str(runs.sources), "worktree", "add", "-q", str(runs.sources.parent / "first"), "HEAD~1"]
    subprocess.run(done, check=True, capture_output=True)
    first = str(runs.sources.parent / "first")
    code = {"PYTHONPATH": first, "REPRO_PROJECT": first}
    (run,) = runs.installation.json("run", KEYS[0], "--set", PARAMETER, env=code)["runs"]
    assert {name: asset["state"] for name, asset in run["assets"].items() if asset["state"] == "computed"} == {
        "model": "computed",
        "predictions": "computed",
    }
    return float(run["metrics"]["roc_auc"])


def test_a_grid_has_the_runs_own_metrics_on_its_diagonal_and_shows_the_feature_in_the_code_direction_only(
    runs: Runs, edited: dict[str, Any], tmp_path: Path
) -> None:
    found = runs.json("grid", *runs.ids, "--plot", str(tmp_path / "grid.png"))
    assert len(found["columns"]) == 2
    assert [row["own"] for row in found["rows"]] == [0, 1, 1]
    assert found["rows_differ_in"] == []
    for row, metrics in zip(found["rows"], runs.metrics, strict=True):
        own, other = row["cells"][row["own"]], row["cells"][1 - row["own"]]
        assert own["value"].hex() == metrics["roc_auc"].hex()
        # Along a row only the code is another: it differs first where the feature was edited.
        assert (own["first_difference"], other["first_difference"]) == (None, "features")
    # The metric is one of ranks: on some data the feature may leave them as they were. On the first it does not.
    first = found["rows"][0]["cells"]
    assert first[0]["value"] != first[1]["value"]
    # The cell that blame and --with speak of is the same one.
    assert found["rows"][0]["cells"][1]["value"] == _roc_auc(edited)
    assert all(found["split"]["code"])
    assert (tmp_path / "grid.png").read_bytes().startswith(b"\x89PNG")
    # Down a column only the data is another.
    beside = runs.json("blame", runs.ids[1], runs.ids[2])
    assert (beside["order"], beside["components"]["data"]["first_difference"]) == (["data"], "covid_cases")
    assert beside["total"][METRIC] == found["rows"][2]["cells"][1]["value"] - found["rows"][1]["cells"][1]["value"]
    # Computed again, the first run's own cell is the same to the bit.
    forced = runs.json("grid", runs.ids[0], "--code", "HEAD~1", "--force")
    ((cell,),) = [row["cells"] for row in forced["rows"]]
    assert (cell["computed"], cell["value"].hex()) == (True, runs.metrics[0]["roc_auc"].hex())
