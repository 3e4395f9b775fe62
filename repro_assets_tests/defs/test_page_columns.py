"""Column lineage and descriptions for the page, from what the experiment declares."""

from __future__ import annotations

import pytest

from repro_assets.defs.page_columns import descriptions, sources_of_predictions
from repro_assets.steps.feature_columns import CASE_COLUMNS, FEATURE_SCHEMA
from repro_assets.steps.model_inference import PREDICTION_SCHEMA


def test_every_column_of_predictions_comes_from_columns_of_features() -> None:
    sources = sources_of_predictions()
    assert set(sources) == set(PREDICTION_SCHEMA)
    assert {source for found in sources.values() for source in found} <= {("features", name) for name in FEATURE_SCHEMA}


def test_the_probability_without_cases_comes_from_no_case_figure() -> None:
    names = {name for _, name in sources_of_predictions()["probability_without_cases"]}
    assert not names & set(CASE_COLUMNS)


@pytest.mark.parametrize(("asset", "schema"), [("features", FEATURE_SCHEMA), ("predictions", PREDICTION_SCHEMA)])
def test_every_column_has_a_description(asset: str, schema: dict[str, str]) -> None:
    said = descriptions(asset)
    assert list(said) == list(schema)
    assert all(said.values())


def test_a_probability_says_which_columns_its_estimator_is_blind_to() -> None:
    said = descriptions("predictions")
    assert "blind to" not in said["probability"]
    assert said["probability_without_cases"].endswith(f"blind to {', '.join(CASE_COLUMNS)}")
