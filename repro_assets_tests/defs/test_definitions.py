"""The Dagster project as a whole: every asset's declaration, and what importing it costs."""

from __future__ import annotations

import subprocess
import sys

import dagster as dg
import pytest

from repro_assets.definitions import defs
from repro_assets.defs.partitions import DATA_VERSIONS
from repro_assets.experiment import EXPERIMENT
from repro_assets.steps.checks import WORSE_BY

EXPECTED = {
    "published_covid_cases": ([], "published", {"file"}),
    "published_job_changes": ([], "published", {"file"}),
    "covid_cases": (["published_covid_cases"], "raw", {"deltalake", "spark"}),
    "job_changes": (["published_job_changes"], "raw", {"deltalake", "spark"}),
    "train_test_snapshot": (["covid_cases", "job_changes"], "experiment", {"spark", "parquet"}),
    "features": (["train_test_snapshot"], "experiment", {"spark", "parquet"}),
    "model": (["features"], "experiment", {"scikitlearn", "mlflow"}),
    "predictions": (["features", "model"], "experiment", {"scikitlearn", "parquet"}),
}
CHECKS = {
    "covid_cases": {"pin_still_true", "keys_unique"},
    "job_changes": {"pin_still_true", "keys_unique"},
    "train_test_snapshot": {"train_test_disjoint", "nothing_lost"},
    "features": {"no_target_leak", "schema_as_model_expects"},
    "model": set[str](),
    "predictions": {"one_row_per_person", "probabilities_in_range", "roc_auc_not_worse", "reproduces"},
}
NOT_BLOCKING = {"roc_auc_not_worse", "reproduces"}
COMPUTED = [name for name in EXPECTED if not name.startswith("published_")]


@pytest.fixture(scope="module")
def specs() -> dict[str, dg.AssetSpec]:
    return {spec.key.to_user_string(): spec for spec in defs.resolve_all_asset_specs()}


def test_these_are_the_assets(specs: dict[str, dg.AssetSpec]) -> None:
    assert set(specs) == set(EXPECTED)


@pytest.mark.parametrize("name", EXPECTED)
def test_dependencies_group_and_kinds_are_as_designed(specs: dict[str, dg.AssetSpec], name: str) -> None:
    deps, group, kinds = EXPECTED[name]
    spec = specs[name]
    assert sorted(dep.asset_key.to_user_string() for dep in spec.deps) == deps
    assert spec.group_name == group
    assert spec.kinds == kinds


@pytest.mark.parametrize("name", COMPUTED)
def test_every_computed_asset_has_a_code_version_an_owner_and_a_description(
    specs: dict[str, dg.AssetSpec], name: str
) -> None:
    spec = specs[name]
    assert spec.code_version is not None
    assert len(spec.code_version) == 64
    assert list(spec.owners) == [EXPERIMENT.owner]
    assert spec.description


@pytest.mark.parametrize("name", COMPUTED)
def test_every_computed_asset_is_partitioned_by_data_version(specs: dict[str, dg.AssetSpec], name: str) -> None:
    partitions = specs[name].partitions_def
    assert isinstance(partitions, dg.DynamicPartitionsDefinition)
    assert partitions.name == "data_version"


@pytest.mark.parametrize("name", COMPUTED)
def test_checks_are_as_designed_belong_to_a_data_version_and_block_where_the_result_would_be_wrong(name: str) -> None:
    found = [spec for spec in check_specs() if spec.asset_key == dg.AssetKey(name)]
    assert {spec.name for spec in found} == {"recomputes_equal"} | CHECKS[name]
    assert {spec.name for spec in found if not spec.blocking} == CHECKS[name] & NOT_BLOCKING
    assert all(spec.partitions_def is DATA_VERSIONS and spec.description for spec in found)


def test_the_loss_of_roc_auc_that_the_page_names_is_the_one_that_is_checked() -> None:
    described = next(spec.description or "" for spec in check_specs() if spec.name == "roc_auc_not_worse")
    assert f"at most {WORSE_BY} below" in described


def check_specs() -> list[dg.AssetCheckSpec]:
    graph = defs.resolve_asset_graph()
    return [spec for node in graph.assets_defs for spec in node.check_specs]


@pytest.mark.parametrize("name", ["train_test_snapshot", "features", "model", "predictions"])
def test_what_uses_the_mapping_says_that_it_is_synthetic(specs: dict[str, dg.AssetSpec], name: str) -> None:
    assert "SYNTHETIC" in (specs[name].description or "")


def test_the_chain_runs_in_one_process() -> None:
    assert defs.resolve_job_def("chain").executor_def is dg.in_process_executor


def test_importing_the_definitions_warns_of_nothing_and_loads_no_engine() -> None:
    program = (
        "import sys, repro_assets.definitions\n"
        "print([name for name in ('pyspark', 'mlflow', 'sklearn', 'pandas', 'pyarrow', 'matplotlib') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-W", "error", "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "[]"


def test_code_versions_cover_the_step_and_not_the_glue() -> None:
    from repro_assets.defs.run_pins import PACKAGE_FOLDER
    from repro_assets.pins.closure import closure

    files = closure("repro_assets.defs.assets.features", PACKAGE_FOLDER)
    assert not {"steps/checks.py", "steps/plots.py", "defs/checks.py", "defs/page_plots.py"} & set(files)
    assert "steps/features.py" in files
    assert "assumptions/city_to_county_v1.csv" in files
    assert "steps/model_fit.py" not in files
    assert not [path for path in files if path.startswith(("resources/", "verbs/")) or path == "defs/stage.py"]
