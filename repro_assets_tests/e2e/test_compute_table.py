"""The table of docs/compute.md with fewer rows: one core in the driver, two workers, and rewritten files."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from repro_assets.steps.model_params import SPARK_FAMILIES

pytestmark = [pytest.mark.spark, pytest.mark.long]

PROJECT = Path(__file__).parents[2]
ROWS = ("local[1]", "two workers", "after OPTIMIZE")


@pytest.fixture(scope="module")
def printed() -> str:
    """What the command prints; it exits 1 where the project differs between rows or the naive version does not."""
    families = [word for family in SPARK_FAMILIES for word in ("--family", family)]
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("REPRO_", "MLFLOW_", "DAGSTER_"))}
    done = subprocess.run(
        [sys.executable, str(PROJECT / "benchmarks" / "compute_table.py"), *ROWS, *families],
        env={**kept, "PYTHONPATH": str(PROJECT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.parametrize(
    "line",
    [
        pytest.param("the project: all equal", id="every output"),
        pytest.param("further families: all equal", id="models and predictions of Spark ML"),
        pytest.param("naive: unequal", id="the naive version"),
    ],
)
def test_what_came_out_under_every_kind_of_compute(printed: str, line: str) -> None:
    assert line in printed.splitlines()


@pytest.mark.parametrize("row", ROWS)
def test_every_row_stands_in_all_three_tables(printed: str, row: str) -> None:
    assert sum(text.startswith(f"| {row} |") for text in printed.splitlines()) == 3
