"""The sensor's memory: tick by tick the same data versions as over the whole log, and none twice."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from repro_assets.errors import BadInput
from repro_assets.pins.data import Commit
from repro_assets.pins.data_history import data_versions
from repro_assets.pins.log_cursor import (
    LogCursor,
    LogTail,
    Seen,
    TickPlan,
    has_late_commit,
    parse_cursor,
    plan_tick,
)
from repro_assets_tests.unit.delta_log import TABLE_ID, commit

TABLES = ("cases", "jobs")
SEEN = Seen(TABLE_ID, 3, "a" * 64, 2, "7:1.5")
CURSOR = LogCursor({"cases": SEEN, "jobs": SEEN}, 400)

History = Mapping[str, Sequence[Commit]]


def key(cases: int, jobs: int) -> str:
    return f"cases-v{cases:06d}--jobs-v{jobs:06d}"


class Sensor:
    """Ticks over logs held in memory, reading of what was seen before only what the plan asks for."""

    def __init__(self) -> None:
        self.text: str | None = None
        self.earlier: dict[str, list[Commit]] = {}

    def tick(self, history: History) -> TickPlan:
        cursor = parse_cursor(self.text, TABLES)
        tails = {}
        for table, commits in history.items():
            after = cursor.tables[table].version if cursor else -1
            tails[table] = LogTail(TABLE_ID, [commit for commit in commits if commit.version > after], None)
        self.earlier = self._earlier(cursor, tails, history)
        plan = plan_tick(cursor, tails, self.earlier)
        self.text = plan.cursor.as_json() if plan.cursor else self.text
        return plan

    def _earlier(
        self, cursor: LogCursor | None, tails: Mapping[str, LogTail], history: History
    ) -> dict[str, list[Commit]]:
        if cursor is None:
            return {}
        if has_late_commit(cursor, tails):
            return {table: list(commits[: cursor.tables[table].version + 1]) for table, commits in history.items()}
        return {table: [commits[cursor.tables[table].rows_version]] for table, commits in history.items()}


def grown(history: History, **added: Sequence[Commit]) -> History:
    return {table: [*commits, *added.get(table, [])] for table, commits in history.items()}


BEFORE: History = {"cases": [commit(0, 10), commit(1, 30)], "jobs": [commit(0, 20)]}


@pytest.fixture
def sensor() -> Sensor:
    """A sensor that has seen `BEFORE`."""
    made = Sensor()
    made.tick(BEFORE)
    return made


def test_a_history_seen_for_the_first_time_is_registered_whole_and_only_its_newest_version_runs() -> None:
    plan = Sensor().tick(BEFORE)

    assert plan.register == [key(0, 0), key(1, 0)]
    assert plan.request == [key(1, 0)]


def test_every_version_since_the_last_tick_runs_in_commit_order(sensor) -> None:
    plan = sensor.tick(grown(BEFORE, cases=[commit(2, 40), commit(3, 60)], jobs=[commit(1, 50)]))

    assert plan.register == plan.request == [key(2, 0), key(2, 1), key(3, 1)]
    assert plan.message == f"3 new data versions registered, 3 requested: {key(2, 0)} to {key(3, 1)}"


def test_nothing_new_asks_for_nothing_and_leaves_the_cursor(sensor) -> None:
    before = sensor.text

    plan = sensor.tick(BEFORE)

    assert (plan.register, plan.request, plan.message) == ([], [], "nothing new")
    assert sensor.text == before


def test_a_commit_that_changed_no_row_is_passed_and_named(sensor) -> None:
    plan = sensor.tick(grown(BEFORE, cases=[commit(2, 40, changes_rows=False)]))

    assert plan.register == []
    assert plan.message == "no row changed: cases 2 (MERGE)"
    assert plan.cursor is not None
    assert (plan.cursor.tables["cases"].version, plan.cursor.tables["cases"].rows_version) == (2, 1)


def test_many_commits_that_changed_no_row_are_named_in_one_short_line(sensor) -> None:
    plan = sensor.tick(grown(BEFORE, cases=[commit(2 + n, 40 + n, changes_rows=False) for n in range(9)]))

    assert plan.message == "no row changed: cases 2 (MERGE), cases 3 (MERGE), cases 4 (MERGE) and 6 more"


def test_a_later_commit_is_paired_with_the_newest_that_changed_rows(sensor) -> None:
    history = grown(BEFORE, cases=[commit(2, 40, changes_rows=False)])
    sensor.tick(history)

    assert sensor.tick(grown(history, jobs=[commit(1, 50)])).request == [key(1, 1)]


@pytest.mark.parametrize(
    "jobs", [pytest.param([], id="no commit"), pytest.param([commit(0, 5, changes_rows=False)], id="no rows")]
)
def test_nothing_is_remembered_until_every_table_has_rows(jobs) -> None:
    sensor = Sensor()
    plan = sensor.tick({"cases": [commit(0, 10), commit(1, 30)], "jobs": jobs})

    assert (plan.register, plan.cursor) == ((), None)
    assert plan.message == "no data version yet: jobs without rows"


def test_the_first_rows_of_the_last_table_make_every_version_so_far() -> None:
    sensor = Sensor()
    cases = [commit(0, 10), commit(1, 30)]
    sensor.tick({"cases": cases, "jobs": []})

    plan = sensor.tick({"cases": cases, "jobs": [commit(0, 40)]})

    assert plan.register == [key(0, 0), key(1, 0)]
    assert plan.request == [key(1, 0)]


def test_500_commits_between_two_ticks_are_500_runs(sensor) -> None:
    plan = sensor.tick(grown(BEFORE, cases=[commit(2 + n, 100 + n) for n in range(500)]))

    assert plan.request == [key(2 + n, 0) for n in range(500)]


def test_of_the_past_only_the_newest_commit_per_table_is_read(sensor) -> None:
    sensor.tick(grown(BEFORE, jobs=[commit(1, 50)]))

    assert {table: len(commits) for table, commits in sensor.earlier.items()} == {"cases": 1, "jobs": 1}


# --- commits that arrive late -------------------------------------------------------------------------------------


def test_a_late_commit_registers_its_pairs_of_the_past_and_only_the_state_of_today_runs(sensor) -> None:
    plan = sensor.tick(grown(BEFORE, jobs=[commit(1, 25)]))

    assert plan.register == [key(0, 1), key(1, 1)]
    assert plan.request == [key(1, 1)]


def test_a_late_commit_beside_newer_ones_takes_no_run_from_them(sensor) -> None:
    plan = sensor.tick(grown(BEFORE, cases=[commit(2, 40), commit(3, 50)], jobs=[commit(1, 25)]))

    assert plan.register == [key(0, 1), key(1, 1), key(2, 1), key(3, 1)]
    assert plan.request == [key(2, 1), key(3, 1)]


def test_a_commit_of_the_same_moment_that_shows_later_is_late(sensor) -> None:
    plan = sensor.tick(grown(BEFORE, jobs=[commit(1, 30)]))

    assert plan.register == plan.request == [key(1, 1)]


def test_times_that_delta_moves_up_are_seen_as_moved_up(sensor) -> None:
    """Cases 2 and 3, both written at 40, count as 40 and 41; so cases 4 and the jobs' 1, written at 41, are late."""
    history = grown(BEFORE, cases=[commit(2, 40), commit(3, 40)])
    sensor.tick(history)

    plan = sensor.tick(grown(history, cases=[commit(4, 41)], jobs=[commit(1, 41)]))

    assert plan.register == [key(3, 1), key(4, 1)]


