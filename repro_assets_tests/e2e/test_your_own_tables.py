"""docs/your-own-tables.md followed word by word: the files that it names, the tables that it creates, its commands."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from repro_assets_tests.installation import Installation, java_that_refuses
from repro_assets_tests.own_tables.document import KEYS, OWN, PROJECT, REPLACED, STATEMENTS

pytestmark = [pytest.mark.spark, pytest.mark.slow]

TABLES = ["customers", "orders", "regions"]
ASSETS = [*TABLES, "train_test_snapshot", "features", "model", "predictions"]


@dataclass(frozen=True)
class Copy:
    """The project with another experiment, and a state of its own."""

    project: Path
    installation: Installation

    def python(self, *arguments: str, **changes: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, *arguments],
            env=self.installation.environment({"PYTHONPATH": str(self.project), **changes}),
            cwd=self.project,
            capture_output=True,
            text=True,
            check=False,
        )

    def repro(self, *arguments: str, **changes: str) -> subprocess.CompletedProcess[str]:
        return self.python("-m", "repro_assets.cli", *arguments, **changes)

    def json(self, *arguments: str, **changes: str) -> Any:
        done = self.repro(*arguments, "--json", **changes)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Copy:
    """The files replaced, the tables created and filled."""
    folder = tmp_path_factory.mktemp("own")
    project = folder / "project"
    project.mkdir()
    for name in ("repro_assets", "envs"):
        shutil.copytree(PROJECT / name, project / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(PROJECT / "pyproject.toml", project)
    for name in REPLACED:
        shutil.copy(OWN / name, project / name)
    made = Copy(project, Installation.make(folder))
    statements = made.installation.var / "statements.sql"
    statements.write_text(STATEMENTS, encoding="utf-8")
    written = made.python(str(OWN / "write_tables.py"), str(statements))
    assert written.returncode == 0, written.stderr
    return made


@pytest.fixture(scope="module")
def versions(copy: Copy) -> list[dict[str, Any]]:
    return copy.json("versions")["versions"]


@pytest.fixture(scope="module")
def run(copy: Copy, versions: list[dict[str, Any]]) -> dict[str, Any]:
    return copy.json("run", versions[-1]["key"])["runs"][0]


def test_a_key_names_three_tables_and_a_further_commit_makes_another(versions: list[dict[str, Any]]) -> None:
    (first,) = KEYS
    assert [row["key"] for row in versions] == [first, first.replace("orders-v000001", "orders-v000002")]
    assert [list(row["tables"]) for row in versions] == [TABLES] * 2


def test_every_asset_is_computed(run: dict[str, Any]) -> None:
    assert {name: asset["state"] for name, asset in run["assets"].items()} == dict.fromkeys(ASSETS, "computed")


def test_the_estimators_metrics_and_answer_are_those_declared(run: dict[str, Any]) -> None:
    assert run["metrics"]["roc_auc"] > run["metrics"]["roc_auc_without_orders"] + 0.05
    assert run["answer"].startswith(f"ROC AUC {run['metrics']['roc_auc']:.4f} with a customer's orders")
    assert run["answer"].endswith("INVENTED tables.")


def test_mlflow_names_the_three_tables(copy: Copy, run: dict[str, Any]) -> None:
    nested = copy.installation.nested(run["mlflow_run_id"])
    assert set(nested) == set(ASSETS)
    params = copy.installation.params(nested["predictions"])
    assert {table: params[f"{table}.version"] for table in TABLES} == {"customers": "1", "orders": "2", "regions": "1"}
    assert all(params[f"{table}.path"].endswith(f"/lake/raw/{table}") for table in TABLES)
    tags = copy.installation.tags(nested["train_test_snapshot"])
    assert tags["repro.data_version"] == run["key"]
    assert tags["repro.caveat"] == "INVENTED tables."
    assert {table: tags[f"repro.input.{table}"] for table in TABLES} == {
        table: run["assets"][table]["output_digest"] for table in TABLES
    }


def test_mlflow_keeps_the_experiment_its_datasets_and_its_models_under_their_own_names(
    copy: Copy, run: dict[str, Any]
) -> None:
    names = {name for (name,) in copy.installation.mlflow("SELECT name FROM experiments")}
    assert names == {"Default", "customers_who_leave"}
    assert {name for (name,) in copy.installation.mlflow("SELECT name FROM datasets")} >= set(TABLES)
    assert {name for (name,) in copy.installation.mlflow("SELECT name FROM registered_models")} == {
        "customers_who_leave.full",
        "customers_who_leave.without_orders",
    }


def test_every_plot_is_drawn(copy: Copy, run: dict[str, Any]) -> None:
    nested = copy.installation.nested(run["mlflow_run_id"])
    assert [name for name in ASSETS if "plots" in copy.installation.artifacts(nested[name])] == [
        "orders",
        "train_test_snapshot",
        "model",
        "predictions",
    ]


def test_the_same_key_again_reuses_everything_without_a_jvm(copy: Copy, run: dict[str, Any], tmp_path: Path) -> None:
    again = copy.json("run", run["key"], **java_that_refuses(tmp_path))["runs"][0]
    assert {asset["state"] for asset in again["assets"].values()} == {"reused"}
    assert not (tmp_path / "a-jvm-was-started").exists()


def test_a_key_of_other_tables_is_refused_in_one_line(copy: Copy) -> None:
    done = copy.repro("run", "covid_cases-v000000--job_changes-v000000")
    assert done.returncode == 2
    assert done.stderr.splitlines() == [line for line in done.stderr.splitlines() if "not a data version key" in line]


def test_a_feed_of_the_worked_experiment_is_refused_in_one_line(copy: Copy, tmp_path: Path) -> None:
    file = tmp_path / "cases.csv"
    file.write_text("UID\n1\n")
    done = copy.repro("ingest", "covid_cases", str(file))
    assert done.returncode == 2
    assert done.stderr.splitlines() == ["repro: no feed for this table: stored 'covid_cases', expected one of: none"]
