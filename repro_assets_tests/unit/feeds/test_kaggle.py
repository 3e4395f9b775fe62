"""Kaggle's job-change files: what is read, and what is refused with row and column."""

from __future__ import annotations

import pytest

from repro_assets.errors import MalformedFeed
from repro_assets.feeds.anomalies import AnomalyKind, AnomalyRefused
from repro_assets.feeds.kaggle import COLUMNS, parse_jobs
from repro_assets.feeds.kaggle_columns import KNOWN_VALUES, RANKED
from repro_assets.feeds.publication import Anomaly
from repro_assets.steps.feature_columns import ORDINALS

PERSON = {
    "enrollee_id": "8949",
    "city": "city_103",
    "city_development_index": "0.92",
    "gender": "Male",
    "relevent_experience": "Has relevent experience",
    "enrolled_university": "no_enrollment",
    "education_level": "Graduate",
    "major_discipline": "STEM",
    "experience": ">20",
    "company_size": "10/49",
    "company_type": "",
    "last_new_job": "1",
    "training_hours": "36",
    "target": "1.0",
}


def labelled(*changes: dict[str, str]) -> bytes:
    rows = [",".join({**PERSON, **change}.values()) for change in changes or ({},)]
    return "\n".join([",".join(PERSON), *rows, ""]).encode()


def unlabelled() -> bytes:
    return "\n".join([",".join(COLUMNS), ",".join(PERSON[column] for column in COLUMNS), ""]).encode()


def test_a_labelled_row_is_read_as_published() -> None:
    assert parse_jobs("aug_train.csv", labelled()).rows.to_pylist() == [
        {
            **PERSON,
            "enrollee_id": 8949,
            "city_development_index": 0.92,
            "company_type": None,
            "training_hours": 36,
            "target": 1,
            "labelled": True,
        }
    ]


def test_an_unlabelled_row_has_no_target() -> None:
    row = parse_jobs("aug_test.csv", unlabelled()).rows.to_pylist()[0]
    assert (row["target"], row["labelled"]) == (None, False)


def test_both_files_have_the_same_columns_and_types() -> None:
    assert parse_jobs("a", labelled()).rows.schema == parse_jobs("b", unlabelled()).rows.schema


def test_the_part_is_known_by_the_target_column() -> None:
    assert (parse_jobs("a", labelled()).part, parse_jobs("b", unlabelled()).part) == ("labelled", "unlabelled")


def test_every_row_knows_its_line() -> None:
    assert parse_jobs("a", labelled({}, {"enrollee_id": "1"})).lines == (2, 3)


@pytest.mark.parametrize(("text", "value"), [("0.0", 0), ("1.0", 1), ("0", 0), ("1", 1)])
def test_a_label_is_zero_or_one(text: str, value: int) -> None:
    assert parse_jobs("a", labelled({"target": text})).rows["target"].to_pylist() == [value]


def test_the_index_keeps_every_bit() -> None:
    rows = parse_jobs("a", labelled({"city_development_index": "0.8270000000000001"})).rows
    assert rows["city_development_index"].to_pylist() == [0.8270000000000001]


def test_what_has_a_rank_is_what_features_rank() -> None:
    assert {name: KNOWN_VALUES[name] for name in RANKED} == {name: set(ranks) for name, ranks in ORDINALS.items()}


@pytest.mark.parametrize("column", KNOWN_VALUES)
def test_every_published_value_is_read_without_a_word(column: str) -> None:
    people = [{"enrollee_id": str(number), column: value} for number, value in enumerate(sorted(KNOWN_VALUES[column]))]
    parsed = parse_jobs("a", labelled(*people))
    assert (parsed.rows[column].to_pylist(), parsed.anomalies) == (sorted(KNOWN_VALUES[column]), ())


