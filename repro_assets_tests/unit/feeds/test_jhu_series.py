"""Cumulative counts that fall or leap from a day to the next: both sides of every bound, and what the table holds."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pyarrow as pa
import pytest

from repro_assets.feeds.against_table import judged_within
from repro_assets.feeds.anomalies import AnomalyKind, AnomalyRefused
from repro_assets.feeds.jhu import LEADING_COLUMNS, parse_cases
from repro_assets.feeds.publication import Anomaly, Publication
from repro_assets.feeds.published_file import open_published, read_file
from repro_assets.sample.generate import SEED, generate

K = AnomalyKind
MUCH = {84099999: (10**6, 1_500_000, 2 * 10**6)}  # so that the total neither falls nor leaps


def wide(counts: Mapping[int, tuple[object, ...]], days: str = "6/1/20,6/2/20,6/3/20") -> bytes:
    labels = "," * (len(LEADING_COLUMNS) - 1)
    rows = [f"{uid}{labels},{','.join(map(str, row))}" for uid, row in counts.items()]
    return "\n".join([f"{','.join(LEADING_COLUMNS)},{days}", *rows, ""]).encode()


def read(content: bytes, *accept: AnomalyKind, stored: pa.Table | None = None) -> list[Anomaly]:
    parsed = parse_cases("cases.csv", content, frozenset(accept))
    publication = judged_within(Publication("cases.csv", "", "", anomalies=parsed.anomalies), parsed, stored)
    return [one for one in publication.anomalies if one.name != "blank_count"]


def table(counts: Mapping[int, tuple[object, ...]]) -> pa.Table:
    """The table after a file with these counts."""
    return parse_cases("cases.csv", wide(counts)).rows


def test_a_total_that_falls_is_refused_with_the_county_that_falls_most() -> None:
    counts = {1: (10, 11, 11), 2: (40, 20, 21), 3: (30, 25, 26)}
    with pytest.raises(
        AnomalyRefused, match=r"falling_total - .*row 3, column 6/2/20\]: stored 24 less than the day before"
    ):
        read(wide(counts))
    assert read(wide(counts), K.FALLING_TOTAL) == [Anomaly("falling_total", 1, 3, "6/2/20", accepted=True)]


def test_a_total_is_of_the_counties_that_have_both_counts() -> None:
    assert read(wide({1: (10, "", 10), 2: (1, 1, 2)})) == []


def test_days_in_another_order_are_compared_by_day() -> None:
    assert {one.name for one in read(wide({1: (3, 2, 1)}, "6/3/20,6/2/20,6/1/20"))} == {"column_order"}


def test_counts_of_days_that_are_not_next_to_each_other_are_not_compared() -> None:
    parsed = read(wide({1: (1000, 1, 1)}, "6/1/20,6/3/20,6/4/20"), K.DAY_GAP)
    assert [one.name for one in parsed] == ["day_gap"]


@pytest.mark.parametrize(
    ("counts", "kind", "count"),
    [
        pytest.param({1: (999, 1000, 499)}, K.FALLING_COUNT, 1, id="a large count to less than half"),
        pytest.param({1: (999, 1000, 500)}, None, 0, id="a large count to half"),
        pytest.param(dict.fromkeys(range(1, 6), (99, 999, 0)), None, 0, id="counts of five counties"),
        pytest.param(dict.fromkeys(range(1, 7), (50, 50, 24)), K.FALLING_COUNT, 6, id="counts of six counties"),
        pytest.param(dict.fromkeys(range(1, 7), (49, 49, 0)), None, 0, id="small counts of six counties"),
        pytest.param({84080001: (9000, 9000, 0), 84090001: (9000, 9000, 0)}, None, 0, id="rows that are no county"),
        pytest.param({1: (1000, 1000, 5001)}, K.LEAPING_COUNT, 1, id="a large count over five times"),
        pytest.param({1: (1000, 1000, 5000)}, None, 0, id="a large count five times"),
        pytest.param({1: (999, 999, 9999)}, None, 0, id="a small count ten times"),
        pytest.param({1: (1000, "", 9999)}, K.LEAPING_COUNT, 1, id="a leap over a blank"),
        pytest.param({1: (1000, "", 499)}, K.FALLING_COUNT, 1, id="a fall over a blank"),
        pytest.param({1: ("", "", 9999)}, None, 0, id="after blanks only"),
    ],
)
def test_a_county_falls_and_leaps_within_bounds(
    counts: dict[int, tuple[object, ...]], kind: AnomalyKind | None, count: int
) -> None:
    content = wide({**counts, **MUCH})
    if kind is None:
        assert read(content) == []
        return
    with pytest.raises(AnomalyRefused, match=rf"^{kind.id} - .*\[cases.csv, row 2, column 6/3/20\]: stored \d+, expec"):
        read(content)
    (found,) = read(content, kind)
    assert (found.name, found.count, found.row, found.column, found.accepted) == (kind.id, count, 2, "6/3/20", True)


@pytest.mark.parametrize(
    ("counts", "kind"),
    [
        pytest.param({1: (9000, 10_000, 19_000), 2: (1, 1, 1)}, None, id="a large total 1.9 times"),
        pytest.param({1: (9000, 10_000, 19_002), 2: (1, 1, 1)}, K.LEAPING_TOTAL, id="a large total over 1.9 times"),
        pytest.param({1: (9000, 9999, 40_000)}, None, id="a smaller total"),
        pytest.param({1: (9000, "", 17_101), 2: (1000, 1000, 1999)}, K.LEAPING_TOTAL, id="a large total over a blank"),
        pytest.param({1: (1, 1, ""), 2: (1, 1, 1)}, None, id="half of a day blank"),
        pytest.param({1: (1, 1, ""), 2: (1, 1, ""), 3: (1, 1, 1)}, K.BLANK_DAY, id="more than half of a day blank"),
    ],
)
def test_a_day_leaps_and_is_blank_within_bounds(
    counts: dict[int, tuple[object, ...]], kind: AnomalyKind | None
) -> None:
    content = wide(counts)
    if kind is None:
        assert read(content) == []
        return
    with pytest.raises(AnomalyRefused, match=rf"^{kind.id} - .*\[cases.csv, row 2, column 6/3/20\]: stored \d+"):
        read(content)
    assert read(content, kind) == [Anomaly(kind.id, 1, 2, "6/3/20", accepted=True)]


@pytest.mark.parametrize(
    ("day", "kind"),
    [pytest.param((60_000, 6000), K.LEAPING_TOTAL, id="times four"), pytest.param(("", ""), K.BLANK_DAY, id="blank")],
)
def test_a_whole_day_that_was_accepted_is_not_refused_in_the_next_file(day: tuple[object, ...], kind: K) -> None:
    first = {1: (14_000, 15_000, day[0]), 2: (1400, 1500, day[1])}
    stored = parse_cases("cases.csv", wide(first), frozenset({kind})).rows
    days = "6/1/20,6/2/20,6/3/20,6/4/20"
    later = {1: (*first[1], 60_001), 2: (*first[2], 6001)}
    if kind is K.LEAPING_TOTAL:
        assert read(wide(later, days), stored=stored) == []
        return
    later = {1: (*first[1], 15_100), 2: (*first[2], 1510)}
    assert read(wide(later, days), stored=stored) == []
    with pytest.raises(AnomalyRefused, match=r"blank_day - .*row 2, column 6/4/20\]: stored 2 of 2"):
        read(wide({1: (*first[1], ""), 2: (*first[2], "")}, days), stored=stored)
    with pytest.raises(AnomalyRefused, match=r"leaping_total - .*row 2, column 6/4/20"):
        read(wide({1: (*first[1], 135_000), 2: (*first[2], 13_500)}, days), stored=stored)


SIX = range(1, 7)


@pytest.mark.parametrize(
    ("counts", "corrected", "next_count", "worse"),
    [
        pytest.param(
            {1: (4000, 0, 4100), 2: (10, 11, 12)}, (4003, 0, 4100), 4200, (4000, 4000, 1000), id="a total and a county"
        ),
        pytest.param({1: (1000, 1000, 5001), **MUCH}, (1000, 990, 4960), 5100, (1000, 1000, 6000), id="a leap"),
        pytest.param(
            {**dict.fromkeys(SIX, (60, 60, 0)), **MUCH},
            (60, 64, 0),
            5,
            (2000, 60, 0),
            id="small counts of six counties",
        ),
        pytest.param({1: (400, 300, 300), 2: (10, 10, 10)}, (395, 300, 301), 302, (400, 300, 250), id="a total alone"),
    ],
)
def test_what_the_table_holds_is_accepted_once_and_not_refused_with_every_later_file(
    counts: dict[int, tuple[object, ...]], corrected: tuple[int, ...], next_count: int, worse: tuple[int, ...]
) -> None:
    with pytest.raises(AnomalyRefused):
        read(wide(counts))
    stored = table(counts)
    days = "6/1/20,6/2/20,6/3/20,6/4/20"
    later = {uid: (*row, row[-1]) for uid, row in counts.items()}
    assert read(wide({**later, 1: (*counts[1], next_count)}, days), stored=stored) == []
    assert read(wide({**later, 1: (*corrected, next_count)}, days), stored=stored) == []
    with pytest.raises(AnomalyRefused, match=r"^(falling|leaping)_\w+ - .*row 2, column 6/[23]/20"):
        read(wide({**later, 1: (*worse, next_count)}, days), stored=stored)


@pytest.mark.parametrize(
    ("row", "kind"),
    [
        pytest.param((4000, 0, 4100, 0), K.FALLING_TOTAL, id="the total of a new day"),
        pytest.param((4000, 0, 4100, 99_999), K.LEAPING_COUNT, id="a leap on a new day"),
    ],
)
def test_what_the_table_holds_excuses_nothing_of_a_new_day(row: tuple[int, ...], kind: AnomalyKind) -> None:
    stored = table({1: (4000, 0, 4100)})
    with pytest.raises(AnomalyRefused, match=r"row 2, column 6/4/20") as refused:
        read(wide({1: row}, "6/1/20,6/2/20,6/3/20,6/4/20"), stored=stored)
    assert refused.value.kind is kind


def test_a_file_can_be_judged_twice() -> None:
    parsed = parse_cases("cases.csv", wide({1: (40, 20, 21)}), frozenset({K.FALLING_TOTAL}))
    assert parsed.judge(None) == parsed.judge(None) == (Anomaly("falling_total", 1, 2, "6/2/20", accepted=True),)


@pytest.mark.parametrize("days", [30, 141])
@pytest.mark.parametrize("seed", [SEED, 1, 2])
def test_generated_samples_are_within_every_bound(seed: int, days: int, tmp_path: Path) -> None:
    stored = None
    for file in generate(tmp_path, seed=seed, days=days, labelled=1, unlabelled=1).covid_files:
        assert read(file.read_bytes(), stored=stored) == []
        stored = parse_cases(file.name, file.read_bytes()).rows


def times(count: str, factor: int) -> str:
    return str(int(count) * factor)


@pytest.mark.real_data
@pytest.mark.parametrize(
    ("change", "kind"),
    [
        pytest.param(lambda row: [*row[:-10], *["0"] * 10], K.FALLING_TOTAL, id="ten days at zero"),
        pytest.param(lambda row: row if row[5] != "Los Angeles" else [*row[:-1], "0"], K.FALLING_TOTAL, id="LA at 0"),
        pytest.param(lambda row: row if row[6] != "Wyoming" else [*row[:-1], "0"], K.FALLING_COUNT, id="a small state"),
        pytest.param(
            lambda row: row if row[5] != "Los Angeles" else [*row[:-1], row[-1] + "0"], K.LEAPING_COUNT, id="LA by ten"
        ),
        pytest.param(lambda row: [*row[:-1], times(row[-1], 2)], K.LEAPING_TOTAL, id="a day doubled"),
        pytest.param(lambda row: [*row[:-1], times(row[-1], 4)], K.LEAPING_TOTAL, id="a day times four"),
        pytest.param(lambda row: [*row[:-1], ""], K.BLANK_DAY, id="a day blank"),
        pytest.param(lambda row: [*row[:11], *[""] * (len(row) - 11)], K.BLANK_DAY, id="every count blank"),
        pytest.param(
            lambda row: [*row[:50], row[140], *row[51:140], row[50], *row[141:]], K.FALLING_TOTAL, id="two days"
        ),
    ],
)
def test_a_real_version_that_was_altered_is_refused_on_its_own(real_data: Path, change, kind: AnomalyKind) -> None:
    import csv
    import io

    (path,) = (real_data / "jhu").glob("125_*.csv.gz")
    header, *rows = csv.reader(io.StringIO(open_published("125", read_file(path), None).content.decode()))
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([header, *map(change, rows)])
    with pytest.raises(AnomalyRefused) as refused:
        read(text.getvalue().encode())
    assert refused.value.kind is kind
