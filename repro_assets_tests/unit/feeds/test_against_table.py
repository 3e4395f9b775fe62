"""What only the table can show about a publication: both sides of every bound."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from repro_assets.feeds.against_table import judged
from repro_assets.feeds.anomalies import AnomalyKind, AnomalyRefused
from repro_assets.feeds.difference import difference
from repro_assets.feeds.jhu import parse_cases
from repro_assets.feeds.publication import Anomaly, Publication
from repro_assets.feeds.published_file import open_published, read_file
from repro_assets.feeds.registry import FEEDS, Feed

K = AnomalyKind
CASES, JOBS = FEEDS["covid_cases"], FEEDS["job_changes"]
FIRST = date(2020, 6, 1)
Counts = dict[tuple[int, int], int | None]


def cases(counts: Counts) -> pa.Table:
    rows = {
        "uid": [uid for uid, _ in counts],
        "date": [FIRST + timedelta(day) for _, day in counts],
        "confirmed": list(counts.values()),
    }
    return pa.table(rows, pa.schema([("uid", pa.int64()), ("date", pa.date32()), ("confirmed", pa.int64())]))


def flat(counties: int, days: int, count: int | None) -> Counts:
    return {(uid, day): count for uid in range(counties) for day in range(days)}


def people(number: int, labelled: bool, gender: str = "Male", start: int = 0) -> pa.Table:
    keys = range(start, start + number)
    return pa.table({"enrollee_id": keys, "gender": [gender] * number, "labelled": [labelled] * number})


def judge(
    feed: Feed, stored: pa.Table, published: pa.Table, part: str | None = None, accept: frozenset[K] = frozenset()
) -> tuple[Anomaly, ...]:
    changes = difference(stored, published, feed.keys)
    publication = Publication("cases.csv", "", "", part=part)
    return judged(feed, publication, stored, published, changes, accept).anomalies


def with_first(counts: Counts, changed: int, change: Callable[[int], int | None]) -> Counts:
    """The same with the first so many counts that are not zero changed."""
    keys = [key for key, count in counts.items() if count][:changed]
    return {**counts, **{key: change(counts[key] or 0) for key in keys}}


ZEROS = {(uid, day): 0 for uid in range(10_000, 11_000) for day in range(10)}


@pytest.mark.parametrize(
    ("counts", "most"),
    [
        pytest.param(flat(10, 10, 40), 20, id="20 % in a small table"),
        pytest.param({**flat(10, 10, 40), **ZEROS}, 20, id="of those that are not zero"),
        pytest.param(flat(200, 100, 40), 2_000, id="2,000 in a larger one"),
        pytest.param(flat(500, 100, 40), 2_500, id="5 % in a large one"),
    ],
)
def test_many_rows_may_not_change_unless_accepted(counts: Counts, most: int) -> None:
    stored = cases(counts)
    assert judge(CASES, stored, cases(with_first(counts, most, lambda count: count + 1))) == ()

    more = cases(with_first(counts, most + 1, lambda count: count + 1))
    with pytest.raises(AnomalyRefused, match=rf"^many_rows_changed - .*stored {most + 1} of .*at most {most}"):
        judge(CASES, stored, more)
    assert judge(CASES, stored, more, accept=frozenset({K.MANY_ROWS_CHANGED})) == (
        Anomaly("many_rows_changed", most + 1, accepted=True),
    )


def test_in_a_table_of_a_handful_all_may_change() -> None:
    counts = flat(9, 11, 40)
    assert judge(CASES, cases(counts), cases(with_first(counts, 99, lambda count: count + 1))) == ()


def test_of_people_those_of_the_part_are_counted_and_whoever_moved_to_the_other_has_no_other_values() -> None:
    stored = pa.concat_tables([people(100, True), people(100, False, start=100)])
    moved = pa.concat_tables([people(180, True), people(20, False, start=180)])
    assert judge(JOBS, stored, moved, "labelled") == judge(JOBS, stored, moved, "unlabelled") == ()

    other = pa.concat_tables([people(21, True, "Other"), people(79, True, start=21)])
    with pytest.raises(AnomalyRefused, match=r"many_rows_changed - .*stored 21 of 100 rows changed"):
        judge(JOBS, stored.slice(0, 100), other, "labelled")


@pytest.mark.parametrize(
    ("counts", "blank", "is_read"),
    [
        pytest.param(flat(100, 40, 40), 4, True, id="one in a thousand"),
        pytest.param(flat(100, 40, 40), 5, False, id="more than one in a thousand"),
        pytest.param(flat(10, 10, 40), 2, True, id="two in a small table"),
        pytest.param(flat(10, 10, 40), 3, False, id="three in a small table"),
    ],
)
def test_counts_that_were_known_may_not_become_blank_unless_accepted(counts: Counts, blank: int, is_read: bool) -> None:
    stored, published = cases(counts), cases(with_first(counts, blank, lambda count: None))
    if is_read:
        assert judge(CASES, stored, published) == ()
        return
    with pytest.raises(AnomalyRefused, match=rf"^counts_blanked - .*column confirmed\]: stored {blank} of"):
        judge(CASES, stored, published)
    accepted = judge(CASES, stored, published, accept=frozenset({K.COUNTS_BLANKED}))
    assert accepted == (Anomaly("counts_blanked", blank, None, "confirmed", accepted=True),)


def test_a_blank_that_becomes_known_changes_nothing_that_was() -> None:
    assert judge(CASES, cases(flat(10, 20, None)), cases(flat(10, 20, 40))) == ()


@pytest.mark.parametrize(
    ("before", "after", "counties", "is_read"),
    [
        pytest.param(1000, 499, 1, False, id="a large count to less than half"),
        pytest.param(1000, 500, 6, True, id="large counts to half"),
        pytest.param(999, 0, 5, True, id="counts of five counties to zero"),
        pytest.param(50, 24, 6, False, id="counts of six counties to less than half"),
        pytest.param(49, 0, 6, True, id="small counts of six counties to zero"),
        pytest.param(2**62, 2**60, 1, False, id="an absurd count that was accepted"),
    ],
)
def test_counts_may_not_fall_to_less_than_half_unless_accepted(
    before: int, after: int, counties: int, is_read: bool
) -> None:
    counts = {**flat(100, 10, 40), **{(uid, 0): before for uid in range(counties)}}
    stored, published = cases(counts), cases({**counts, **{(uid, 0): after for uid in range(counties)}})
    if is_read:
        assert judge(CASES, stored, published) == ()
        return
    with pytest.raises(AnomalyRefused, match=rf"^counts_fallen - .*such as \d from {before} to {after}, expected"):
        judge(CASES, stored, published)
    accepted = judge(CASES, stored, published, accept=frozenset({K.COUNTS_FALLEN}))
    assert accepted == (Anomaly("counts_fallen", counties, None, "confirmed", accepted=True),)


def shifted(days: int) -> Callable[[np.ndarray, list[str]], np.ndarray]:
    return lambda counts, _: np.concatenate([np.full_like(counts[:, :days], "0"), counts[:, :-days]], axis=1)


def without_new_york(counts: np.ndarray, states: list[str]) -> np.ndarray:
    return np.where(np.array(states)[:, None] == "New York", "0", counts)


@pytest.mark.real_data
@pytest.mark.parametrize(
    ("change", "kind"),
    [
        pytest.param(shifted(7), K.COUNTS_FALLEN, id="seven days later"),
        pytest.param(shifted(1), K.COUNTS_FALLEN, id="a day later"),
        pytest.param(without_new_york, K.COUNTS_FALLEN, id="a state at zero"),
        pytest.param(
            lambda counts, _: np.concatenate([counts[:, :-60], np.full_like(counts[:, -60:], "")], axis=1),
            K.COUNTS_BLANKED,
            id="60 days blank",
        ),
        pytest.param(
            lambda counts, _: (counts.astype(int) + (counts != "0")).astype(str), K.MANY_ROWS_CHANGED, id="one more"
        ),
    ],
)
def test_a_real_version_that_was_altered_is_refused(real_data: Path, change, kind: AnomalyKind) -> None:
    earlier, later = sorted((real_data / "jhu").glob("12[45]_*.csv.gz"))
    stored = parse_cases("124", open_published("124", read_file(earlier), None).content).rows
    altered = parse_cases("125", altered_file(open_published("125", read_file(later), None).content, change)).rows
    with pytest.raises(AnomalyRefused) as refused:
        judge(CASES, stored, altered)
    assert refused.value.kind is kind


def altered_file(content: bytes, change: Callable[[np.ndarray, list[str]], np.ndarray]) -> bytes:
    import csv
    import io

    header, *rows = csv.reader(io.StringIO(content.decode()))
    counts = change(np.array([row[11:] for row in rows], dtype=object).astype(str), [row[6] for row in rows])
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(
        [header, *([*row[:11], *cells] for row, cells in zip(rows, counts.tolist(), strict=True))]
    )
    return text.getvalue().encode()
