"""Which upstream columns a column comes from, where that is plain; for the page, and no part of any result."""

from __future__ import annotations

from repro_assets.steps.feature_columns import (
    CASE_COLUMNS,
    CATEGORICAL_COLUMNS,
    FEATURE_COLUMNS,
    NUMERIC_COLUMNS,
    ORDINAL_COLUMNS,
)
from repro_assets.steps.split import KEY, TARGET

# Asset and column.
Source = tuple[str, str]

_CASES = ("uid", "date", "confirmed")


def sources_of_features() -> dict[str, list[Source]]:
    """Columns of the snapshot behind each column of `features`; `part` is where a row stood and has none."""
    copied = (KEY, TARGET, "city", *CATEGORICAL_COLUMNS, *NUMERIC_COLUMNS, *ORDINAL_COLUMNS)
    return {
        **{name: [("train_test_snapshot", name)] for name in copied},
        **{f"{name}_missing": [("train_test_snapshot", name)] for name in ORDINAL_COLUMNS},
        **{name: [("train_test_snapshot", source) for source in ("city", *_CASES)] for name in CASE_COLUMNS},
    }


def sources_of_predictions() -> dict[str, list[Source]]:
    """Columns of `features` behind each column of `predictions`."""
    seen = [("features", name) for name in FEATURE_COLUMNS]
    return {
        **{name: [("features", name)] for name in (KEY, "part", TARGET, "city")},
        "probability": seen,
        "probability_without_cases": [source for source in seen if source[1] not in CASE_COLUMNS],
        "predicted": seen,
    }
