"""The table of docs/compute.md, printed by its command: every output under every kind of compute, computed anew."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Collection
from pathlib import Path

import pytest

from repro_assets.steps.model_params import SPARK_FAMILIES

pytestmark = [pytest.mark.spark, pytest.mark.long]

PROJECT = Path(__file__).parents[2]
DOCUMENT = PROJECT / "docs" / "compute.md"
# What holds no floating point number: the same on every CPU, so that the page can be held to it.
WHOLE = ("covid_cases", "job_changes", "train_test_snapshot")
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


def tables(text: str) -> list[dict[str, dict[str, str]]]:
    """Each table of kinds of compute: row → column → cell."""
    blocks = [block.splitlines() for block in text.split("\n\n") if block.startswith("| compute |")]
    return [_table([[cell.strip() for cell in line.strip("|").split("|")] for line in block]) for block in blocks]


def _table(lines: list[list[str]]) -> dict[str, dict[str, str]]:
    (_, *columns), _, *rows = lines
    return {name: dict(zip(columns, cells, strict=True)) for name, *cells in rows}


def shown(columns: Collection[str]) -> dict[str, dict[str, str]]:
    """The one table of the page that has these columns."""
    found = [table for table in tables(DOCUMENT.read_text()) if set(columns) <= set(table[ROWS[0]])]
    assert len(found) == 1
    return found[0]


def test_every_row_stands_in_every_table(printed: str) -> None:
    assert [tuple(table) for table in tables(printed)] == [ROWS] * 4


@pytest.mark.parametrize("table", range(3), ids=["the project", "further families", "the naive version"])
def test_the_page_shows_the_rows_and_columns_that_were_printed(printed: str, table: int) -> None:
    here = tables(printed)[table]
    page = shown(here[ROWS[0]])
    assert [(row, list(cells)) for row, cells in page.items()] == [(row, list(cells)) for row, cells in here.items()]


def test_the_page_shows_the_digests_that_depend_on_no_cpu_as_they_were_printed(printed: str) -> None:
    page, here = shown(WHOLE), tables(printed)[0]
    columns = [*WHOLE, "features"]
    assert {row: [page[row][column] for column in columns] for row in page} == {
        row: [here[row][column] for column in columns] for row in here
    }


def test_the_page_shows_who_is_in_train_of_the_naive_version_as_it_was_printed(printed: str) -> None:
    columns = ("train_rows", "train_people")
    page, here = shown(columns), tables(printed)[2]
    assert [[page[row][column] for column in columns] for row in ROWS] == [
        [here[row][column] for column in columns] for row in ROWS
    ]


def test_the_naive_version_takes_another_split_another_sum_and_another_model_from_three_workers_than_from_two(
    printed: str,
) -> None:
    naive = tables(printed)[2]
    assert all(cell != naive["two workers"][column] for column, cell in naive["three workers"].items())


def test_smaller_pieces_are_what_spark_read(printed: str) -> None:
    partitions = tables(printed)[3]
    whole, small = partitions["local[2]"], partitions["maxPartitionBytes 8k"]
    assert all(int(small[table]) > int(count) for table, count in whole.items())
