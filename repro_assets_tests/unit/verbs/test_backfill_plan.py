"""What `repro backfill` is going to do, when it stops, and what it says at the end."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest

from repro_assets.defs.backfill import OP, run_each
from repro_assets.defs.chain_run import RunReport
from repro_assets.errors import BadInput, NotDeterministic, Outside, ReproError
from repro_assets.verbs.backfill import BackfillReport, in_words, plan, require_whole, seconds_left
from repro_assets.verbs.printing import backfill_document

KEYS = [f"covid_cases-v{number:06d}--job_changes-v000000" for number in range(3)]


def ended(key: str, state: str = "computed", reason: str | None = None) -> RunReport:
    assets = {"predictions": {"state": state, "identity": "i", "output_digest": "d"}}
    return RunReport(key, f"run of {key}", "m", assets, {"roc_auc": 0.7}, 2.0, reason=reason)


class Watcher:
    """Writes down what it hears."""

    def __init__(self) -> None:
        self.heard: list[str] = []

    def starts(self, keys: Sequence[str]) -> None:
        self.heard.append(f"{len(keys)} start")

    def begins(self, key: str) -> None:
        self.heard.append(f"{key} begins")

    def ends(self, report: RunReport) -> None:
        self.heard.append(f"{report.key} {report.state}")


def interrupted_after(calls: int) -> Callable[[], bool]:
    answers = iter([False] * calls)
    return lambda: next(answers, True)


def never() -> bool:
    return False


@pytest.mark.parametrize(
    ("keys", "every"), [pytest.param([], False, id="nothing"), pytest.param(KEYS[:1], True, id="a key and all")]
)
def test_keys_or_all_have_to_be_named(keys, every) -> None:
    with pytest.raises(BadInput, match="either KEY"):
        plan(keys, every)


def test_the_plan_hands_the_job_what_was_asked_for_each_key_once() -> None:
    wanted = plan([KEYS[1], KEYS[0], KEYS[1]], False, ["model.family=random_forest"], force=True, record=True)

    assert wanted.run_config["ops"][OP]["config"] == {
        "keys": [KEYS[1], KEYS[0]],
        "parameters": ["model.family=random_forest"],
        "force": True,
        "environment": "ml-v1",
        "cluster": "local-v1",
        "record": True,
    }


@pytest.mark.parametrize(
    ("keys", "assignments"),
    [pytest.param(["../x"], [], id="a key that is none"), pytest.param(KEYS, ["model.seed=1"], id="no such parameter")],
)
def test_what_the_chain_would_refuse_is_refused_before_anything_starts(keys, assignments) -> None:
    with pytest.raises(BadInput):
        plan(keys, False, assignments)


def test_every_key_is_run_in_order_and_told() -> None:
    watcher = Watcher()

    reports = run_each(KEYS[:2], ended, never, [watcher])

    assert [report.key for report in reports] == KEYS[:2]
    assert watcher.heard == [
        "2 start",
        f"{KEYS[0]} begins",
        f"{KEYS[0]} computed",
        f"{KEYS[1]} begins",
        f"{KEYS[1]} computed",
    ]


def test_a_failed_version_does_not_stop_the_others() -> None:
    reports = run_each(KEYS, lambda key: ended(key, reason="bad" if key == KEYS[1] else None), never, [])

    assert [report.state for report in reports] == ["computed", "failed", "computed"]


def test_an_interrupt_during_a_version_that_ended_well_starts_no_other() -> None:
    watcher = Watcher()

    with pytest.raises(KeyboardInterrupt):
        run_each(KEYS, ended, interrupted_after(1), [watcher])

    assert watcher.heard == ["3 start", f"{KEYS[0]} begins", f"{KEYS[0]} computed"]


def test_what_an_interrupt_broke_is_no_failure_of_the_version() -> None:
    watcher = Watcher()

    with pytest.raises(KeyboardInterrupt):
        run_each(KEYS, lambda key: ended(key, reason="Job cancelled"), interrupted_after(1), [watcher])

    assert watcher.heard == ["3 start", f"{KEYS[0]} begins"]


@pytest.mark.parametrize(
    ("runs", "error", "code"),
    [
        pytest.param([ended(KEYS[0]), ended(KEYS[1], reason="bad")], Outside, 4, id="one failed"),
        pytest.param([ended(KEYS[0], "diverged")], NotDeterministic, 1, id="one came out different"),
        pytest.param([ended(KEYS[0], "diverged"), ended(KEYS[1], reason="bad")], Outside, 4, id="both"),
    ],
)
def test_the_exit_code_says_whether_versions_failed_or_differ(runs, error: type[ReproError], code) -> None:
    with pytest.raises(error) as refused:
        require_whole(BackfillReport("b", KEYS, runs))

    assert refused.value.exit_code == code
    assert runs[-1].key in str(refused.value)


def test_a_whole_backfill_is_not_refused() -> None:
    require_whole(BackfillReport("b", KEYS, [ended(key) for key in KEYS]))


def test_the_document_has_state_and_reason_of_each_run() -> None:
    document = backfill_document(BackfillReport("b", KEYS, [ended(KEYS[0], "reused"), ended(KEYS[1], reason="bad")]))

    assert document["schema"] == "repro-backfill/1"
    assert document["keys"] == KEYS
    assert [(run["key"], run["state"], run["reason"]) for run in document["runs"]] == [
        (KEYS[0], "reused", None),
        (KEYS[1], "failed", "bad"),
    ]
    assert set(document["runs"][0]) >= {"key", "dagster_run_id", "mlflow_run_id", "assets", "metrics", "seconds"}


@pytest.mark.parametrize(
    ("durations", "left", "expected"),
    [
        pytest.param([], 3, None, id="nothing known yet"),
        pytest.param([10.0, 20.0], 2, 30.0, id="the mean so far"),
        pytest.param([1.0] * 50 + [20.0] * 5, 3, 60.0, id="what was reused long ago says nothing"),
    ],
)
def test_the_time_left_follows_the_last_versions(durations, left, expected) -> None:
    assert seconds_left(durations, left) == expected


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (None, "time left unknown"),
        (0.2, "about 1 s left"),
        (59.4, "about 59 s left"),
        (150, "about 2 min left"),
        (7500, "about 2 h 5 min left"),
    ],
)
def test_the_time_left_is_said_as_a_person_would(seconds, words) -> None:
    assert in_words(seconds) == words
