"""Whatever a file holds: it is read as another reader reads it, or refused in one line; nothing else happens."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Mapping

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from repro_assets.errors import ReproError
from repro_assets.feeds.anomalies import AnomalyKind, AnomalyRefused, Fate
from repro_assets.feeds.jhu import LEADING_COLUMNS
from repro_assets.feeds.kaggle import COLUMNS, TARGET
from repro_assets.feeds.parsed_feed import ParsedFeed
from repro_assets.feeds.publication import Publication, from_user_metadata, to_user_metadata
from repro_assets.feeds.published_file import open_published
from repro_assets.feeds.registry import FEEDS
from repro_assets_tests.fuzzing import ANY_TEXT, EXAMPLES, JSON, refused_in_one_line
from repro_assets_tests.unit.feeds.damaged_files import (
    ACCEPTED,
    Grid,
    case_files,
    changed_bytes,
    changed_grids,
    job_files,
    packed,
    written,
)

GRIDS = {"covid_cases": case_files(), "job_changes": job_files()}
FATES = {kind.id: kind.value.fate for kind in AnomalyKind}


def take(table: str, data: bytes, accept: frozenset[AnomalyKind]) -> ParsedFeed | None:
    """The file read, or None where it is refused; what is said about it holds either way."""
    refusals: list[ReproError] = []
    parsed = None
    with refused_in_one_line(refusals):
        file = open_published("file.csv", data, None)
        parsed = FEEDS[table].parse("file.csv", file.content, accept)
    if parsed is None:
        (error,) = refusals
        assert isinstance(error, AnomalyRefused)
        assert error.anomalies[-1].name == error.kind.id
        assert error.kind.value.fate is not Fate.READ
        assert error.kind not in accept
        anomalies = error.anomalies[:-1]
    else:
        anomalies = parsed.anomalies
        assert parsed.rows.group_by(list(FEEDS[table].keys)).aggregate([]).num_rows == parsed.rows.num_rows > 0
    for anomaly in anomalies:
        assert FATES[anomaly.name] is (Fate.ACCEPTABLE if anomaly.accepted else Fate.READ)
        assert not anomaly.accepted or anomaly.name in {kind.id for kind in accept}
    publication = Publication("file.csv", "", "", anomalies=anomalies)
    assert from_user_metadata(to_user_metadata([publication])) == (publication,)
    return parsed


@pytest.mark.parametrize("examples", EXAMPLES)
@pytest.mark.parametrize("table", FEEDS)
def test_any_bytes_are_read_or_refused_in_one_line(table: str, examples: int) -> None:
    @settings(max_examples=100 * examples)
    @given(data=packed(st.binary(max_size=200)), accept=ACCEPTED)
    def check(data: bytes, accept: frozenset[AnomalyKind]) -> None:
        take(table, data, accept)

    check()


@pytest.mark.parametrize("examples", EXAMPLES)
@pytest.mark.parametrize("table", FEEDS)
def test_a_damaged_file_is_read_or_refused_in_one_line(table: str, examples: int) -> None:
    grids = GRIDS[table] | changed_grids(GRIDS[table])

    @settings(max_examples=150 * examples)
    @given(data=packed(changed_bytes(grids)), accept=ACCEPTED)
    def check(data: bytes, accept: frozenset[AnomalyKind]) -> None:
        take(table, data, accept)

    check()


def number(text: str) -> int | None:
    return int(float(text)) if text.strip() else None


def rows_of(table: str, content: bytes) -> list[Mapping[str, str]]:
    """Read by column name alone; of two columns of one name the last counts, and one without a name does not."""
    header, *rows = csv.reader(io.StringIO(content.decode("utf-8-sig"), newline=""))
    named = [
        {name.strip(): cell for name, cell in zip(header, row, strict=False) if name.strip()}
        for row in rows
        if any(cell.strip() for cell in row)
    ]
    return [row for row in named if row]


def cases_as_another_reader_reads_them(content: bytes) -> set[tuple[int, str, int | None]]:
    found = set()
    for row in rows_of("covid_cases", content):
        for name, cell in row.items():
            if name not in LEADING_COLUMNS:
                month, day, year = map(int, name.split("/"))
                found.add((int(float(row["UID"])), f"20{year % 100:02d}-{month:02d}-{day:02d}", number(cell)))
    return found


def text(column: str, cell: str) -> str:
    is_number = column in ("experience", "last_new_job") and re.fullmatch(r"\d+(\.0+)?", cell)
    return str(int(float(cell))) if is_number else cell.replace("Oct-49", "10/49")


def people_as_another_reader_reads_them(content: bytes) -> set[tuple[object, ...]]:
    return {
        (
            int(float(row["enrollee_id"])),
            *(text(name, row[name].strip()) or None for name in COLUMNS if name not in NUMBERS),
            float(row["city_development_index"]),
            number(row["training_hours"]),
            number(row.get("target", "")),
        )
        for row in rows_of("job_changes", content)
    }


NUMBERS = ("enrollee_id", "city_development_index", "training_hours")


def cases(parsed: ParsedFeed) -> set[tuple[object, ...]]:
    return {(row["uid"], row["date"].isoformat(), row["confirmed"]) for row in parsed.rows.to_pylist()}


def people(parsed: ParsedFeed) -> set[tuple[object, ...]]:
    texts = [name for name in COLUMNS if name not in NUMBERS]
    return {
        (row["enrollee_id"], *(row[name] for name in texts), *(row[name] for name in (*NUMBERS[1:], TARGET)))
        for row in parsed.rows.to_pylist()
    }


READERS = {
    "covid_cases": (cases, cases_as_another_reader_reads_them),
    "job_changes": (people, people_as_another_reader_reads_them),
}


@pytest.mark.parametrize("examples", EXAMPLES)
@pytest.mark.parametrize("table", FEEDS)
def test_what_is_read_without_being_accepted_is_what_another_reader_reads(table: str, examples: int) -> None:
    ours, another = READERS[table]

    @settings(max_examples=200 * examples)
    @given(grid=changed_grids(GRIDS[table]), end=st.sampled_from(["\n", "\r\n"]))
    def check(grid: Grid, end: str) -> None:
        content = written(grid, end)
        parsed = take(table, content, frozenset())
        if parsed is not None:
            assert ours(parsed) == another(content)

    check()


@pytest.mark.parametrize("examples", EXAMPLES)
@pytest.mark.parametrize("table", FEEDS)
def test_a_valid_file_is_read_without_an_anomaly(table: str, examples: int) -> None:
    ours, another = READERS[table]

    @settings(max_examples=50 * examples)
    @given(grid=GRIDS[table])
    def check(grid: Grid) -> None:
        parsed = take(table, written(grid), frozenset())
        assert parsed is not None
        assert parsed.anomalies == ()
        assert ours(parsed) == another(written(grid))

    check()


@pytest.mark.parametrize("examples", EXAMPLES)
def test_whatever_a_commit_says_names_publications_or_none(examples: int) -> None:
    fields = st.fixed_dictionaries(
        {"source": st.just("a"), "sha256": st.just("1"), "content_sha256": ANY_TEXT | JSON},
        optional={"published": ANY_TEXT | JSON, "part": JSON, "anomalies": JSON | st.lists(JSON, max_size=2)},
    )
    documents = st.fixed_dictionaries(
        {"schema": st.just("repro-publications/1"), "publications": JSON | st.lists(fields | JSON, max_size=2)}
    )

    @settings(max_examples=100 * examples)
    @given(documents)
    def check(document: object) -> None:
        import json

        found = from_user_metadata(json.dumps(document))
        assert from_user_metadata(to_user_metadata(found)) == found

    check()
