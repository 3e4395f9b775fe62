"""Column lineage names only columns that there are."""

from __future__ import annotations

from repro_assets.steps.column_lineage import sources_of_features, sources_of_predictions
from repro_assets.steps.feature_columns import CASE_COLUMNS, FEATURE_SCHEMA
from repro_assets.steps.model_inference import PREDICTION_SCHEMA


def test_every_column_of_features_but_the_part_has_a_source() -> None:
    assert set(sources_of_features()) == set(FEATURE_SCHEMA) - {"part"}


def test_case_figures_come_from_cases_and_the_city() -> None:
    columns = {name for column in CASE_COLUMNS for _, name in sources_of_features()[column]}
    assert columns == {"city", "uid", "date", "confirmed"}


def test_every_column_of_predictions_comes_from_columns_of_features() -> None:
    sources = sources_of_predictions()
    assert set(sources) == set(PREDICTION_SCHEMA)
    assert {source for found in sources.values() for source in found} <= {("features", name) for name in FEATURE_SCHEMA}


def test_the_probability_without_cases_comes_from_no_case_figure() -> None:
    names = {name for _, name in sources_of_predictions()["probability_without_cases"]}
    assert not names & set(CASE_COLUMNS)
