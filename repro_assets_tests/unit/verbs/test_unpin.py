"""Giving a data version up: what it means is said first, and what is in use is refused."""

from __future__ import annotations

import pytest

from repro_assets.errors import BadInput
from repro_assets.pins.retention import Holder
from repro_assets.verbs.unpin import UnpinPlan, plan

NEWEST = {"covid_cases": 5, "job_changes": 0}


def key(cases: int, jobs: int = 0) -> str:
    return f"covid_cases-v{cases:06d}--job_changes-v{jobs:06d}"


HOLDERS = [Holder(key(1), "run x"), Holder(key(1), "pinned"), Holder(key(2), "run y")]


def made(wanted: str, *holders: Holder, why: str = "a reason", already: tuple[str, ...] = ()) -> UnpinPlan:
    return plan(wanted, why, [*HOLDERS, *holders], already, NEWEST)


def test_who_needed_it_and_what_goes_and_stays_is_said() -> None:
    found = made(key(1))

    assert found.holders == ("run x", "pinned")
    assert (found.freed, found.still_kept) == (("covid_cases@1",), ("job_changes@0",))


def test_a_version_that_another_key_needs_stays() -> None:
    assert made(key(1), Holder(key(1, 3), "run z")).still_kept == ("covid_cases@1", "job_changes@0")


def test_once_that_other_key_is_given_up_too_it_goes() -> None:
    assert made(key(1), Holder(key(1, 3), "run z"), already=(key(1, 3),)).freed == ("covid_cases@1",)


@pytest.mark.parametrize(
    ("wanted", "why", "holder", "message"),
    [
        pytest.param("../x", "a reason", None, "not a data version key", id="no key"),
        pytest.param(key(1), " ", None, "needs a reason", id="no reason"),
        pytest.param(key(1), "two\nlines", None, "needs a reason", id="two lines"),
        pytest.param(key(1), "x" * 501, None, "needs a reason", id="a novel"),
        pytest.param(key(1), f"by dapi{'0' * 32}", None, "looks like a secret", id="a secret"),
        pytest.param(key(4), "a reason", None, "nobody keeps", id="nobody's"),
        pytest.param(
            key(4), "a reason", Holder(key(4), "Dagster run z, under way", running=True), "under way", id="under way"
        ),
        pytest.param(
            key(4),
            "a reason",
            Holder(key(4), "alias champion of m", champion=True),
            "the champion is of",
            id="champion",
        ),
    ],
)
def test_what_can_not_be_given_up_is_refused(wanted, why, holder, message) -> None:
    with pytest.raises(BadInput, match=message):
        made(wanted, *([holder] if holder else []), why=why)


def test_the_alias_candidate_is_no_obstacle_since_it_moves_by_itself() -> None:
    assert made(key(4), Holder(key(4), "alias candidate of m")).holders == ("alias candidate of m",)
