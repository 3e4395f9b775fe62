"""Every anomaly there is: one input that shows it, what the user sees, and the table in the docs."""

from __future__ import annotations

import csv
import gzip
import io
import re
from collections.abc import Callable
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import pytest

from repro_assets.errors import BadInput
from repro_assets.feeds.anomalies import AnomalyKind, AnomalyRefused, Fate, accepted_kinds
from repro_assets.feeds.jhu import LEADING_COLUMNS
from repro_assets.feeds.kaggle import COLUMNS
from repro_assets.feeds.parsed_feed import ParsedFeed
from repro_assets.feeds.published_file import open_published
from repro_assets.feeds.registry import FEEDS
from repro_assets.pins.redaction import redact

PROJECT = Path(__file__).resolve().parents[3]
Place = tuple[int | None, str | None]

HEADER = ",".join(LEADING_COLUMNS)
DAYS = "1/22/20,1/23/20,1/24/20"
LABELS = 'US,USA,840,1001.0,Autauga,Alabama,US,32.5,-86.6,"Autauga, Alabama, US"'
OTHERS = LABELS.replace("1001.0", "1003.0")
CASES = f"{HEADER},{DAYS}\n84001001,{LABELS},1,2,3\n84001003,{OTHERS},0,5,5\n"
REPEATED = CASES.replace(DAYS, "1/22/20,1/22/20,1/23/20").replace(",1,2,3", ",2,2,3").replace(",0,5,5", ",0,0,5")
PERSON = "7,city_1,0.5,Male,,,,,,10/49,,,8,1.0"
JOBS = f"{','.join(COLUMNS)},target\n{PERSON}\n8{PERSON[1:]}\n"


def rewritten(text: str, change: Callable[[list[str]], list[str]]) -> str:
    """The same file with the cells of every row changed."""
    written = io.StringIO()
    csv.writer(written, lineterminator="\n").writerows(map(change, csv.reader(io.StringIO(text))))
    return written.getvalue()


def doubled(text: str, column: int, value: str) -> str:
    """The same file with one column again at the end, where it has this value."""
    return rewritten(text, lambda cells: [*cells, cells[column] if cells[0] == "enrollee_id" else value])


