"""Keys of data versions: what is written can be read back, and nothing else can."""

from __future__ import annotations

import re

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from repro_assets.errors import BadInput
from repro_assets.pins.data_version import decode, encode

TABLES = ("covid_cases", "job_changes")
KEY = "covid_cases-v000012--job_changes-v000001"
FIVE = ("a", "b_c", "d1", "e_2", "f_")

NAMES = st.from_regex(r"[a-z]([a-z0-9]|_(?!_)){0,11}", fullmatch=True)
VERSIONS = st.integers(0, 10**18 - 1)


def test_a_key_names_every_table_with_its_padded_version() -> None:
    assert encode({"job_changes": 1, "covid_cases": 12}, TABLES) == KEY


def test_a_key_is_taken_apart_in_the_order_of_the_tables() -> None:
    assert list(decode(KEY, TABLES).items()) == [("covid_cases", 12), ("job_changes", 1)]


@given(st.dictionaries(NAMES, VERSIONS, min_size=1, max_size=5))
@example({"a": 0})
@example(dict.fromkeys(FIVE, 10**18 - 1))
def test_decode_is_the_inverse_of_encode(versions) -> None:
    tables = list(versions)

    assert decode(encode(versions, tables), tables) == versions


@given(st.dictionaries(NAMES, VERSIONS, min_size=1, max_size=5))
def test_a_key_needs_no_quoting_anywhere(versions) -> None:
    assert re.fullmatch(r"[a-z0-9_-]{1,200}", encode(versions, list(versions)))


@given(
    st.dictionaries(NAMES, VERSIONS, min_size=2, max_size=4), st.dictionaries(NAMES, VERSIONS, min_size=2, max_size=4)
)
def test_two_data_versions_never_share_a_key(left, right) -> None:
    assume(list(left.items()) != list(right.items()))

    assert encode(left, list(left)) != encode(right, list(right))


@given(st.text(max_size=60) | st.from_regex(r"covid_cases-v[0-9]+--job_changes-v[0-9]+\n?", fullmatch=True))
def test_whatever_decode_accepts_is_what_encode_writes(key) -> None:
    try:
        versions = decode(key, TABLES)
    except BadInput:
        return
    assert encode(versions, TABLES) == key


@pytest.mark.parametrize("tables", [("covid_cases",), TABLES, FIVE], ids=["one table", "two tables", "five tables"])
def test_any_number_of_tables_makes_a_key(tables) -> None:
    versions = {table: number for number, table in enumerate(tables)}

    assert decode(encode(versions, tables), tables) == versions


HOSTILE = {
    "nothing": "",
    "white space": " ",
    "a path upwards": "../" + KEY,
    "a path inside": "covid_cases-v000012--../job_changes-v000001",
    "an absolute path": "/etc/passwd",
    "a quote": KEY + "'",
    "a double quote": f'"{KEY}"',
    "a newline at the end": KEY + "\n",
    "a newline inside": KEY.replace("--", "--\n"),
    "a zero byte": KEY + "\0",
    "an emoji": KEY + "\N{PILE OF POO}",
    "300 characters": "a" * 300,
    "300 digits": "covid_cases-v" + "1" * 300 + "--job_changes-v000001",
    "Arabic digits": KEY.translate({ord("0") + digit: 0x0660 + digit for digit in range(10)}),
    "full-width digits": KEY.translate({ord("0") + digit: 0xFF10 + digit for digit in range(10)}),
    "capital letters": KEY.upper(),
    "a Kelvin sign": KEY.replace("c", "\N{KELVIN SIGN}", 1),
    "a number without padding": "covid_cases-v12--job_changes-v1",
    "a number padded too far": "covid_cases-v0000012--job_changes-v000001",
    "a number of 19 digits": "covid_cases-v1000000000000000000--job_changes-v000001",
    "a negative number": "covid_cases-v-00012--job_changes-v000001",
    "an underscore in the number": "covid_cases-v000_012--job_changes-v000001",
    "a missing table": "covid_cases-v000012",
    "an extra table": KEY + "--other-v000001",
    "reordered tables": "job_changes-v000001--covid_cases-v000012",
    "a table twice": "covid_cases-v000012--covid_cases-v000012",
    "a table three times": KEY + "--covid_cases-v000012",
    "another table": "covid_cases-v000012--job_change-v000001",
    "garbage at the end": KEY + "--garbage",
    "a separator at the end": KEY + "--",
    "a separator too long": KEY.replace("--", "---"),
    "a separator too short": KEY.replace("--", "-"),
    "a space before": " " + KEY,
    "SQL": KEY + "'; DROP TABLE raw; --",
    "a URL": "s3://bucket/" + KEY,
}


@pytest.mark.parametrize("key", HOSTILE.values(), ids=list(HOSTILE))
def test_what_is_no_key_is_refused_in_one_line(key) -> None:
    with pytest.raises(BadInput, match="not a data version key") as refused:
        decode(key, TABLES)

    assert len(str(refused.value).splitlines()) == 1


@pytest.mark.parametrize("key", [None, 12, b"covid_cases-v000012", ["covid_cases-v000012"]], ids=repr)
def test_what_is_no_text_is_no_key(key) -> None:
    with pytest.raises(BadInput, match="not a data version key"):
        decode(key, TABLES)


def test_a_refusal_shows_how_a_key_looks_and_where_they_are_listed() -> None:
    with pytest.raises(BadInput, match=r"expected covid_cases-v000000--job_changes-v000000.*repro versions"):
        decode("nonsense", TABLES)


def test_a_long_key_is_not_repeated_whole() -> None:
    with pytest.raises(BadInput) as refused:
        decode("x" * 100_000, TABLES)

    assert len(str(refused.value)) < 400


@pytest.mark.parametrize(
    "versions",
    [
        pytest.param({"covid_cases": 1}, id="a missing table"),
        pytest.param({"covid_cases": 1, "job_changes": 1, "other": 1}, id="an extra table"),
        pytest.param({}, id="no table"),
    ],
)
def test_encode_wants_exactly_the_tables(versions) -> None:
    with pytest.raises(BadInput, match="names every raw table once"):
        encode(versions, TABLES)


@pytest.mark.parametrize("version", [-1, 10**18, 1.0, True, None, "1"], ids=repr)
def test_encode_refuses_what_is_no_version(version) -> None:
    with pytest.raises(BadInput, match=r"not a table version.*covid_cases"):
        encode({"covid_cases": version, "job_changes": 1}, TABLES)


@pytest.mark.parametrize("table", ["", "A", "1a", "a-b", "a__b", "_a", "a b", "ä", "a/b", "a\n"], ids=repr)
def test_encode_refuses_a_table_that_can_t_stand_in_a_key(table) -> None:
    with pytest.raises(BadInput, match="name that can't stand in a key"):
        encode({table: 1}, [table])


def test_encode_refuses_a_key_that_is_too_long() -> None:
    tables = [f"table_{'x' * 50}{number}" for number in range(5)]

    with pytest.raises(BadInput, match="too long"):
        encode(dict.fromkeys(tables, 0), tables)
