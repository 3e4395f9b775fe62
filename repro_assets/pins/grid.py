"""Versions of the data against versions of the code: which of the two moved a metric.

A row holds one data version under every code, a column one code over every data version. A table of two ways is split
into what the data did (the mean of a row less the mean of all), what the code did (the same of a column) and what is
left; the split by means is Tukey's, *Exploratory Data Analysis*, chapter 10, with means for medians.

Here belongs what follows from the cells. Getting them does not (`verbs.grid`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import fsum
from typing import Any

from repro_assets.pins.variant import Outcome

SCHEMA = "repro-grid/1"


@dataclass(frozen=True)
class Column:
    """A version of the code.

    Attributes:
        label: What people call it: a commit, or `current`.
        capsule: Digest of its source tree.
    """

    label: str
    capsule: str


@dataclass(frozen=True)
class Row:
    """A past run.

    Attributes:
        data_version: Its key.
        mlflow_run_id: The run.
        capsule: Digest of the source tree of the column that holds its own code.
    """

    data_version: str
    mlflow_run_id: str
    capsule: str


@dataclass(frozen=True)
class Split:
    """A metric, split into what the data did and what the code did.

    Attributes:
        mean: Of all cells.
        data: By row, what its data version adds to the mean.
        code: By column, what its code adds to the mean.
        left: By row and column, what neither explains.
    """

    mean: float
    data: tuple[float, ...]
    code: tuple[float, ...]
    left: tuple[tuple[float, ...], ...]


@dataclass(frozen=True)
class Grid:
    """Every past run under every code.

    Attributes:
        rows: Past runs, one per data version.
        columns: Codes; the runs' own ones first, today's last.
        cells: By row and column.
        metric: `ASSET.NAME` that is told.
        rows_differ_in: Components besides data and code in which the runs differ: a row keeps its run's own, so what
            the data did can't be told from what those did.
    """

    rows: tuple[Row, ...]
    columns: tuple[Column, ...]
    cells: tuple[tuple[Outcome, ...], ...]
    metric: str
    rows_differ_in: tuple[str, ...] = ()

    @property
    def what_rows_did(self) -> str:
        """What stands behind the difference of two rows, in words."""
        return "the data did" if not self.rows_differ_in else f"data and {', '.join(self.rows_differ_in)} did"

    def values(self) -> list[list[float | None]]:
        """The metric, shape (rows, columns); None where nothing came out."""
        return [[cell.metrics.get(self.metric) for cell in row] for row in self.cells]

    def own(self, row: int) -> int:
        """The column that holds a run's own code."""
        return [column.capsule for column in self.columns].index(self.rows[row].capsule)

    def split(self) -> Split | None:
        """What the data did and what the code did; None where a cell is not known."""
        whole = [[value for value in row if value is not None] for row in self.values()]
        if not whole or any(len(row) < len(self.columns) for row in whole):
            return None
        return split(whole)

    def as_document(self) -> dict[str, Any]:
        """The grid as JSON values."""
        parts = self.split()
        return {
            "schema": SCHEMA,
            "metric": self.metric,
            "columns": [vars(column) for column in self.columns],
            "rows": [
                {
                    **vars(row),
                    "own": self.own(at),
                    "cells": [_cell(cell, self.metric) for cell in self.cells[at]],
                }
                for at, row in enumerate(self.rows)
            ],
            "rows_differ_in": list(self.rows_differ_in),
            "split": None if parts is None else {**vars(parts)},
        }


def split(values: Sequence[Sequence[float]]) -> Split:
    """Split a whole table of shape (rows, columns)."""
    by_column = list(zip(*values, strict=True))
    mean = _mean([value for row in values for value in row])
    data = tuple(_mean(row) - mean for row in values)
    code = tuple(_mean(column) - mean for column in by_column)
    left = tuple(tuple(value - mean - data[i] - code[j] for j, value in enumerate(row)) for i, row in enumerate(values))
    return Split(mean, data, code, left)


def _mean(values: Sequence[float]) -> float:
    return fsum(values) / len(values)


def _cell(cell: Outcome, metric: str) -> Mapping[str, Any]:
    return {"value": cell.metrics.get(metric), **vars(cell), "metrics": dict(cell.metrics)}
