"""Which variables hold a secret, and that nothing that is raised or logged shows one."""

from __future__ import annotations

import logging

import pytest

from repro_assets.resources import known_secrets
from repro_assets.resources.known_secrets import CleanLines, call_cleanly, clean, known_values, note_variable

PLANTED = "hunter2-planted"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("SERVICE_PASSWORD", PLANTED),
        ("AWS_SECRET_ACCESS_KEY", PLANTED),
        ("MLFLOW_TRACKING_URI", f"http://me:{PLANTED}@host:5000"),
        ("MLFLOW_TRACKING_URI", "http://me:hunter2%2Dplanted@host:5000"),  # repro: no secret
    ],
)
def test_a_variable_with_a_secret_is_known_by_name_or_form(name, value) -> None:
    assert PLANTED in known_values({name: value})


@pytest.mark.parametrize(
    ("name", "value"),
    [("HOME", "/home/me"), ("KEY_FILE", "/run/key"), ("SSH", "ssh://git@host/x"), ("BAD", "http://[@")],
)
def test_other_variables_are_not(name, value) -> None:
    assert known_values({name: value}) == frozenset()


def test_a_variable_that_a_cluster_file_names_is_known_whatever_it_is_called(monkeypatch) -> None:
    monkeypatch.setenv("WHATEVER", PLANTED)
    assert PLANTED not in known_values()

    note_variable("WHATEVER")

    assert clean(f"said {PLANTED}") == "said (redacted)"


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("abc", "abc"),
        ("postgres", "postgres"),
        ("p w/é", "p%20w%2F%C3%A9"),
        ("p w/é", "p+w%2F%C3%A9"),
        ("p w/é", "p%20w/%C3%A9"),
    ],
)
def test_a_named_variable_s_value_is_taken_out_however_short_and_as_addresses_spell_it(
    monkeypatch, value, said
) -> None:
    monkeypatch.setattr(known_secrets, "_NAMED", {"ZZZ"})
    monkeypatch.setenv("A_PASSWORD", value)
    monkeypatch.setenv("ZZZ", value)

    assert clean(f"said {said}.") == "said (redacted)."


@pytest.mark.parametrize("value", ["4", "true"])
def test_a_named_number_or_switch_is_left_in_texts(monkeypatch, value) -> None:
    monkeypatch.setattr(known_secrets, "_NAMED", {"ZZZ"})
    monkeypatch.setenv("ZZZ", value)

    assert clean(f"said {value}") == f"said {value}"


def test_what_a_function_raises_is_cleaned_with_nothing_behind_it(monkeypatch) -> None:
    monkeypatch.setenv("SERVICE_PASSWORD", PLANTED)

    class Client(Exception):
        def __str__(self) -> str:
            return f"refused {PLANTED}"

    def fail() -> None:
        raise Client

    with pytest.raises(Exception, match=r"^Client: refused \(redacted\)$") as failed:
        call_cleanly(fail)

    assert failed.value.__context__ is None
    assert failed.value.__cause__ is None


def test_what_holds_no_secret_is_raised_as_it_is() -> None:
    error = ValueError("plain")

    def fail() -> None:
        raise error

    with pytest.raises(ValueError, match="plain") as failed:
        call_cleanly(fail)

    assert failed.value is error


def test_an_interrupt_passes() -> None:
    def stop() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        call_cleanly(stop)


def test_a_logger_s_lines_are_cleaned(monkeypatch, caplog) -> None:
    monkeypatch.setenv("SERVICE_PASSWORD", PLANTED)
    logger = logging.getLogger("repro_assets_tests.clean")
    logger.addFilter(CleanLines())

    logger.warning("connecting with %s", PLANTED)

    assert caplog.messages == ["connecting with (redacted)"]
