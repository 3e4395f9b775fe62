"""JHU's wide file of cumulative cases: what is read, and what is refused with row and column."""

from __future__ import annotations

import datetime
import gzip
from collections.abc import Sequence
from pathlib import Path

import pytest

from repro_assets.errors import MalformedFeed
from repro_assets.feeds.anomalies import AnomalyKind
from repro_assets.feeds.jhu import LEADING_COLUMNS, parse_cases
from repro_assets.feeds.publication import Anomaly

LABELS = 'Autauga,Alabama,US,32.5,-86.6,"Autauga, Alabama, US"'
DAYS = ("1/22/20", "1/23/20")


def codes(uid: object) -> str:
    """`code3` and `FIPS` of a county or a territory."""
    return "840,1001.0" if uid == 84001001 else f"{uid},60.0"


def wide(rows: Sequence[tuple[object, ...]] = ((84001001, 3, 5), (16, 0, 7)), days: Sequence[str] = DAYS) -> str:
    lines = [",".join([*LEADING_COLUMNS, *days])]
    lines += [",".join([str(uid), "US,USA", codes(uid), LABELS, *map(str, counts)]) for uid, *counts in rows]
    return "\n".join(lines) + "\n"


def parse(text: str | bytes) -> list[tuple[object, ...]]:
    content = text if isinstance(text, bytes) else text.encode()
    return [tuple(row.values()) for row in parse_cases("cases.csv", content).rows.to_pylist()]


ROWS = [
    (84001001, datetime.date(2020, 1, 22), 3),
    (84001001, datetime.date(2020, 1, 23), 5),
    (16, datetime.date(2020, 1, 22), 0),
    (16, datetime.date(2020, 1, 23), 7),
]


def test_a_wide_file_becomes_one_row_per_county_and_day() -> None:
    assert parse(wide()) == ROWS


def test_the_columns_have_the_types_of_the_raw_table() -> None:
    schema = parse_cases("cases.csv", wide().encode()).rows.schema
    assert [(field.name, str(field.type)) for field in schema] == [
        ("uid", "int64"),
        ("date", "date32[day]"),
        ("confirmed", "int64"),
    ]


def test_a_normal_file_has_no_anomalies() -> None:
    assert parse_cases("cases.csv", wide().encode()).anomalies == ()


def test_a_file_may_lack_the_last_line_end_and_that_is_reported() -> None:
    assert parse(wide().rstrip("\n")) == ROWS
    assert parse_cases("cases.csv", wide().rstrip("\n").encode()).anomalies == (Anomaly("no_last_line_end", 1, 3),)


def test_columns_are_found_by_name() -> None:
    lines = [line.split(",", 1) for line in wide(days=("1/22/20",), rows=((5, 8),)).splitlines()]
    moved = "\n".join(f"{rest},{first}" for first, rest in lines)
    assert parse(moved) == [(5, datetime.date(2020, 1, 22), 8)]


@pytest.mark.parametrize(
    ("content", "anomaly"),
    [
        pytest.param(wide().replace("\n", "\r\n").encode(), Anomaly("crlf", 3, 1), id="CRLF"),
        pytest.param(b"\xef\xbb\xbf" + wide().encode(), Anomaly("bom", 1, 1), id="byte order mark"),
        pytest.param(wide().replace("\n16,", "\n16.0,").encode(), Anomaly("float_key", 1, 3, "UID"), id="float key"),
    ],
)
def test_what_a_real_publisher_does_is_read_right_and_named(content: bytes, anomaly: Anomaly) -> None:
    parsed = parse_cases("cases.csv", content)
    assert parsed.anomalies == (anomaly,)
    assert parsed.rows.equals(parse_cases("cases.csv", wide().encode()).rows)


@pytest.mark.parametrize(
    ("rows", "where"),
    [
        pytest.param([("", 1, 2)], "row 2, column UID", id="blank key"),
        pytest.param([("8400x", 1, 2)], "row 2, column UID", id="key of letters"),
        pytest.param([("84001001.5", 1, 2)], "row 2, column UID", id="fractional key"),
        pytest.param([("-16", 1, 2)], "row 2, column UID", id="negative key"),
        pytest.param([("9" * 19, 1, 2)], "row 2, column UID", id="key beyond 64 bits"),
        pytest.param([(1, 1, 2), (1, 1, 2)], "row 3, column UID", id="a key twice"),
        pytest.param([(1, 1, 2), ("1.0", 1, 2)], "row 3, column UID", id="a key twice in two spellings"),
        pytest.param([(1, 1.5, 2)], "row 2, column 1/22/20", id="fractional count"),
        pytest.param([(1, -1, 2)], "row 2, column 1/22/20", id="negative count"),
        pytest.param([(1, "1_000", 2)], "row 2, column 1/22/20", id="count with an underscore"),
        pytest.param([(1, "1 1", 2)], "row 2, column 1/22/20", id="count with a blank in it"),
        pytest.param([(1, "\t1", 2)], "row 2, column 1/22/20", id="count with a tab before it"),
        pytest.param([(1, "٣", 2)], "row 2, column 1/22/20", id="digits of another script"),
        pytest.param([(1, 2, 2**63)], "row 2, column 1/23/20", id="count just beyond 64 bits"),
        pytest.param([(1, 2, "9" * 5000)], "row 2, column 1/23/20", id="count of 5,000 digits"),
        pytest.param([(1, 1)], "row 2, column 1/23/20", id="a cell too few"),
        pytest.param([(1, 1, 2), (2, 1, 2, 3)], "row 3, column number 14", id="a cell too many"),
        pytest.param([], "row 2", id="header only"),
    ],
)
def test_a_bad_row_is_refused_by_row_and_column(rows: list[tuple[object, ...]], where: str) -> None:
    with pytest.raises(MalformedFeed, match=rf"\[cases.csv, {where}\]"):
        parse(wide(rows))


