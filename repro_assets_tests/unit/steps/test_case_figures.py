"""Figures of one place from four cumulative counts."""

from __future__ import annotations

from repro_assets.steps.case_figures import CaseFigures, figures
from repro_assets.steps.feature_columns import CASE_COLUMNS


def test_figures_are_per_100_000_people_and_per_day() -> None:
    found = figures({0: 700, 7: 560, 14: 420, 28: 320}, population=200_000)

    assert found == CaseFigures(
        cases_per_100k=350.0,
        new_cases_7d_per_100k=10.0,
        new_cases_14d_per_100k=10.0,
        growth_14d=281 / 101,
    )


def test_new_cases_are_never_below_zero() -> None:
    found = figures({0: 90, 7: 100, 14: 95, 28: 120}, population=100_000)

    assert (found.new_cases_7d_per_100k, found.new_cases_14d_per_100k, found.growth_14d) == (0.0, 0.0, 1.0)


def test_a_place_without_cases_neither_grows_nor_shrinks() -> None:
    assert figures(dict.fromkeys((0, 7, 14, 28), 0), population=1).growth_14d == 1.0


def test_the_figures_are_the_columns_in_their_order() -> None:
    assert tuple(CaseFigures.__dataclass_fields__) == CASE_COLUMNS
