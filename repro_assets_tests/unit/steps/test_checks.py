"""What turns each check red, and that nothing else does."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from repro_assets.errors import PinChanged
from repro_assets.steps import checks
from repro_assets.steps.feature_columns import CATEGORICAL_COLUMNS, FEATURE_COLUMNS, FEATURE_SCHEMA
from repro_assets.steps.model_inference import PREDICTION_SCHEMA

ARROW = {"int64": pa.int64(), "double": pa.float64(), "string": pa.string()}


def features(people: int = 400, changes: Mapping[str, Any] | None = None) -> pa.Table:
    """Features that say nothing about the target: 300 labelled people, the others unlabelled."""
    random = np.random.default_rng(1)
    labelled = people * 3 // 4
    columns: dict[str, Any] = {
        "enrollee_id": range(people),
        "part": ["train"] * (labelled // 2)
        + ["test"] * (labelled - labelled // 2)
        + ["unlabelled"] * (people - labelled),
        "target": [*random.integers(0, 2, labelled).tolist(), *[None] * (people - labelled)],
        "city": ["town"] * people,
        **{name: random.choice(["a", "b", "c"], people).tolist() for name in CATEGORICAL_COLUMNS},
    }
    for name, kind in FEATURE_SCHEMA.items():
        if name not in columns:
            numbers = random.integers(0, 50, people) if kind == "int64" else random.random(people)
            columns[name] = numbers.tolist()
    columns.update(changes or {})
    return pa.table({name: pa.array(columns[name], ARROW[kind]) for name, kind in FEATURE_SCHEMA.items()})


def predictions(changes: Mapping[str, Any] | None = None) -> pa.Table:
    """One row for everybody outside train in `features()`."""
    table = features()
    outside = table.slice(150)
    columns = {
        **{name: outside[name].to_pylist() for name in ("enrollee_id", "part", "target", "city")},
        "probability": [0.25] * outside.num_rows,
        "probability_without_cases": [1.0] * outside.num_rows,
        "predicted": [0] * outside.num_rows,
        **(changes or {}),
    }
    return pa.table({name: pa.array(columns[name], ARROW[kind]) for name, kind in PREDICTION_SCHEMA.items()})


def target() -> list[int | None]:
    return features()["target"].to_pylist()


# --- raw tables -----------------------------------------------------------------------------------------------------


def test_a_pin_whose_log_raised_nothing_is_true() -> None:
    assert checks.pin_still_true(3, None).passed


def test_a_pin_whose_commit_was_rewritten_is_red_and_says_what_was_found() -> None:
    found = checks.pin_still_true(3, PinChanged("version 3 is not the commit that was pinned", stored="ab"))
    assert not found.passed
    assert "stored ab" in found.text


@pytest.mark.parametrize(("repeated", "passed"), [(0, True), (1, False)])
def test_one_repeated_key_is_enough(repeated: int, passed: bool) -> None:
    assert checks.keys_unique(repeated, 10, ["uid", "date"]).passed is passed


# --- snapshot -------------------------------------------------------------------------------------------------------


def keys(**parts: list[int]) -> dict[str, Any]:
    return {name: pa.chunked_array([parts.get(name, [])], pa.int64()) for name in ("train", "test", "unlabelled")}


def test_parts_without_a_common_person_are_disjoint() -> None:
    found = checks.train_test_disjoint(keys(train=[1, 2], test=[3], unlabelled=[4]))
    assert found == checks.Finding(True, "4 people, each in one of train, test, unlabelled")


@pytest.mark.parametrize(
    ("parts", "said"),
    [
        pytest.param({"train": [1, 2], "test": [2]}, "1 people are in train and in test", id="train and test"),
        pytest.param({"test": [3], "unlabelled": [3]}, "1 people are in test and in unlabelled", id="test, unlabelled"),
        pytest.param({"train": [1, 1]}, "1 rows of train repeat a enrollee_id", id="twice in one part"),
    ],
)
def test_a_person_in_two_places_is_red(parts: dict[str, list[int]], said: str) -> None:
    found = checks.train_test_disjoint(keys(**parts))
    assert (found.passed, found.text) == (False, said)


@pytest.mark.parametrize(("people", "passed"), [(6, True), (7, False), (5, False)], ids=["all", "one lost", "one more"])
def test_nothing_is_lost_only_if_the_parts_add_up_to_the_raw_table(people: int, passed: bool) -> None:
    assert checks.nothing_lost({"train": 3, "test": 2, "unlabelled": 1, "cases": 99}, people).passed is passed


# --- features -------------------------------------------------------------------------------------------------------


def test_features_that_know_nothing_leak_nothing() -> None:
    found = checks.no_target_leak(features())
    assert found.passed
    assert "300 labelled people" in found.text


@pytest.mark.parametrize(
    ("column", "leaking"),
    [
        pytest.param("training_hours", lambda y: y, id="the target itself"),
        pytest.param("training_hours", lambda y: 7 - 3 * y, id="the target turned round"),
        pytest.param("gender", lambda y: "yes" if y else "no", id="the target as a category"),
        pytest.param("education_level", lambda y: [3, 5][y], id="the target as a rank"),
    ],
)
def test_a_copy_of_the_target_is_found_by_name(column: str, leaking: Any) -> None:
    changed = [None if y is None else leaking(y) for y in target()]
    table = features(changes={column: [changed[0] if value is None else value for value in changed]})
    found = checks.no_target_leak(table)
    assert (found.passed, found.text) == (False, f"target can be read off {column} alone")


def test_a_number_that_is_never_the_same_but_sorts_people_by_target_is_found() -> None:
    noise = np.random.default_rng(2).random(400)
    values = [float((y or 0) + 0.9 * extra) for y, extra in zip(target(), noise, strict=True)]
    assert not checks.no_target_leak(features(changes={"growth_14d": values})).passed


def test_values_that_are_all_different_and_say_nothing_are_no_leak() -> None:
    assert checks.no_target_leak(features(changes={"training_hours": list(range(400))})).passed


def test_a_strong_feature_that_errs_is_no_leak() -> None:
    values = [int(y or 0) if position % 10 else 1 - int(y or 0) for position, y in enumerate(target())]
    assert checks.no_target_leak(features(changes={"training_hours": values})).passed


def test_a_rare_class_does_not_make_every_column_a_leak() -> None:
    rare = [int(position % 12 == 0) for position in range(300)] + [None] * 100
    assert checks.no_target_leak(features(changes={"target": rare})).passed


def test_a_few_people_prove_no_leak() -> None:
    table = features(40)
    copy = [value or 0 for value in table["target"].to_pylist()]
    found = checks.no_target_leak(features(40, {"training_hours": copy}))
    assert found.passed
    assert found.text.startswith("can't be told")


def test_a_missing_column_or_a_null_is_left_to_the_check_of_the_schema() -> None:
    table = features(changes={"gender": [None, "a"] * 200}).drop_columns(["major_discipline"])
    assert checks.no_target_leak(table).passed
    assert not checks.schema_as_model_expects(table).passed


@pytest.mark.parametrize("name", ["target", "enrollee_id", "part"])
def test_target_key_and_part_may_not_be_feature_columns(name: str) -> None:
    found = checks.no_target_leak(features(), (*FEATURE_COLUMNS, name))
    assert (found.passed, found.text) == (False, f"among the feature columns: {name}")


def test_the_declared_schema_is_as_the_model_expects() -> None:
    assert checks.schema_as_model_expects(features()).passed


@pytest.mark.parametrize(
    "table",
    [
        pytest.param(features().drop_columns(["gender"]), id="a column is missing"),
        pytest.param(features().append_column("more", pa.array([1] * 400)), id="a column more"),
        pytest.param(features(changes={"gender": [None] * 400}), id="nulls"),
    ],
)
def test_another_schema_is_red(table: pa.Table) -> None:
    assert not checks.schema_as_model_expects(table).passed


# --- predictions ----------------------------------------------------------------------------------------------------


def test_everybody_outside_train_with_one_row_is_right() -> None:
    found = checks.one_row_per_person(predictions(), features())
    assert found == checks.Finding(True, "250 rows for 250 people")


@pytest.mark.parametrize(
    ("table", "said"),
    [
        pytest.param(predictions().slice(1), "1 people have no row", id="one is missing"),
        pytest.param(
            pa.concat_tables([predictions(), predictions().slice(0, 2)]), "2 rows repeat a person", id="two come twice"
        ),
        pytest.param(
            predictions({"enrollee_id": [0, *range(151, 400)]}),
            "1 people have no row; 1 rows are about somebody else",
            id="somebody of train",
        ),
    ],
)
def test_other_rows_than_one_per_person_are_red(table: pa.Table, said: str) -> None:
    found = checks.one_row_per_person(table, features())
    assert (found.passed, found.text) == (False, said)


def test_zero_and_one_are_probabilities() -> None:
    assert checks.probabilities_in_range(predictions({"probability": [0.0, 1.0] * 125})).passed


@pytest.mark.parametrize("value", [-0.001, 1.001, float("nan"), float("inf")])
@pytest.mark.parametrize("column", ["probability", "probability_without_cases"])
def test_one_number_that_is_no_probability_is_red(column: str, value: float) -> None:
    found = checks.probabilities_in_range(predictions({column: [value] + [0.5] * 249}))
    assert (found.passed, found.text) == (False, f"1 rows outside 0 to 1 in {column}")


@pytest.mark.parametrize(
    ("now", "passed"),
    [(0.80, True), (0.75, True), (0.73, True), (0.7299, False)],
    ids=["better", "equal", "worse by the limit", "worse by more"],
)
def test_roc_auc_may_fall_by_two_hundredths(now: float, passed: bool) -> None:
    found = checks.roc_auc_not_worse(now, 0.75, "the-key-before")
    assert found.passed is passed
    assert "the-key-before" in found.text


@pytest.mark.parametrize("key", [None, "the-key-before"], ids=["first version", "other parameters"])
def test_with_nothing_to_compare_roc_auc_passes_and_says_so(key: str | None) -> None:
    found = checks.roc_auc_not_worse(0.5, None, key)
    assert found.passed
    assert "no " in found.text