def test_the_largest_count_that_a_county_can_have_is_read() -> None:
    assert parse(wide([(1, 0, 99_999_999)]))[1][2] == 99_999_999


@pytest.mark.parametrize("count", [100_000_000, 2**63 - 1, "100000000.0", "000100000000"])
def test_a_count_beyond_it_is_refused_and_read_where_it_is_accepted(count) -> None:
    content = wide([(1, 0, count)])
    with pytest.raises(MalformedFeed, match=r"absurd_count - .*row 2, column 1/23/20"):
        parse(content)

    found = parse_cases("cases.csv", content.encode(), frozenset({AnomalyKind.ABSURD_COUNT}))
    assert found.rows["confirmed"].to_pylist()[1] == int(str(count).removesuffix(".0"))
    assert [anomaly.name for anomaly in found.anomalies if anomaly.accepted] == ["absurd_count"]


@pytest.mark.parametrize(
    ("days", "where"),
    [
        pytest.param(("1/22/20", "2/30/20"), "column 2/30/20", id="no such day"),
        pytest.param(("1/22/20", "2020-01-23"), "column 2020-01-23", id="another way to write a day"),
        pytest.param(("1/22/20", "1/23/2O"), "column 1/23/2O", id="a misspelt day"),
        pytest.param(("1/22/20", "Population"), "column Population", id="the file of deaths"),
        pytest.param(("1/22/20", "\x1b[31m"), r"column '\\x1b\[31m'", id="a column with control characters"),
        pytest.param(("1/22/20", ""), "column number 13", id="a column without name"),
    ],
)
def test_a_bad_header_is_refused_by_its_column(days: tuple[str, str], where: str) -> None:
    with pytest.raises(MalformedFeed, match=rf"\[cases.csv, row 1, {where}\]"):
        parse(wide(days=days))


def test_a_file_without_days_is_refused() -> None:
    with pytest.raises(MalformedFeed, match="no date columns"):
        parse(wide([(1,)], days=()))


@pytest.mark.parametrize("column", ["UID", "FIPS", "Combined_Key"])
def test_a_missing_column_is_refused_by_its_name(column: str) -> None:
    header, rest = wide().split("\n", 1)
    names = header.split(",")
    names.remove(column)
    with pytest.raises(MalformedFeed, match=rf"a column is missing \[cases.csv, row 1, column {column}\]"):
        parse(",".join(names) + "\n" + rest)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        pytest.param(wide().replace("\n16", "\n\n16"), "a row is empty.*row 3", id="blank line"),
        pytest.param(
            wide().replace('"Autauga, Alabama, US",0', '"Autauga,0'), "row 3, column Combined_Key", id="unclosed quote"
        ),
        pytest.param(wide().replace('US",0', 'US"x,0'), "row 3", id="text after a quote"),
        pytest.param(wide().replace(",Autauga,", ",A" + "u" * 200_000 + ","), "row 2", id="a huge cell"),
        pytest.param("\n" + wide(), "no header.*row 1", id="no header"),
    ],
)
def test_what_is_not_csv_is_refused_by_its_row(content: str, message: str) -> None:
    with pytest.raises(MalformedFeed, match=message):
        parse(content)


def test_the_row_is_the_line_that_an_editor_shows() -> None:
    content = wide().replace(",7\n", ",x\n")
    for ends in (content, content.replace("\n", "\r\n"), content.replace("\n", "\r")):
        with pytest.raises(MalformedFeed, match="row 3, column 1/23/20"):
            parse(ends)


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        pytest.param(b"\0", "a NUL byte.*row 3, column Admin2.*0x00", id="NUL"),
        pytest.param("ñ".encode("latin-1"), "not UTF-8.*row 3, column Admin2.*0xf1", id="Latin-1"),
    ],
)
def test_bytes_that_are_no_text_are_refused_by_row_and_column(bad: bytes, message: str) -> None:
    before, _, after = wide().encode().rpartition(b"Autauga,Alabama")
    with pytest.raises(MalformedFeed, match=message):
        parse(before + b"A" + bad + b",Alabama" + after)