# --- tick by tick as over the whole log ---------------------------------------------------------------------------

ARRIVALS = st.lists(
    st.tuples(st.sampled_from(TABLES), st.integers(0, 6), st.booleans(), st.booleans()), min_size=1, max_size=25
)


def ticks(arrivals, *, in_order: bool) -> list[tuple[History, TickPlan]]:
    """Commits one by one; a tick after those that say so, and one at the end."""
    sensor, answers, now = Sensor(), [], 0
    history: History = {table: [] for table in TABLES}
    for table, number, changes_rows, then_tick in [*arrivals, (None, 0, False, True)]:
        if table is not None:
            now = now + 1 + number if in_order else number
            made = commit(len(history[table]), now, changes_rows=changes_rows)
            history = grown(history, **{table: [made]})
        if then_tick:
            answers.append((history, sensor.tick(history)))
    return answers


def keys(history: History) -> list[str]:
    return [version.key for version in data_versions(history)]


@given(ARRIVALS)
def test_the_keys_of_all_ticks_are_the_keys_of_the_whole_log(arrivals) -> None:
    answers = ticks(arrivals, in_order=True)

    assert [name for _, plan in answers for name in plan.register] == keys(answers[-1][0])


@given(ARRIVALS)
def test_whatever_the_commit_times_a_tick_adds_what_the_log_did_not_have(arrivals) -> None:
    before: list[str] = []
    for history, plan in ticks(arrivals, in_order=False):
        now = keys(history)
        assert list(plan.register) == [name for name in now if name not in before]
        before = now