K = AnomalyKind
# Kind, table, bytes, row, column: of the first one.
CASES_OF: list[tuple[AnomalyKind, str, bytes | str, Place]] = [
    (K.EMPTY_FILE, "covid_cases", b"", (1, None)),
    (K.NOT_GZIP, "covid_cases.gz", CASES, (None, None)),
    (K.GZIP_TRUNCATED, "covid_cases.gz", gzip.compress(CASES.encode(), 0)[:-9], (3, None)),
    (K.GZIP_DAMAGED, "covid_cases.gz", gzip.compress(b"")[:10] + b"\xff" * 9, (1, None)),
    (K.GZIP_BOMB, "covid_cases.gz", gzip.compress(b"\n" * 20_000_000), (17 * 2**20 + 1, None)),
    (K.BOM, "covid_cases", b"\xef\xbb\xbf" + CASES.encode(), (1, None)),
    (K.END_OF_FILE, "covid_cases", CASES + "\x1a", (4, None)),
    (K.CRLF, "covid_cases", CASES.replace("\n", "\r\n"), (1, None)),
    (K.CR, "covid_cases", CASES.replace("\n", "\r"), (1, None)),
    (K.CR, "job_changes", JOBS.replace("\n", "\r"), (1, None)),
    (K.MIXED_LINE_ENDS, "covid_cases", CASES.replace("\n84001003", "\r\n84001003"), (2, None)),
    (K.MIXED_LINE_ENDS, "job_changes", JOBS.replace("\n", "\r\n", 2) + f"9{PERSON[1:]}\r", (3, None)),
    (K.NO_LAST_LINE_END, "covid_cases", CASES.rstrip(), (3, None)),
    (K.NO_LAST_LINE_END, "job_changes", JOBS.replace("\n", "\r\n").rstrip(), (3, None)),
    (K.NUL_BYTE, "covid_cases", CASES.replace("Autauga", "Aut\0uga", 1), (2, "Admin2")),
    (K.LATIN_1, "covid_cases", CASES.replace("Autauga", "Doña Ana", 1).encode("latin-1"), (2, "Admin2")),
    (K.UNCLOSED_QUOTE, "covid_cases", CASES.replace(', US",1', ", US,1"), (2, "Combined_Key")),
    (K.UNCLOSED_QUOTE, "job_changes", JOBS.replace("Male", '"Ma\nle"', 1), (2, "gender")),
    (K.TOO_LARGE, "covid_cases", CASES + "," * 10_000, (4, None)),
    (K.TOO_LARGE, "covid_cases", CASES + "\n" * 1_000_000, (1_000_001, None)),
    (K.TOO_LARGE, "covid_cases", CASES + ("," * 9_999 + "\n") * 1_000, (1003, None)),
    (K.HUGE_CELL, "covid_cases", CASES.replace(",Autauga", "," + "u" * 10_000_000, 1), (2, "Admin2")),
    (K.NOT_CSV, "covid_cases", CASES.replace(', US",1', ', US"x,1'), (2, "Combined_Key")),
    (K.NO_HEADER, "covid_cases", "\n" + CASES, (1, None)),
    (K.MISSING_COLUMN, "job_changes", JOBS.replace("gender,", "", 1), (1, "gender")),
    (K.UNKNOWN_COLUMN, "covid_cases", CASES.replace("1/24/20", "Population"), (1, "Population")),
    (K.UNKNOWN_COLUMN, "job_changes", JOBS.replace("gender", "sex"), (1, "sex")),
    (K.OTHER_PART, "job_changes.train", JOBS.replace(",target", "").replace(",1.0\n", "\n"), (1, "target")),
    (K.NO_DATES, "covid_cases", f"{HEADER}\n84001001,{LABELS}\n", (1, "number 12")),
    (K.NO_DATES, "covid_cases", f"{HEADER},2020-01-22\n84001001,{LABELS},1\n", (1, "2020-01-22")),
    (K.UNPARSABLE_DATE, "covid_cases", CASES.replace("1/24/20", "1/24/20_1"), (1, "1/24/20_1")),
    (K.UNPARSABLE_DATE, "covid_cases", CASES.replace("1/23/20", "1/23/2O"), (1, "1/23/2O")),
    (K.UNPARSABLE_DATE, "covid_cases", CASES.replace("1/24/20", "2/30/20"), (1, "2/30/20")),
    (K.LONG_YEAR, "covid_cases", CASES.replace("1/23/20", "1/23/2020"), (1, "1/23/2020")),
    (K.DAY_GAP, "covid_cases", CASES.replace("1/24/20", "1/25/20"), (1, "1/25/20")),
    (K.DAY_GAP, "covid_cases", CASES.replace("1/22/20", "1/22/02"), (1, "1/23/20")),
    (K.DOUBLED_COLUMN, "covid_cases", CASES.replace("1/24/20", "01/23/20"), (2, "01/23/20")),
    (K.DOUBLED_COLUMN, "job_changes", doubled(JOBS, 1, "city_2"), (2, "city")),
    (K.REPEATED_COLUMN, "covid_cases", REPEATED, (1, "1/22/20")),
    (K.DOUBLED_KEY, "covid_cases", rewritten(CASES, lambda cells: [*cells, cells[0].replace("3", "4")]), (3, "UID")),
    (K.DOUBLED_KEY, "job_changes", doubled(JOBS, 0, "7"), (3, "enrollee_id")),
    (K.NAMELESS_COLUMN, "covid_cases", CASES.replace("\n", ",\n"), (1, "number 15")),
    (K.COLUMN_ORDER, "covid_cases", rewritten(CASES, lambda cells: [*cells[1:], cells[0]]), (1, "iso2")),
    (
        K.SWAPPED_COLUMNS,
        "covid_cases",
        CASES.replace("UID", "x", 1).replace("FIPS", "UID", 1).replace("x", "FIPS", 1),
        (2, "FIPS"),
    ),
    (K.SWAPPED_COLUMNS, "covid_cases", CASES.replace(DAYS, "1/23/20,1/22/20,1/24/20"), (1, "1/22/20")),
    (K.FALLING_TOTAL, "covid_cases", CASES.replace(",1,2,3", ",9,2,3"), (2, "1/23/20")),
    (
        K.LEAPING_TOTAL,
        "covid_cases",
        CASES.replace(",1,2,3", ",9000,9000,18000").replace(",0,5,5", ",1000,1000,1001"),
        (2, "1/24/20"),
    ),
    (K.BLANK_DAY, "covid_cases", CASES.replace(",1,2,3", ",1,2,").replace(",0,5,5", ",0,5,"), (2, "1/24/20")),
    (K.HEADER_ONLY, "covid_cases", CASES.partition("\n")[0], (2, None)),
    (K.RAGGED_ROW, "covid_cases", CASES.replace(",1,2,3", ",1,2"), (2, "1/24/20")),
    (K.RAGGED_ROW, "covid_cases", CASES.replace(",1,2,3", ",1,2,3,4"), (2, "number 15")),
    (K.TRAILING_EMPTY_ROWS, "covid_cases", CASES + "," * 13 + "\n\n", (4, None)),
    (K.EMPTY_ROW, "covid_cases", CASES.replace("\n84001003", "\n,,,,,,,,,,,,,\n84001003"), (3, None)),
    (K.BLANK_KEY, "covid_cases", CASES.replace("\n84001003", "\n"), (3, "UID")),
    (K.BAD_KEY, "covid_cases", CASES.replace("\n84001003", "\n84001003.5"), (3, "UID")),
    (K.FLOAT_KEY, "covid_cases", CASES.replace("\n84001003", "\n84001003.0"), (3, "UID")),
    (K.FLOAT_KEY, "job_changes", JOBS.replace("\n8,", "\n8.0,"), (3, "enrollee_id")),
    (K.KEY_MISMATCH, "covid_cases", CASES.replace("1003.0", "1005.0"), (3, "UID")),
    (K.REPEATED_KEY, "covid_cases", CASES.replace("\n84001003", "\n84001001.0"), (3, "UID")),
    (K.REPEATED_KEY, "job_changes", JOBS.replace("\n8,", "\n7,"), (3, "enrollee_id")),
    (K.BLANK_COUNT, "covid_cases", CASES.replace(",0,5,5", ",0,,5"), (3, "1/23/20")),
    (K.FLOAT_COUNT, "covid_cases", CASES.replace(",0,5,5", ",0,5.0,5"), (3, "1/23/20")),
    (K.BAD_COUNT, "covid_cases", CASES.replace(",0,5,5", ",0,n/a,5"), (3, "1/23/20")),
    (K.BAD_COUNT, "job_changes", JOBS.replace(",8,1.0", ",,1.0"), (2, "training_hours")),
    (K.ABSURD_COUNT, "covid_cases", CASES.replace(",0,5,5", ",0,5,100000000"), (3, "1/24/20")),
    (
        K.FALLING_COUNT,
        "covid_cases",
        CASES.replace(",1,2,3", ",2000,2000,900").replace(",0,5,5", ",0,5,9999"),
        (2, "1/24/20"),
    ),
    (K.LEAPING_COUNT, "covid_cases", CASES.replace(",0,5,5", ",0,1000,5001"), (3, "1/24/20")),
    (K.LARGE_COUNT, "covid_cases", CASES.replace(",0,5,5", f",0,{2**63},5"), (3, "1/23/20")),
    (K.CUT_COUNT, "covid_cases", CASES.removesuffix("5\n") + "4", (3, "1/24/20")),
    (K.CUT_COUNT, "covid_cases", CASES.removesuffix("5\n"), (3, "1/24/20")),
    (K.ABSURD_HOURS, "job_changes", JOBS.replace(",8,1.0", ",8761,1.0"), (2, "training_hours")),
    (K.BLANK_CITY, "job_changes", JOBS.replace("city_1", "", 1), (2, "city")),
    (K.BAD_NUMBER, "job_changes", JOBS.replace("0.5", "half", 1), (2, "city_development_index")),
    (K.BAD_NUMBER, "job_changes", JOBS.replace("0.5", "1.5", 1), (2, "city_development_index")),
    (K.PADDED_TEXT, "job_changes", JOBS.replace("Male", " Male "), (2, "gender")),
    (K.PADDED_TEXT, "covid_cases", CASES.replace(",1/24/20", ", 1/24/20"), (1, "1/24/20")),
    (K.PADDED_TEXT, "covid_cases", CASES.replace("\n84001003", "\n 84001003"), (3, "UID")),
    (K.PADDED_TEXT, "covid_cases", CASES.replace(",5,5", ", 5,5 "), (3, "1/23/20")),
    (K.NUMBER_SPELLING, "job_changes", JOBS.replace(",0.5,", ",.5,", 1), (2, "city_development_index")),
    (K.UNPRINTABLE, "job_changes", JOBS.replace("Male", "Male\u200b", 1), (2, "gender")),
    (K.BAD_LABEL, "job_changes", JOBS.replace("8,1.0", "8,yes", 1), (2, "target")),
    (K.UNRANKED_VALUE, "job_changes", JOBS.replace("10/49", "18172"), (2, "company_size")),
    (K.MISSPELT_VALUE, "job_changes", JOBS.replace("Male", "male", 1), (2, "gender")),
    (K.UNKNOWN_VALUE, "job_changes", JOBS.replace("Male", "Malee"), (2, "gender")),
    (K.EXCEL_DATE, "job_changes", JOBS.replace("10/49", "Oct-49"), (2, "company_size")),
    (K.SPOILT_VALUE, "job_changes", JOBS.replace("10/49", "1949-10-01"), (2, "company_size")),
]

