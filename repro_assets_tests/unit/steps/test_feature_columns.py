"""Which columns there are, and in which order the published texts stand."""

from __future__ import annotations

import pytest

from repro_assets.steps.feature_columns import CASE_COLUMNS, FEATURE_COLUMNS, FEATURE_SCHEMA, ORDINALS


@pytest.mark.parametrize(
    ("column", "ascending"),
    [
        ("education_level", ["Primary School", "High School", "Graduate", "Masters", "Phd"]),
        ("experience", ["<1", "1", "2", "9", "10", "20", ">20"]),
        ("company_size", ["<10", "10/49", "50-99", "100-500", "500-999", "1000-4999", "5000-9999", "10000+"]),
        ("last_new_job", ["never", "1", "2", "3", "4", ">4"]),
    ],
)
def test_texts_of_an_ordinal_are_ordered(column: str, ascending: list[str]) -> None:
    ranks = [ORDINALS[column][text] for text in ascending]

    assert ranks == sorted(set(ranks))


def test_neither_city_nor_target_nor_part_is_a_feature() -> None:
    assert set(FEATURE_SCHEMA) - set(FEATURE_COLUMNS) == {"enrollee_id", "part", "target", "city"}


def test_case_figures_are_features() -> None:
    assert set(CASE_COLUMNS) < set(FEATURE_COLUMNS) < set(FEATURE_SCHEMA)
