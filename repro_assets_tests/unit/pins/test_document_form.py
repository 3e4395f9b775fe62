"""Documents are compared with the form that is read of them; the first misfit is named by its place."""

from __future__ import annotations

from typing import Any

import pytest

from repro_assets.pins.document_form import Each, Form, Items, Maybe, misfit

FORM: Form = {
    "name": str,
    "rows": int,
    "share": float,
    "dirty": bool,
    "parts": Items({"digest": str}),
    "column": Items(str, length=2),
    "pins": Each({"version": int}),
    "champion": Maybe({"digest": str}),
}
WHOLE: dict[str, Any] = {
    "name": "a",
    "rows": 1,
    "share": 0.5,
    "dirty": False,
    "parts": [{"digest": "1"}],
    "column": ["uid", "int64"],
    "pins": {"covid_cases": {"version": 0}},
}


@pytest.mark.parametrize(
    "more",
    [
        pytest.param({}, id="the fields that are read"),
        pytest.param({"other": 1}, id="a field more"),
        pytest.param({"share": 1}, id="an integer for a number"),
        pytest.param({"champion": None}, id="null where there may be nothing"),
        pytest.param({"parts": [], "pins": {}}, id="nothing inside"),
    ],
)
def test_a_document_of_the_form_has_no_misfit(more: dict[str, Any]) -> None:
    assert misfit({**WHOLE, **more}, FORM) is None


@pytest.mark.parametrize(
    ("change", "said"),
    [
        pytest.param({"name": 1}, "name is not a text", id="text"),
        pytest.param({"rows": True}, "rows is not an integer", id="true for an integer"),
        pytest.param({"rows": 1.0}, "rows is not an integer", id="number for an integer"),
        pytest.param({"share": False}, "share is not a number", id="false for a number"),
        pytest.param({"dirty": 0}, "dirty is not true or false", id="0 for false"),
        pytest.param({"parts": {}}, "parts is not a list", id="object for a list"),
        pytest.param({"column": ["uid"]}, "column is not a list of 2", id="a list too short"),
        pytest.param({"parts": [{"digest": "1"}, {}]}, "parts.1.digest is missing", id="missing in an item"),
        pytest.param({"pins": []}, "pins is not an object", id="list for an object"),
        pytest.param({"pins": {"a": {"version": "0"}}}, "pins.a.version is not an integer", id="deep inside"),
        pytest.param({"champion": {}}, "champion.digest is missing", id="inside what may be absent"),
    ],
)
def test_a_misfit_is_named_by_its_place(change: dict[str, Any], said: str) -> None:
    assert misfit({**WHOLE, **change}, FORM) == said


@pytest.mark.parametrize("document", [None, 1, "text", [], [1]], ids=repr)
def test_what_is_no_object_has_no_fields(document: Any) -> None:
    assert misfit(document, FORM) == "it is not an object"
