"""The tolerance files that this project ships: whole probes, and what docs/compute.md says of them."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from repro_assets.pins.tolerance import newest
from repro_assets.steps.model_params import FAMILIES

PROJECT = Path(__file__).resolve().parents[4]
FOLDER = PROJECT / "envs" / "tolerances"
DOCS = (PROJECT / "docs" / "compute.md").read_text(encoding="utf-8")
LOCK = "ml-v1"
NAMES = [path.name for path in FOLDER.iterdir()]
NEWEST = {family: name for family in FAMILIES if (name := newest(NAMES, family, LOCK))}
SHIPPED = sorted(NEWEST.values())


def document(name: str) -> dict[str, Any]:
    return json.loads((FOLDER / name).read_text(encoding="utf-8"))


@pytest.mark.parametrize("name", SHIPPED)
def test_every_trial_of_the_newest_file_says_what_it_really_ran_with(name: str) -> None:
    trials = document(name)["variants"]
    assert trials
    assert [trial["name"] for trial in trials if not trial.get("effective")] == []


@pytest.mark.parametrize("name", SHIPPED)
def test_the_newest_file_varied_threads_partitions_clusters_cpu_dispatch_and_hash_seed(name: str) -> None:
    trials = document(name)["variants"]
    assert {trial["cluster"] for trial in trials if "cluster" in trial} >= {"standalone-2x1-v1", "standalone-3x1-v1"}
    assert [trial for trial in trials if "threads" in trial]
    settings = {setting for trial in trials for setting in trial.get("settings", {})}
    assert settings >= {"spark.master", "spark.sql.shuffle.partitions", "spark.sql.files.maxPartitionBytes"}
    variables = {variable for trial in trials for variable in trial.get("variables", {})}
    assert variables >= {"OPENBLAS_CORETYPE", "NPY_DISABLE_CPU_FEATURES", "PYTHONHASHSEED"}


def test_the_docs_list_every_family_with_its_bounds_or_as_assumed() -> None:
    told = re.findall(r"^\| `(\w+)` \| (\S+) \| (\S+) \|", DOCS.split("Measured so far")[1], re.MULTILINE)
    bounds = {family: document(name) for family, name in NEWEST.items()}
    expected = [
        (family, f"{bounds[family]['probability']:.1e}", f"{bounds[family]['score']:.1e}")
        if family in bounds
        else (family, "assumed", "assumed")
        for family in FAMILIES
    ]
    assert told[: len(expected)] == expected
