"""How a nested run and its parent end, given what Dagster's event log says."""

from __future__ import annotations

import pytest

from repro_assets.resources.tracking.outcome import RunOutcome, running_step


def outcome(
    *,
    materialized: tuple[str, ...] = (),
    succeeded: tuple[str, ...] = (),
    failed: tuple[str, ...] = (),
    cut: bool = False,
) -> RunOutcome:
    return RunOutcome(frozenset(materialized), frozenset(succeeded), frozenset(failed), interrupted=cut)


@pytest.mark.parametrize(
    ("facts", "step", "assets", "state"),
    [
        pytest.param(outcome(materialized=("a",)), "a", ("a",), "FINISHED", id="its materialization exists"),
        pytest.param(outcome(succeeded=("a",)), "a", ("a",), "FAILED", id="success without a materialization"),
        pytest.param(outcome(materialized=("b",)), "a", ("a",), "FAILED", id="another asset's materialization"),
        pytest.param(outcome(failed=("a",)), "a", ("a",), "FAILED", id="its step failed"),
        pytest.param(outcome(cut=True), "a", ("a",), "KILLED", id="interrupted"),
        pytest.param(outcome(failed=("a",), cut=True), "a", ("a",), "FAILED", id="failed, then another interrupted"),
        pytest.param(outcome(materialized=("a",), cut=True), "a", ("a",), "FINISHED", id="done before the interrupt"),
        pytest.param(outcome(succeeded=("op",)), "op", (), "FINISHED", id="an op that succeeded"),
        pytest.param(outcome(), "op", (), "FAILED", id="an op that did not"),
        pytest.param(outcome(materialized=("a",), succeeded=("m",)), "m", ("a", "b"), "FINISHED", id="optional asset"),
        pytest.param(outcome(materialized=("a",), failed=("m",)), "m", ("a", "b"), "FAILED", id="half of a step"),
    ],
)
def test_a_nested_run_ends_by_its_own_events(facts, step, assets, state) -> None:
    assert facts.state_of(step, assets) == state


@pytest.mark.parametrize(
    ("facts", "nested", "state"),
    [
        pytest.param(outcome(), ["FINISHED", "FINISHED"], "FINISHED", id="all finished"),
        pytest.param(outcome(), ["FINISHED", "FAILED"], "FAILED", id="one failed"),
        pytest.param(outcome(failed=("silent",)), ["FINISHED"], "FAILED", id="a step that logged nothing failed"),
        pytest.param(outcome(cut=True), ["FINISHED"], "KILLED", id="interrupted"),
    ],
)
def test_the_parent_ends_by_its_nested_runs_and_the_whole_log(facts, nested, state) -> None:
    assert facts.state_of_run(nested) == state


def test_outside_of_dagster_no_step_runs() -> None:
    assert running_step() is None