# Shown where there is a table or a history to show it on.
ELSEWHERE = {
    K.SHARED_KEY: "../verbs/test_ingest_plan.py",
    K.KEYS_GONE: "../../integration/test_ingest_anomalies.py",
    K.FEW_KEYS_GONE: "../../integration/test_ingest_anomalies.py",
    K.COUNTS_BLANKED: "test_against_table.py",
    K.COUNTS_FALLEN: "test_against_table.py",
    K.MANY_ROWS_CHANGED: "test_against_table.py",
    K.FUTURE_DAY: "../verbs/test_ingest_plan.py",
    K.CLOCK_SKEW: "test_git_history.py",
    K.SHALLOW_CLONE: "test_git_history.py",
}
IDS = [f"{kind.id}-{number}" for number, (kind, _, _, _) in enumerate(CASES_OF)]


def parse(table: str, content: bytes | str, accept: frozenset[AnomalyKind] = frozenset()) -> ParsedFeed:
    data = content if isinstance(content, bytes) else content.encode()
    file = open_published(table, data, None)
    parsed = FEEDS[table.partition(".")[0]].parse(table, file.content, accept)
    return replace(parsed, anomalies=(*parsed.anomalies, *parsed.judge(None)))


@pytest.mark.parametrize(("kind", "table", "content", "place"), CASES_OF, ids=IDS)
def test_an_anomaly_is_named_with_row_and_column(
    kind: AnomalyKind, table: str, content: bytes | str, place: Place
) -> None:
    if kind.value.fate is Fate.READ:
        found = next(anomaly for anomaly in parse(table, content).anomalies if anomaly.name == kind.id)
    else:
        with pytest.raises(AnomalyRefused, match=rf"^{kind.id} - .*{table}") as refused:
            parse(table, content)
        assert refused.value.kind is kind
        assert "\n" not in str(refused.value)
        # A name and a colon would look like `api_key: …`, and what follows would be taken out.
        assert redact(str(refused.value)) == str(refused.value)
        assert len(str(refused.value)) < 500
        found = refused.value.anomalies[-1]
    assert (found.name, found.row, found.column) == (kind.id, *place)
    assert not found.accepted


