"""Column lineage of the features."""

from __future__ import annotations

from repro_assets.steps.column_lineage import sources_of_features
from repro_assets.steps.feature_columns import CASE_COLUMNS, FEATURE_SCHEMA


def test_every_column_of_features_but_the_part_has_a_source() -> None:
    assert set(sources_of_features()) == set(FEATURE_SCHEMA) - {"part"}


def test_case_figures_come_from_cases_and_the_city() -> None:
    columns = {name for column in CASE_COLUMNS for _, name in sources_of_features()[column]}
    assert columns == {"city", "uid", "date", "confirmed"}