@pytest.mark.parametrize(
    ("column", "value"),
    [
        pytest.param("experience", "20.5", id="experience as a fraction"),
        pytest.param("experience", "21.0", id="experience beyond the largest number"),
        pytest.param("company_size", "10.0", id="a number that no size is"),
        pytest.param("company_size", "18172", id="the number of a date"),
        pytest.param("company_size", "Okt 49", id="a date in German"),
        pytest.param("education_level", "graduate", id="another case"),
        pytest.param("last_new_job", "NULL", id="missing, spelt out"),
        pytest.param("city", "City_103", id="a city of another case"),
        pytest.param("city", "103", id="a city's number"),
    ],
)
def test_what_the_chain_could_not_use_is_refused_and_read_where_it_is_accepted(column: str, value: str) -> None:
    content = labelled({}, {"enrollee_id": "2", column: value})
    with pytest.raises(MalformedFeed, match=rf"unranked_value - .*\[aug_train.csv, row 3, column {column}\].*{value}"):
        parse_jobs("aug_train.csv", content)

    found = parse_jobs("aug_train.csv", content, frozenset({AnomalyKind.UNRANKED_VALUE}))
    assert (found.rows[column].to_pylist()[1], found.anomalies[0].accepted) == (value, True)


@pytest.mark.parametrize(
    ("value", "meant"),
    [("male", "Male"), ("MALE", "Male"), ("nan", "nothing"), ("NULL", "nothing"), ("N/A", "nothing"), ("?", "nothing")],
)
def test_another_spelling_of_a_category_or_of_a_missing_one_is_refused_and_read_where_accepted(
    value: str, meant: str
) -> None:
    content = labelled({}, {"enrollee_id": "2", "gender": value})
    with pytest.raises(AnomalyRefused, match=rf"misspelt_value - .*row 3, column gender\]: .*expected {meant}"):
        parse_jobs("aug_train.csv", content)

    found = parse_jobs("aug_train.csv", content, frozenset({AnomalyKind.MISSPELT_VALUE}))
    assert (found.rows["gender"].to_pylist()[1], found.anomalies[0].accepted) == (value, True)


@pytest.mark.parametrize(
    ("name", "has_target", "is_read"),
    [
        pytest.param("aug_train.csv", True, True, id="train with target"),
        pytest.param("aug_train.csv", False, False, id="train that lost its target"),
        pytest.param("data/test/train.csv.gz@0123abcd", False, False, id="train in a folder of another name"),
        pytest.param("Aug-Test-2.csv", False, True, id="test without target"),
        pytest.param("Aug-Test-2.csv", True, False, id="test with a target"),
        pytest.param("train_and_test.csv", False, True, id="both"),
        pytest.param("latest_trainees.csv", False, True, id="neither"),
    ],
)
def test_a_file_is_of_the_part_that_its_name_says_unless_accepted(name: str, has_target: bool, is_read: bool) -> None:
    content = labelled() if has_target else unlabelled()
    if not is_read:
        with pytest.raises(AnomalyRefused, match=r"^other_part - .*row 1, column target\]"):
            parse_jobs(name, content)
    parsed = parse_jobs(name, content, frozenset({AnomalyKind.OTHER_PART}))
    assert parsed.part == ("labelled" if has_target else "unlabelled")
    assert [one.accepted for one in parsed.anomalies] == ([] if is_read else [True])


@pytest.mark.parametrize("name", ["Target", "TARGET", "targte"])
def test_a_label_column_that_is_nearly_named_so_is_refused_with_that_name(name: str) -> None:
    with pytest.raises(AnomalyRefused, match=rf"unknown_column - .*column {name}\]: .*expected target"):
        parse_jobs("a", labelled().replace(b"target", name.encode(), 1))


@pytest.mark.parametrize("value", ["Malee", "M\ufffdle"])
def test_a_category_that_was_never_published_is_read_and_reported(value: str) -> None:
    parsed = parse_jobs("a", labelled({}, {"enrollee_id": "2", "gender": value}))
    (found,) = parsed.anomalies
    assert (parsed.rows["gender"].to_pylist()[1], found.name, found.row, found.column) == (
        value,
        "unknown_value",
        3,
        "gender",
    )