ACCEPTABLE = [case for case in zip(CASES_OF, IDS, strict=True) if case[0][0].value.fate is Fate.ACCEPTABLE]


@pytest.mark.parametrize(
    ("kind", "table", "content", "place"), [case for case, _ in ACCEPTABLE], ids=[name for _, name in ACCEPTABLE]
)
def test_what_is_accepted_is_read_and_recorded_as_such(
    kind: AnomalyKind, table: str, content: bytes | str, place: Place
) -> None:
    found = next(item for item in parse(table, content, frozenset({kind})).anomalies if item.name == kind.id)
    assert (found.accepted, found.row, found.column) == (True, *place)


@pytest.mark.parametrize("kind", AnomalyKind, ids=lambda kind: kind.id)
def test_every_anomaly_is_shown_by_a_test(kind: AnomalyKind) -> None:
    if kind in ELSEWHERE:
        assert kind.id in (Path(__file__).parent / ELSEWHERE[kind]).read_text()
    else:
        assert kind in {case[0] for case in CASES_OF}


def values(parsed: ParsedFeed, column: str) -> list[object]:
    return parsed.rows[column].to_pylist()


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda text: text.replace("\n", ",\n"), id="a comma at every line end"),
        pytest.param(lambda text: text.replace("\n", ", , \n"), id="blanks at every line end"),
        pytest.param(lambda text: text.replace(",1/24/20", ", 1/24/20").replace("UID", "UID ", 1), id="padded headers"),
        pytest.param(lambda text: text.replace("\n840", "\n 840").replace(",5", ", 5 "), id="padded numbers"),
        pytest.param(lambda text: text.replace("/20,", "/2020,"), id="years of four digits"),
        pytest.param(lambda text: text + "\x1a", id="an end of file"),
        pytest.param(
            lambda text: rewritten(text, lambda cells: [*cells, cells[13] + ("" if "/" in cells[13] else ".0")]),
            id="a day twice in two spellings",
        ),
        pytest.param(
            lambda text: rewritten(text, lambda cells: [*cells, cells[4].removesuffix(".0")]),
            id="FIPS in two spellings",
        ),
        pytest.param(
            lambda text: rewritten(text, lambda cells: [*cells, cells[0] + ("" if cells[0] == "UID" else ".0")]),
            id="the key in two spellings",
        ),
    ],
)
def test_what_a_person_reads_without_a_doubt_gives_the_same_rows_and_is_reported(change: Callable[[str], str]) -> None:
    parsed = parse("covid_cases", change(CASES))
    assert parsed.rows.equals(parse("covid_cases", CASES).rows)
    assert parsed.anomalies


