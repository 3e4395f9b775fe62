"""The table of docs/compute.md, printed by its command: every output under every kind of compute, computed anew."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from repro_assets.steps.model_params import SPARK_FAMILIES

pytestmark = [pytest.mark.spark, pytest.mark.long]

PROJECT = Path(__file__).parents[2]
ROWS = (
    "local[2]",
    "local[1]",
    "three workers",
    "two workers",
    "maxPartitionBytes 8k",
    "seven shuffle partitions",
    "after OPTIMIZE",
)


@pytest.fixture(scope="module")
def printed() -> str:
    """What the command prints; it exits 1 where the project differs between rows, or the naive version does not."""
    families = [word for family in SPARK_FAMILIES for word in ("--family", family)]
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("REPRO_", "MLFLOW_", "DAGSTER_"))}
    done = subprocess.run(
        [sys.executable, str(PROJECT / "benchmarks" / "compute_table.py"), *families],
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


def tables(printed: str) -> list[dict[str, tuple[str, ...]]]:
    """Cells by row, of each table: the project, further families, the naive version, partitions that were read."""
    blocks = [block.splitlines()[2:] for block in printed.split("\n\n") if block.startswith("| compute |")]
    cells = [[[cell.strip() for cell in line.strip("|").split("|")] for line in block] for block in blocks]
    return [{name: tuple(values) for name, *values in block} for block in cells]


def test_every_row_stands_in_every_table(printed: str) -> None:
    assert [tuple(table) for table in tables(printed)] == [ROWS] * 4


def test_the_naive_version_takes_another_split_another_sum_and_another_model_from_three_workers_than_from_two(
    printed: str,
) -> None:
    naive = tables(printed)[2]
    assert all(three != two for three, two in zip(naive["three workers"], naive["two workers"], strict=True))


def test_smaller_pieces_are_what_spark_read(printed: str) -> None:
    partitions = tables(printed)[3]
    read = [[int(count) for count in partitions[row]] for row in ("local[2]", "maxPartitionBytes 8k")]
    assert all(small > whole for whole, small in zip(*read, strict=True))
