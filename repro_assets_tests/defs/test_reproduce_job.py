"""The job `reproduce`: what whoever launched it reads. What it computes is tested end to end (`e2e/test_reproduce.py`)."""

from __future__ import annotations

from typing import NoReturn

import dagster as dg
import pytest

from repro_assets.defs.reproduction import OP, in_a_line, reproduce_job
from repro_assets.errors import BadInput
from repro_assets.pins.verdict import Verdict, blocked

CONFIG = {
    "ops": {OP: {"config": {"run": "nothing at all"}}},
    "loggers": {"console": {"config": {"log_level": "CRITICAL"}}},
}


@pytest.fixture(autouse=True)
def _no_such_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """A store without a run."""

    def refuse(*_: object) -> NoReturn:
        raise BadInput("no such run", stored="'nothing at all'", fix="`repro versions` lists the runs")

    monkeypatch.setattr("repro_assets.defs.reproduction._reproduce", refuse)


def test_on_the_page_a_refusal_fails_the_step_and_its_line_comes_first() -> None:
    with dg.instance_for_test() as instance:
        result = reproduce_job().execute_in_process(instance=instance, run_config=CONFIG, raise_on_error=False)

    failed = result.failure_data_for_node(OP)
    assert failed is not None
    assert failed.error is not None
    first = failed.error.message.splitlines()[0]
    assert first.endswith("Failure: no such run: stored 'nothing at all'. `repro versions` lists the runs")


def test_whoever_listens_is_told_of_a_refusal_by_its_own_class() -> None:
    heard: list[object] = []
    with dg.instance_for_test() as instance, pytest.raises(BadInput, match="no such run"):
        reproduce_job(lambda *told: heard.append(told)).execute_in_process(instance=instance, run_config=CONFIG)
    assert heard == []


def test_a_blocked_verdict_says_its_word_once_and_every_reason() -> None:
    found = blocked("r" * 32, "key", ["Blocked: the capsule is gone", "VersionExpired: version 0 is gone"], seconds=0.0)
    assert in_a_line(found) == "BLOCKED: the capsule is gone; VersionExpired: version 0 is gone"


def test_an_equivalent_verdict_without_a_difference_says_what_was_not_compared() -> None:
    found = Verdict("EQUIVALENT", "r" * 32, "key", not_compared=("features: reused",))
    assert in_a_line(found) == "EQUIVALENT: nothing that was compared differs; not compared: features: reused"
