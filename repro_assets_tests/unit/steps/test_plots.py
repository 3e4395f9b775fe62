"""Plots are small PNGs, the same bytes for the same numbers, and are drawn from what little there is."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta

import numpy as np
import pyarrow as pa
import pytest

from repro_assets.steps import plots

FIRST = date(2020, 3, 1)
LARGEST = 70_000  # bytes; as a data URI below 100,000


def cases(days: int, factor: int = 10) -> dict[date, int]:
    return {FIRST + timedelta(days=number): factor * number**2 for number in range(days)}


def judged() -> pa.Table:
    random = np.random.default_rng(3)
    target = random.integers(0, 2, 300)
    return pa.table(
        {
            "part": ["test"] * 300 + ["unlabelled"] * 5,
            "target": pa.array([*target.tolist(), *[None] * 5], pa.int64()),
            "probability": np.append(np.clip(target * 0.3 + random.random(300) * 0.7, 0, 1), [0.5] * 5),
            "probability_without_cases": np.append(random.random(300), [0.5] * 5),
        }
    )


DRAWINGS: dict[str, Callable[[], bytes]] = {
    "case curve of two versions": lambda: plots.daily_curve(
        cases(150), cases(143, 9), ("version 1", "version 0"), "case"
    ),
    "case curve of the first version": lambda: plots.daily_curve(cases(150), None, ("version 0", ""), "case"),
    "case curve of one day": lambda: plots.daily_curve(cases(1), None, ("version 0", ""), "case"),
    "case curve of no day": lambda: plots.daily_curve({}, {}, ("version 1", "version 0"), "case"),
    "class balance": lambda: plots.class_balance(
        {"train": {"target 0": 30, "target 1": 10}, "test": {"target 0": 8}, "unlabelled": {"unlabelled": 5}}
    ),
    "roc": lambda: plots.roc(judged()),
    "calibration": lambda: plots.calibration(judged()),
}


@pytest.mark.parametrize("draw", DRAWINGS.values(), ids=DRAWINGS.keys())
def test_a_plot_is_a_small_png_and_the_same_each_time(draw: Callable[[], bytes]) -> None:
    content = draw()
    assert content.startswith(b"\x89PNG")
    assert len(content) < LARGEST
    assert draw() == content


def test_a_correction_changes_the_curve() -> None:
    before = cases(50)
    corrected = {**before, FIRST + timedelta(days=30): 1}
    labels = ("version 1", "version 0")
    assert plots.daily_curve(corrected, before, labels, "case") != plots.daily_curve(before, before, labels, "case")
