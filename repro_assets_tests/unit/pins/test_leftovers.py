"""What nobody needs goes; what somebody needs, is young, or is being made stays."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from repro_assets.pins.leftovers import (
    Folder,
    OutputName,
    StandingOutput,
    needed_outputs,
    plan_capsules,
    plan_outputs,
)

NOW = datetime(2026, 1, 31, tzinfo=UTC)
OLD, YOUNG = NOW - timedelta(days=2), NOW - timedelta(hours=1)
KEY = "covid_cases-v000000--job_changes-v000000"
OTHER = "covid_cases-v000001--job_changes-v000000"
FEATURES, MODEL, ORPHAN = (
    OutputName("features", KEY, "f"),
    OutputName("model", KEY, "m"),
    OutputName("features", KEY, "orphan"),
)


def standing(name: OutputName, written: datetime | None = OLD, **more) -> StandingOutput:
    return StandingOutput(name, Folder(f"file:///lake/{name.identity}", 10, written), **more)


LAKE = [standing(FEATURES), standing(MODEL, made_of=(FEATURES,)), standing(ORPHAN)]


def gone(
    needed: set[OutputName], given_up: set[str] = frozenset(), busy: set[str] = frozenset(), lake=LAKE
) -> list[str]:
    return [one.uri.removeprefix("file:///lake/") for one in plan_outputs(lake, needed, given_up, busy, now=NOW)]


def test_what_a_needed_output_was_made_of_is_needed_too() -> None:
    assert needed_outputs(LAKE, {MODEL}, (), ()) == {MODEL, FEATURES}


def test_an_output_that_nobody_names_goes() -> None:
    assert gone({MODEL, FEATURES}) == ["orphan"]


@pytest.mark.parametrize("written", [YOUNG, None], ids=["young", "of unknown age"])
def test_one_that_may_be_of_a_run_elsewhere_stays(written) -> None:
    assert gone({MODEL, FEATURES}, lake=[standing(ORPHAN, written)]) == []


def test_outputs_of_a_version_that_was_given_up_go_however_young() -> None:
    lake = [standing(FEATURES, YOUNG)]
    needed = needed_outputs(lake, {FEATURES}, {KEY}, ())

    assert gone(needed, {KEY}, lake=lake) == ["f"]


def test_a_champion_that_kept_predictions_were_made_with_stays_even_if_its_version_was_given_up() -> None:
    """Its model alone: what that was made of holds rows, which nobody needs to use it."""
    assert gone(needed_outputs(LAKE, {MODEL}, {KEY}, {MODEL}), {KEY}) == ["f", "orphan"]


def test_nothing_of_a_version_that_is_being_run_is_touched() -> None:
    assert gone(set(), {KEY}, {KEY}) == []
    assert gone(set(), {KEY}, {OTHER}) == ["f", "m", "orphan"]


def test_attempts_that_came_to_nothing_go_and_the_output_stays() -> None:
    idle = (Folder("file:///lake/f/attempt-1", 1, OLD), Folder("file:///lake/f/attempt-2", 1, YOUNG))

    assert gone({FEATURES}, lake=[standing(FEATURES, idle=idle)]) == ["f/attempt-1"]


def test_capsules_and_their_patches_that_no_run_names_go_when_they_are_old() -> None:
    files = {
        f"{digest * 64}{suffix}": Folder(digest, 1, written)
        for digest, suffix, written in (
            ("a", ".tar.gz", OLD),
            ("b", ".tar.gz", OLD),
            ("b", ".0123.patch", OLD),
            ("c", ".tar.gz", YOUNG),
        )
    }

    assert [one.uri for one in plan_capsules(files, {"a" * 64}, now=NOW)] == ["b", "b"]
