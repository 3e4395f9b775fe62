"""What the launchpad lets anybody type: refused by the job before it becomes a path, a lock, a query or an MLflow run."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from repro_assets.definitions import defs
from repro_assets.defs.backfill import BACKFILL
from repro_assets.defs.backfill import OP as EACH
from repro_assets.defs.chain_run import chain_config
from repro_assets.defs.jobs import CHAIN
from repro_assets.defs.reproduction import OP as AGAIN
from repro_assets.defs.reproduction import REPRODUCE
from repro_assets_tests.unit.delta_log import write_table
from repro_assets_tests.unit.hostile import HOSTILE

QUIET = {"console": {"config": {"log_level": "CRITICAL"}}}
KEY = "covid_cases-v000000--job_changes-v000000"
# Each stands for a kind: a path, a query, a line break, an escape sequence, a length.
TYPED = ["a way up", "a condition", "a line break", "an escape sequence", "300 characters"]


@pytest.fixture(scope="module")
def instance(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dg.DagsterInstance]:
    folder = tmp_path_factory.mktemp("home")
    with dg.instance_for_test(temp_dir=str(folder)) as made:
        yield made


@pytest.fixture
def var(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A state with nothing but raw tables."""
    for name in ("REPRO_LAKE", "REPRO_CAPSULES", "MLFLOW_TRACKING_URI"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("REPRO_VAR", str(tmp_path / "var"))
    for table in ("covid_cases", "job_changes"):
        write_table(tmp_path / "var" / "lake", table, 10)
    return tmp_path


def files(folder: Path) -> set[Path]:
    return set(folder.rglob("*"))


def refusal(result: dg.ExecuteInProcessResult, node: str) -> str:
    """Every word that Dagster stored about the failure."""
    assert not result.success
    failed = result.failure_data_for_node(node)
    assert failed is not None
    assert failed.error is not None
    return str(failed.error)


@pytest.mark.parametrize("kind", TYPED)
def test_a_hostile_partition_is_refused_by_the_first_asset(instance, var, kind) -> None:
    before = files(var)
    instance.add_dynamic_partitions("data_version", [HOSTILE[kind]])

    result = defs.resolve_job_def(CHAIN).execute_in_process(
        instance=instance,
        partition_key=HOSTILE[kind],
        run_config=chain_config(),
        raise_on_error=False,
        asset_selection=[dg.AssetKey("covid_cases")],
    )

    assert "BadInput: not a data version key" in refusal(result, "covid_cases")
    assert files(var) == before


@pytest.mark.parametrize("kind", TYPED)
@pytest.mark.parametrize("field", ["keys", "parameters", "environment", "cluster"])
def test_a_hostile_backfill_is_refused_whole(instance, var, field, kind) -> None:
    before, value = files(var), HOSTILE[kind]
    given = {"keys": [KEY], field: [value] if field in ("keys", "parameters") else value}

    result = defs.resolve_job_def(BACKFILL).execute_in_process(
        instance=instance,
        run_config={"ops": {EACH: {"config": given}}, "loggers": QUIET},
        raise_on_error=False,
    )

    assert "BadInput: not a" in refusal(result, EACH)
    assert files(var) == before


@pytest.mark.parametrize("kind", TYPED)
def test_a_hostile_run_is_refused_before_a_store_is_asked(instance, var, kind) -> None:
    before = files(var)

    result = defs.resolve_job_def(REPRODUCE).execute_in_process(
        instance=instance,
        run_config={"ops": {AGAIN: {"config": {"run": HOSTILE[kind]}}}, "loggers": QUIET},
        raise_on_error=False,
    )

    assert "no such run" in refusal(result, AGAIN)
    assert files(var) == before
