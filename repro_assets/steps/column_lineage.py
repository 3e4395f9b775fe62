"""Which columns of the snapshot a feature comes from, where that is plain; for the page, and no part of any result."""

from __future__ import annotations

from repro_assets.steps.feature_columns import (
    CARRIED_COLUMNS,
    CASE_COLUMNS,
    CATEGORICAL_COLUMNS,
    NUMERIC_COLUMNS,
    ORDINAL_COLUMNS,
)
from repro_assets.steps.split import KEY, TARGET

# Asset and column.
Source = tuple[str, str]

_CASES = ("uid", "date", "confirmed")


def sources_of_features() -> dict[str, list[Source]]:
    """Columns of the snapshot behind each column of `features`; `part` is where a row stood and has none."""
    copied = (KEY, TARGET, *CARRIED_COLUMNS, *CATEGORICAL_COLUMNS, *NUMERIC_COLUMNS, *ORDINAL_COLUMNS)
    return {
        **{name: [("train_test_snapshot", name)] for name in copied},
        **{f"{name}_missing": [("train_test_snapshot", name)] for name in ORDINAL_COLUMNS},
        **{name: [("train_test_snapshot", source) for source in ("city", *_CASES)] for name in CASE_COLUMNS},
    }