@pytest.mark.parametrize("kind", [K.DOUBLED_KEY, K.UNKNOWN_COLUMN])
def test_neither_another_key_nor_a_filled_column_without_a_name_can_be_accepted(kind: AnomalyKind) -> None:
    name = "UID" if kind is K.DOUBLED_KEY else ""
    text = rewritten(CASES, lambda cells: [*cells, name if cells[0] == "UID" else "9"])
    with pytest.raises(AnomalyRefused) as refused:
        parse("covid_cases", text, frozenset(one for one in K if one.value.fate is Fate.ACCEPTABLE))
    assert refused.value.kind is kind


def test_a_blank_count_is_a_null_row() -> None:
    assert values(parse("covid_cases", CASES.replace(",0,5,5", ",0, ,5")), "confirmed") == [1, 2, 3, 0, None, 5]


def test_of_a_doubled_column_that_is_accepted_the_last_is_taken() -> None:
    parsed = parse("covid_cases", CASES.replace("1/24/20", "01/23/20"), accepted_kinds(["doubled_column"]))
    assert values(parsed, "confirmed") == [1, 3, 0, 5]


def test_a_doubled_column_is_counted_by_the_rows_that_differ() -> None:
    text = CASES.replace("1/24/20", "1/23/20").replace(",0,5,5", ",0,5,6")
    (found,) = parse("covid_cases", text, accepted_kinds(["doubled_column"])).anomalies
    assert (found.count, found.examples) == (2, ((2, "1/23/20"), (3, "1/23/20")))


def test_a_row_does_not_swallow_the_next_where_a_quote_is_missing_in_both() -> None:
    text = CASES.replace(', US",1', ", US,1", 1)
    rows = text.split("\n")
    rows[2] = rows[2].replace('"', "", 1)
    with pytest.raises(AnomalyRefused, match=r"unclosed_quote - a quote is not closed in its row .*row 2, column Comb"):
        parse("covid_cases", "\n".join(rows), frozenset(K))


