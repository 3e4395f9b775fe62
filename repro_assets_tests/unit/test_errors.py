"""Every error is one line that says what, where, stored, expected and what to do."""

from __future__ import annotations

import pytest

from repro_assets import errors
from repro_assets.errors import ReproError


def subclasses(kind: type[ReproError]) -> list[type[ReproError]]:
    return [found for child in kind.__subclasses__() for found in (child, *subclasses(child))]


OF_THE_MODULE = [kind for kind in subclasses(ReproError) if kind.__module__ == errors.__name__]


def test_a_message_says_everything_in_its_order() -> None:
    error = ReproError("it broke", where="/lake", stored=1, expected=2, fix="Mend it")

    assert str(error) == "it broke [/lake]: stored 1, expected 2. Mend it"


@pytest.mark.parametrize(
    ("facts", "message"),
    [
        pytest.param({}, "it broke", id="nothing else"),
        pytest.param({"where": "x"}, "it broke [x]", id="where"),
        pytest.param({"stored": 0}, "it broke: stored 0", id="stored, a zero"),
        pytest.param({"expected": ""}, "it broke: expected", id="expected, empty"),
        pytest.param({"fix": "Mend it"}, "it broke. Mend it", id="what to do"),
    ],
)
def test_a_message_leaves_out_what_is_not_known(facts, message) -> None:
    assert str(ReproError("it broke", **facts)) == message


def test_the_parts_can_be_read_one_by_one() -> None:
    error = ReproError("it broke", where="x", stored=1, expected=2, fix="Mend it")

    assert (error.what, error.where, error.stored, error.expected, error.fix) == ("it broke", "x", 1, 2, "Mend it")


@pytest.mark.parametrize("separator", ["\n", "\r\n", "\u2028", "\u0085", "\x0b"], ids=repr)
def test_a_message_is_one_line_whatever_it_quotes(separator) -> None:
    text = f"first{separator}second"
    error = ReproError(text, where=text, stored=text, expected=text, fix=text)

    assert len(str(error).splitlines()) == 1


EXIT_CODES = {
    "ReproError": 2,
    "BadInput": 2,
    "MalformedFeed": 2,
    "StalePublication": 2,
    "NoSuchVersion": 2,
    "CapsuleRefused": 2,
    "EnvironmentMismatch": 2,
    "ClusterMismatch": 2,
    "EditedUnderOldName": 2,
    "Blocked": 3,
    "VersionExpired": 3,
    "TableReplaced": 3,
    "PinChanged": 3,
    "NotMaterialized": 3,
    "EnvironmentUnavailable": 3,
    "DataDamaged": 1,
    "NotDeterministic": 1,
    "Outside": 4,
    "TrackingUnreachable": 4,
    "ClusterUnavailable": 4,
}


@pytest.mark.parametrize(("name", "code"), EXIT_CODES.items(), ids=list(EXIT_CODES))
def test_an_error_has_the_exit_code_of_its_kind(name, code) -> None:
    assert getattr(errors, name).exit_code == code


@pytest.mark.parametrize("kind", OF_THE_MODULE, ids=lambda kind: kind.__name__)
def test_no_error_is_missing_above(kind) -> None:
    assert kind.__name__ in EXIT_CODES
    assert kind.__doc__