@given(ARRIVALS, st.booleans())
def test_no_version_is_requested_twice_and_the_newest_always_is(arrivals, in_order) -> None:
    answers = ticks(arrivals, in_order=in_order)
    requested = [name for _, plan in answers for name in plan.request]

    assert len(requested) == len(set(requested))
    for history, plan in answers:
        assert list(plan.request[-1:]) == (keys(history)[-1:] if plan.register else [])


@given(ARRIVALS, st.booleans())
def test_a_tick_is_repeated_exactly_from_the_same_cursor(arrivals, in_order) -> None:
    history = ticks(arrivals, in_order=in_order)[-1][0]
    first, second = Sensor(), Sensor()
    half = {table: commits[: len(commits) // 2] for table, commits in history.items()}
    first.tick(half)
    second.text = first.text

    assert first.tick(history) == second.tick(history)


# --- the text of the cursor ---------------------------------------------------------------------------------------


def test_a_cursor_is_read_back_as_it_was_written() -> None:
    assert parse_cursor(CURSOR.as_json(), TABLES) == CURSOR


def test_a_cursor_says_what_it_is_and_how_far_each_table_was_read() -> None:
    document = json.loads(CURSOR.as_json())

    assert document["schema"] == "repro-cursor/1"
    assert document["tables"]["cases"].items() >= {
        ("table_id", TABLE_ID),
        ("version", 3),
        ("commit_sha256", "a" * 64),
    }


@pytest.mark.parametrize("text", [None, ""], ids=["before the first tick", "after a reset on the page"])
def test_no_cursor_is_the_beginning(text) -> None:
    assert parse_cursor(text, TABLES) is None


def test_a_cursor_of_other_tables_is_the_beginning() -> None:
    assert parse_cursor(CURSOR.as_json(), ("cases", "jobs", "weather")) is None


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("12", id="a number"),
        pytest.param("covid_cases=12", id="no JSON"),
        pytest.param("[]", id="a list"),
        pytest.param(CURSOR.as_json().replace("repro-cursor/1", "repro-cursor/2"), id="another schema"),
        pytest.param(CURSOR.as_json().replace('"version":3', '"version":"3"'), id="a version that is text"),
        pytest.param(CURSOR.as_json().replace('"version":3', '"version":null'), id="no version"),
        pytest.param(CURSOR.as_json().replace('"rows_version":2,', ""), id="a missing field"),
        pytest.param(CURSOR.as_json().replace("400", "4e2"), id="a horizon that is no integer"),
        pytest.param(CURSOR.as_json().replace('"7:1.5"', "7"), id="a folder state that is no text"),
    ],
)
def test_a_cursor_that_cannot_be_read_is_refused_with_what_to_do(text) -> None:
    with pytest.raises(BadInput, match=r"cursor can't be read.*repro-cursor/1.*Reset the cursor") as refused:
        parse_cursor(text, TABLES)

    assert "\n" not in str(refused.value)