@pytest.mark.parametrize("value", ["Nov-49", "1-Apr", "Apr-01", "01/10/1949", "1949-10-01 00:00:00", "#NAME?", "####"])
def test_a_value_spoilt_by_a_spreadsheet_is_refused(value: str) -> None:
    with pytest.raises(MalformedFeed, match=rf"spreadsheet.*\[aug_train.csv, row 3, column company_size\].*{value}"):
        parse_jobs("aug_train.csv", labelled({}, {"enrollee_id": "2", "company_size": value}))


@pytest.mark.parametrize(
    ("column", "value"),
    [
        pytest.param("enrollee_id", "", id="blank key"),
        pytest.param("enrollee_id", "x1", id="key of letters"),
        pytest.param("city", "", id="blank city"),
        pytest.param("city_development_index", "", id="blank index"),
        pytest.param("city_development_index", "nan", id="index that is no number"),
        pytest.param("city_development_index", "1e999", id="endless index"),
        pytest.param("city_development_index", "1e-999", id="index too small for a float"),
        pytest.param("city_development_index", "-0.1", id="negative index"),
        pytest.param("city_development_index", "inf", id="infinite index"),
        pytest.param("city_development_index", "1.0000001", id="index over 1"),
        pytest.param("city_development_index", "0,92", id="decimal comma makes a cell too many"),
        pytest.param("training_hours", "", id="blank hours"),
        pytest.param("training_hours", "1.5", id="fractional hours"),
        pytest.param("training_hours", "-1", id="negative hours"),
        pytest.param("training_hours", "8761", id="more hours than a year has"),
        pytest.param("city", "   ", id="city of blanks"),
        pytest.param("city", "city\x1b[31m", id="city with an escape sequence"),
        pytest.param("gender", "Male\t", id="text with a tab"),
        pytest.param("major_discipline", "ST\u202eEM", id="text that runs backwards"),
        pytest.param("company_type", "Pvt\u00a0Ltd", id="text with a blank that is none"),
        pytest.param("target", "", id="blank label"),
        pytest.param("target", "2.0", id="another label"),
        pytest.param("target", "-0.0", id="negative label"),
        pytest.param("target", "nan", id="label that is no number"),
    ],
)
def test_a_value_of_another_type_is_refused_by_row_and_column(column: str, value: str) -> None:
    where = "column number 15" if "," in value else f"column {column}"
    with pytest.raises(MalformedFeed, match=rf"\[aug_train.csv, row 2, {where}\]"):
        parse_jobs("aug_train.csv", labelled({column: value}))


@pytest.mark.parametrize(
    ("column", "text", "value"),
    [
        pytest.param("experience", "15.0", "15", id="experience as a float"),
        pytest.param("experience", "01", "1", id="experience with a zero before it"),
        pytest.param("last_new_job", " 4.0", "4", id="last new job as a float"),
        pytest.param("city_development_index", ".92", 0.92, id="an index without its zero"),
    ],
)
def test_a_number_in_another_spelling_is_that_number_and_reported(column: str, text: str, value: object) -> None:
    parsed = parse_jobs("a", labelled({column: text}))
    assert parsed.rows[column].to_pylist() == [value]
    assert Anomaly("number_spelling", 1, 2, column) in parsed.anomalies


@pytest.mark.parametrize("text", ["0", "0.0", "1", "1.000", "9.2e-1"])
def test_an_index_is_from_0_to_1(text: str) -> None:
    rows = parse_jobs("a", labelled({"city_development_index": text})).rows
    assert rows["city_development_index"].to_pylist() == [float(text)]


@pytest.mark.parametrize(
    ("column", "text", "value"),
    [
        pytest.param("gender", " Male  ", "Male", id="around a text"),
        pytest.param("gender", "   ", None, id="and nothing else"),
        pytest.param("company_size", " Oct-49", "10/49", id="around what a spreadsheet took for a date"),
        pytest.param("city", " city_103", "city_103", id="around a city"),
    ],
)
def test_blanks_around_a_text_are_no_other_text_and_reported(column: str, text: str, value: str | None) -> None:
    parsed = parse_jobs("a", labelled({column: text}))
    assert parsed.rows[column].to_pylist() == [value]
    assert Anomaly("padded_text", 1, 2, column) in parsed.anomalies