@pytest.mark.parametrize(
    ("content", "where"),
    [
        pytest.param(b"UID,\0iso2\n", "row 1, column number 2", id="in the header"),
        pytest.param(b"UID,iso2\r\n1,\0\r\n", "row 2, column iso2", id="with CRLF"),
        pytest.param(b"a\rb,c\n\0", "row 3, column a", id="in a file with lone carriage returns"),
        pytest.param(b'UID,iso2\n"1,2",\0\n', "row 2, column iso2", id="after a quoted comma"),
        pytest.param(b"UID\n1,2,\0\n", "row 2, column number 3", id="beyond the header"),
    ],
)
def test_a_byte_that_is_no_text_is_placed_in_any_file(content: bytes, where: str) -> None:
    with pytest.raises(MalformedFeed, match=where):
        parse(content)


def test_a_refusal_is_one_line_whatever_the_cell_holds() -> None:
    with pytest.raises(MalformedFeed) as caught:
        parse(wide([('"a\n\x1b[31mb"', 1, 2)]))
    assert "\n" not in str(caught.value)
    assert "\x1b" not in str(caught.value)


@pytest.mark.parametrize(
    ("uid", "code", "fips"),
    [
        pytest.param("84001001", "840", "1001.0", id="county"),
        pytest.param("84001001.0", "840.0", "01001", id="county, other spellings"),
        pytest.param("84080036", "840", "80036", id="out of a state"),
        pytest.param("84070003", "840", "", id="without a code of its own"),
        pytest.param("16", "16", "60.0", id="territory"),
        pytest.param("63072001", "630", "72001", id="part of a territory"),
        pytest.param("84001001", "", "1003", id="without a country"),
        pytest.param("84001001", "US", "1003", id="without a country's code"),
    ],
)
def test_a_uid_that_goes_with_its_row_is_read_without_a_word(uid: str, code: str, fips: str) -> None:
    content = f"{','.join([*LEADING_COLUMNS, *DAYS])}\n{uid},,,{code},{fips},,,,,,,1,2\n"
    assert {one.name for one in parse_cases("cases.csv", content.encode()).anomalies} <= {"float_key"}


@pytest.mark.parametrize(
    ("uid", "code", "fips", "expected"),
    [
        pytest.param("84001003", "840", "1001.0", "84001001", id="another county"),
        pytest.param("16", "840", "1001.0", "84001001", id="territory in a county's row"),
        pytest.param("84001001", "16", "60.0", "1600060", id="county in a territory's row"),
        pytest.param("63000003", "840", "", "84000000 and the county", id="another country's"),
    ],
)
def test_a_uid_that_does_not_go_with_its_row_is_refused(uid: str, code: str, fips: str, expected: str) -> None:
    content = f"{','.join([*LEADING_COLUMNS, *DAYS])}\n{uid},,,{code},{fips},,,,,,,1,2\n"
    with pytest.raises(
        MalformedFeed, match=rf"^key_mismatch - .*row 2, column UID\]: stored {uid}, expected {expected}"
    ):
        parse(content)


@pytest.mark.real_data
@pytest.mark.parametrize("moved", [lambda uids: uids[::-1], lambda uids: [uids[-1], *uids[:-1]]], ids=["back", "down"])
def test_a_real_version_whose_column_of_uids_was_moved_alone_is_refused(real_data: Path, moved) -> None:
    (path,) = (real_data / "jhu").glob("105_*.csv.gz")
    header, *lines = gzip.decompress(path.read_bytes()).decode().splitlines()
    cells = [line.split(",", 1) for line in lines]
    altered = [",".join([uid, rest]) for uid, (_, rest) in zip(moved([one for one, _ in cells]), cells, strict=True)]
    with pytest.raises(MalformedFeed, match="key_mismatch"):
        parse("\n".join([header, *altered, ""]))


@pytest.mark.parametrize("name", ["uid", "Uid", "\ufeffUID"])
def test_a_column_that_is_nearly_a_published_one_is_refused_with_that_one(name: str) -> None:
    with pytest.raises(MalformedFeed, match=r"unknown_column - .*expected UID"):
        parse_cases("cases.csv", wide([(1, 0, 1)]).replace("UID", name, 1).encode("utf-8-sig"))


def test_every_column_that_is_missing_is_named() -> None:
    lines = [line.split(",", 3)[0] + "," + line.split(",", 3)[3] for line in wide([(1, 0, 1)]).splitlines()]
    with pytest.raises(MalformedFeed, match=r"2 columns are missing \[cases.csv, row 1, column iso2\].*iso2, iso3"):
        parse_cases("cases.csv", "\n".join([*lines, ""]).encode())
