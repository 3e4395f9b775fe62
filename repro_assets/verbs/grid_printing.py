"""A grid as a person sees it: a table, and a heat map with what the data did and what the code did beside it."""

from __future__ import annotations

import io
import sys
from typing import TYPE_CHECKING, Any

from rich.table import Table

from repro_assets.pins.grid import Grid, Split
from repro_assets.verbs.printing import print_table

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_DOTS_PER_INCH = 100
_OWN = "#d9822b"


def table(found: Grid) -> None:
    """A row per data version, a column per code; a run's own cell is marked."""
    parts = found.split()
    columns = [column.label for column in found.columns]
    shown = Table("data version", *columns, *([found.what_rows_did] if parts else []), title=found.metric, box=None)
    for at, row in enumerate(found.rows):
        cells = [_cell(found, at, column) for column in range(len(columns))]
        shown.add_row(row.data_version, *cells, *([f"{parts.data[at]:+.3g}"] if parts else []))
    if parts:
        shown.add_row("the code did", *(f"{effect:+.3g}" for effect in parts.code), f"mean {parts.mean:.6g}")
    print_table(shown)
    sys.stderr.write("* under the run's own code\n")
    for row, outcomes in zip(found.rows, found.cells, strict=True):
        for column, cell in zip(found.columns, outcomes, strict=True):
            if cell.reason is not None:
                sys.stderr.write(f"{row.data_version} under {column.label}: {cell.reason}\n")


def heat_map(found: Grid) -> bytes:
    """The table as a PNG.

    In the middle every cell, the runs' own ones framed; to the right what each data version adds to the mean, below
    what each code adds. Where a cell is not known there is no split, and the two are left out.
    """
    import numpy as np
    from matplotlib.figure import Figure

    parts = found.split()
    values = np.array([[np.nan if v is None else v for v in row] for row in found.values()], dtype=float)
    height, width = values.shape
    figure = Figure(figsize=(4.5 + 1.3 * width, 2.2 + 0.5 * height), dpi=_DOTS_PER_INCH, layout="constrained")
    if parts is None:
        _cells(figure.subplots(), found, values)
    else:
        axes = figure.subplots(2, 2, gridspec_kw={"width_ratios": [2 + width, 1.5], "height_ratios": [1 + height, 1.2]})
        _cells(axes[0, 0], found, values)
        _effects(axes, found, parts)
    picture = io.BytesIO()
    figure.savefig(picture, format="png", metadata={"Software": None})
    return picture.getvalue()


def _cells(axes: Axes, found: Grid, values: Any) -> None:
    from matplotlib.patches import Rectangle

    axes.imshow(values, aspect="auto", cmap="Blues")
    axes.set_title(found.metric)
    axes.set_xticks(range(len(found.columns)), [column.label for column in found.columns])
    axes.xaxis.set_ticks_position("top")
    axes.set_yticks(range(len(found.rows)), [row.data_version for row in found.rows])
    for i in range(len(found.rows)):
        axes.add_patch(Rectangle((found.own(i) - 0.5, i - 0.5), 1, 1, fill=False, edgecolor=_OWN, linewidth=2))
        for j in range(len(found.columns)):
            said = "none" if values[i, j] != values[i, j] else f"{values[i, j]:.4f}"
            axes.text(j, i, said, ha="center", va="center", bbox={"facecolor": "white", "alpha": 0.7, "linewidth": 0})


def _effects(axes: Any, found: Grid, parts: Split) -> None:
    """Bars on one scale, so that the two can be held against each other."""
    most = max(map(abs, (*parts.data, *parts.code))) or 1.0
    right, below, corner = axes[0, 1], axes[1, 0], axes[1, 1]
    right.barh(range(len(parts.data)), parts.data, color=_OWN)
    right.set_ylim(len(parts.data) - 0.5, -0.5)
    right.set_xlim(-1.1 * most, 1.1 * most)
    right.set_yticks([])
    right.set_title(found.what_rows_did)
    below.bar(range(len(parts.code)), parts.code, color=_OWN)
    below.set_xlim(-0.5, len(parts.code) - 0.5)
    below.set_ylim(-1.1 * most, 1.1 * most)
    below.set_xticks([])
    below.set_ylabel("the code did")
    for one in (right, below):
        one.axhline(0, color="grey", linewidth=0.6) if one is below else one.axvline(0, color="grey", linewidth=0.6)
    corner.axis("off")
    largest = max(abs(value) for row in parts.left for value in row)
    corner.text(0, 0.5, f"mean {parts.mean:.4f}\nleft at most {largest:.2g}", va="center", transform=corner.transAxes)


def _cell(found: Grid, row: int, column: int) -> str:
    value = found.values()[row][column]
    own = "*" if found.own(row) == column else ""
    return ("none" if value is None else f"{value:.6f}") + own