def test_a_line_break_in_a_text_is_refused_whatever_is_accepted() -> None:
    with pytest.raises(AnomalyRefused, match=r"unclosed_quote - .*row 2, column gender\]"):
        parse_jobs("aug_train.csv", labelled({"gender": '"Ma\nle"'}), frozenset(AnomalyKind))


def test_a_person_twice_is_refused_with_both_rows() -> None:
    with pytest.raises(MalformedFeed, match=r"row 3, column enrollee_id.*8949.*row 2"):
        parse_jobs("aug_train.csv", labelled({}, {}))


@pytest.mark.parametrize("column", ["enrollee_id", "company_size", "training_hours"])
def test_a_missing_column_is_refused_by_its_name(column: str) -> None:
    content = labelled().replace(f"{column},".encode(), b"", 1)
    with pytest.raises(MalformedFeed, match=f"missing.*row 1, column {column}"):
        parse_jobs("aug_train.csv", content)


def test_an_unknown_column_is_refused_by_its_name() -> None:
    content = labelled().replace(b"gender", b"sex", 1)
    with pytest.raises(MalformedFeed, match=r"unknown column.*row 1, column sex"):
        parse_jobs("aug_train.csv", content)


@pytest.mark.parametrize("text", ["Oct-49", "oct-49"])
def test_the_one_size_that_a_spreadsheet_takes_for_a_date_is_read_as_published(text: str) -> None:
    parsed = parse_jobs("aug_train.csv", labelled({}, {"enrollee_id": "2", "company_size": text}))
    assert parsed.rows["company_size"].to_pylist() == ["10/49", "10/49"]
    assert parsed.anomalies == (Anomaly("excel_date", 1, 3, "company_size"),)


def test_the_same_text_in_another_column_is_spoilt() -> None:
    with pytest.raises(AnomalyRefused, match=r"spoilt_value.*column experience"):
        parse_jobs("aug_train.csv", labelled({"experience": "Oct-49"}))


def exchanged(first: str, second: str, people: int = 12) -> bytes:
    """A file whose headers of two columns are exchanged, their cells not."""
    rows = labelled(*({"enrollee_id": str(number), "gender": "Male"} for number in range(people))).decode()
    header, rest = rows.split("\n", 1)
    names = [{first: second, second: first}.get(name, name) for name in header.split(",")]
    return f"{','.join(names)}\n{rest}".encode()


@pytest.mark.parametrize(
    ("first", "second"),
    [("gender", "city"), ("gender", "education_level"), ("experience", "company_size"), ("company_size", "city")],
)
def test_exchanged_headers_are_seen_by_values_of_the_other_column(first: str, second: str) -> None:
    with pytest.raises(AnomalyRefused, match=rf"swapped_columns - 12 of 12.*row 2, column ({first}|{second})"):
        parse_jobs("aug_train.csv", exchanged(first, second))


def test_a_few_values_of_another_column_prove_nothing() -> None:
    content = exchanged("gender", "education_level", people=9)
    anomalies = parse_jobs("aug_train.csv", content, frozenset({AnomalyKind.UNRANKED_VALUE})).anomalies
    assert {found.name for found in anomalies} == {"column_order", "unranked_value", "unknown_value"}


def test_columns_in_another_order_are_found_by_name_and_reported() -> None:
    lines = [line.split(",") for line in labelled().decode().splitlines()]
    moved = "\n".join(",".join([*cells[1:], cells[0]]) for cells in lines)
    parsed = parse_jobs("aug_train.csv", f"{moved}\n".encode())
    assert parsed.rows.equals(parse_jobs("a", labelled()).rows)
    assert parsed.anomalies == (Anomaly("column_order", 1, 1, "city"),)
