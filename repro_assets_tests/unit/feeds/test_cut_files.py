"""Files that may have been cut, and line ends of every kind."""

from __future__ import annotations

import pytest

from repro_assets.feeds.anomalies import AnomalyRefused, accepted_kinds
from repro_assets_tests.unit.feeds.test_anomalies import CASES, JOBS, parse, values


@pytest.mark.parametrize(("table", "content"), [("covid_cases", CASES.replace("5,5", "57,134")), ("job_changes", JOBS)])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"], ids=["LF", "CRLF", "CR"])
def test_a_file_cut_at_any_byte_is_refused_or_reported(table: str, content: str, end: str) -> None:
    data = content.replace("\n", end).encode()
    whole, read = parse(table, data), []
    for length in range(len(data)):
        try:
            parsed = parse(table, data[:length])
        except AnomalyRefused:
            continue
        names = {found.name for found in parsed.anomalies}
        # Between rows a file can't be told from a shorter one: that is judged against the table (`keys_gone`).
        between_rows = data[:length].endswith((b"\n", b"\r"))
        assert between_rows or "no_last_line_end" in names
        read.append((length, parsed.rows.equals(whole.rows)))
    last_row = [same for length, same in read if length > len(data.rstrip().rpartition(end.encode())[0]) + len(end)]
    # Of what is cut within the last row, only a spelling is read, and the count 13 of 134 is not: it falls.
    assert last_row
    assert all(last_row)


def test_a_count_that_may_be_cut_is_read_where_that_is_accepted() -> None:
    parsed = parse("covid_cases", CASES.removesuffix("5\n"), accepted_kinds(["cut_count"]))
    assert values(parsed, "confirmed") == [1, 2, 3, 0, 5, None]
    assert [found.name for found in parsed.anomalies] == ["no_last_line_end", "blank_count", "cut_count"]


def test_a_last_count_below_the_day_before_is_read_where_the_line_ends() -> None:
    assert values(parse("covid_cases", CASES.replace(",5,5", ",5,4")), "confirmed")[-1] == 4


@pytest.mark.parametrize("end", ["\r\n", "\r"], ids=["CRLF", "CR"])
def test_line_ends_of_another_kind_give_the_same_rows(end: str) -> None:
    for table, content in (("covid_cases", CASES), ("job_changes", JOBS)):
        parsed = parse(table, content.replace("\n", end))
        assert parsed.rows.equals(parse(table, content).rows)
        assert [(found.name, found.count) for found in parsed.anomalies] == [("crlf" if "\n" in end else "cr", 3)]