def test_millions_of_blank_counts_are_counted_and_the_first_few_shown() -> None:
    rows = [f"{uid}{',' * 1_010}\n" for uid in range(1, 1001)]
    days = ",".join(
        f"{day.month}/{day.day}/{day:%y}" for day in (date(2020, 1, 22) + timedelta(n) for n in range(1000))
    )
    found, _ = parse("covid_cases", "".join([f"{HEADER},{days}\n", *rows]), frozenset({K.BLANK_DAY})).anomalies
    assert (found.name, found.count, found.row, len(found.examples)) == ("blank_count", 1_000_000, 2, 5)


@pytest.mark.parametrize("text", ["<h1>404: not found</h1>\n", CASES.replace(",", ";"), "version 1\noid 2\n"])
def test_another_file_altogether_is_refused_for_its_columns(text: str) -> None:
    with pytest.raises(AnomalyRefused, match=r"missing_column - none of the published columns .*row 1, column UID"):
        parse("covid_cases", text)


def test_the_file_of_deaths_can_t_be_accepted() -> None:
    every = frozenset(kind for kind in AnomalyKind if kind.value.fate is Fate.ACCEPTABLE)
    with pytest.raises(AnomalyRefused, match=r"unknown_column.*Population"):
        parse("covid_cases", CASES.replace("1/22/20", "Population"), every)


def test_days_that_were_moved_with_their_counts_are_read_right() -> None:
    moved = rewritten(CASES, lambda cells: [*cells[:11], *reversed(cells[11:])])
    parsed = parse("covid_cases", moved)
    assert sorted(map(str, parsed.rows.to_pylist())) == sorted(map(str, parse("covid_cases", CASES).rows.to_pylist()))
    assert [found.name for found in parsed.anomalies] == ["column_order"]


def test_latin_1_that_is_accepted_keeps_every_letter() -> None:
    text = JOBS.replace("Male", "Männlich")
    parsed = parse("job_changes", text.encode("latin-1"), accepted_kinds(["latin_1"]))
    assert values(parsed, "gender") == ["Männlich", "Männlich"]


def test_an_empty_row_that_is_accepted_is_left_out_and_those_at_the_end_are_apart() -> None:
    text = CASES.replace("\n84001003", "\n\n,,,\n84001003") + ",,\n"
    parsed = parse("covid_cases", text, accepted_kinds(["empty_row"]))
    assert parsed.rows.equals(parse("covid_cases", CASES).rows)
    assert [(found.name, found.count, found.row) for found in parsed.anomalies] == [
        ("empty_row", 2, 3),
        ("trailing_empty_rows", 1, 6),
    ]


def test_of_many_occurrences_all_are_counted_and_the_first_few_shown() -> None:
    (found,) = parse("covid_cases", CASES + "\n" * 1000).anomalies
    assert (found.count, found.row) == (1000, 4)
    assert found.examples == tuple((row, None) for row in range(4, 9))


def test_a_refusal_names_what_was_noted_before_it() -> None:
    with pytest.raises(AnomalyRefused) as refused:
        parse("covid_cases", CASES.replace("\n", "\r\n").replace("1/24/20", "x1"))
    assert [found.name for found in refused.value.anomalies] == ["crlf", "unparsable_date"]


def test_a_refusal_that_can_be_accepted_says_how_and_what_then() -> None:
    with pytest.raises(AnomalyRefused, match=r"`--accept doubled_column`: the last one is taken$"):
        parse("covid_cases", CASES.replace("1/24/20", "1/23/20"))


@pytest.mark.parametrize(
    ("name", "message"),
    [
        pytest.param("bad_key", "can't be accepted", id="one that corrupts whatever a person says"),
        pytest.param("crlf", "can't be accepted", id="one that is read anyway"),
        pytest.param("typo\n", "no such anomaly", id="none"),
    ],
)
def test_only_what_a_person_may_accept_is_accepted(name: str, message: str) -> None:
    with pytest.raises(BadInput, match=rf"{message} \[--accept\].*one of: latin_1, other_part"):
        accepted_kinds(["keys_gone", name])


def test_the_docs_list_every_anomaly_as_it_is() -> None:
    text = (PROJECT / "docs" / "feeds.md").read_text(encoding="utf-8")
    rows = [tuple(found) for found in re.findall(r"^\| `(\w+)` \| (.+) \| (.+) \|$", text, re.MULTILINE)]
    assert rows == [(kind.id, kind.value.what, kind.value.happens) for kind in AnomalyKind]
