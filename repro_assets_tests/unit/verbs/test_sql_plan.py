"""What may be asked by `repro sql`, which views it needs, and how an answer is written."""

from __future__ import annotations

import datetime
import json
from decimal import Decimal

import pytest

from repro_assets.errors import BadInput
from repro_assets.pins.output import Output, Part
from repro_assets.resources.outputs.lake_views import view_names
from repro_assets.verbs import sql_printing
from repro_assets.verbs.sql import Answer, plan


@pytest.mark.parametrize(
    "query",
    [
        "SELECT 1",
        "select * from predictions;",
        "  WITH x AS (SELECT 1) SELECT * FROM x",
        "SHOW VIEWS",
        "DESCRIBE features",
        "desc features",
        "-- a note\nSELECT ';' AS semicolon",
        "/* DROP */ SELECT 'DELETE' AS word",
        "WITH x AS (SELECT `delete` FROM t) SELECT 'insert' FROM x",
    ],
)
def test_a_query_that_only_reads_is_accepted(query) -> None:
    assert plan(query, 10).limit == 10


@pytest.mark.parametrize(
    "query",
    [
        "",
        "-- nothing",
        "DROP TABLE covid_cases",
        "INSERT INTO t VALUES (1)",
        "SET spark.x=1",
        "WITH x AS (SELECT 1) INSERT INTO t SELECT * FROM x",
        "/* SELECT */ DELETE FROM t",
        "EXPLAIN SELECT 1",
        "(SELECT 1)",
    ],
)
def test_whatever_else_is_refused(query) -> None:
    with pytest.raises(BadInput, match="only reads"):
        plan(query, 10)


def test_several_statements_are_refused() -> None:
    with pytest.raises(BadInput, match="several statements"):
        plan("SELECT 1; DROP TABLE t", 10)


def test_a_limit_below_zero_is_refused_and_zero_means_all() -> None:
    assert plan("SELECT 1", 0).limit is None
    with pytest.raises(BadInput, match="limit"):
        plan("SELECT 1", -1)


def test_the_views_that_a_query_may_need_are_the_words_outside_of_strings() -> None:
    words = plan("SELECT 'train' FROM Predictions JOIN `features` -- test", 0).words

    assert {"predictions", "features"} <= words
    assert not {"train", "test"} & words


def output(asset: str, *parts: str, kind: str = "table") -> Output:
    held = tuple(Part(name, kind, "d", 1, ()) for name in parts)
    return Output(asset, "v", "i", "d", held, {}, {}, "m", "p", "r", "s")


def test_a_view_has_the_name_of_its_part_unless_two_would_share_it() -> None:
    outputs = [
        output("snapshot", "train", "rows"),
        output("features", "features", "rows"),
        output("model", "full", kind="model"),
        output("other", "covid_cases"),
    ]

    assert view_names(outputs, ["covid_cases"]) == {
        ("snapshot", "train"): "train",
        ("snapshot", "rows"): "snapshot_rows",
        ("features", "features"): "features",
        ("features", "rows"): "features_rows",
        ("other", "covid_cases"): "other_covid_cases",
    }


ANSWER = Answer(
    (("name", "string"), ("name", "double"), ("day", "date32[day]")),
    (("a,b", float("nan"), datetime.date(2020, 6, 11)), (None, Decimal("1.50"), None)),
    truncated=False,
)


def test_the_json_document_keeps_columns_of_one_name_apart_and_is_valid_json(capsys) -> None:
    sql_printing.as_json(ANSWER)

    written = json.loads(capsys.readouterr().out, parse_constant=pytest.fail)
    assert [column["name"] for column in written["columns"]] == ["name", "name", "day"]
    assert written["rows"] == [["a,b", "nan", "2020-06-11"], [None, "1.50", None]]
    assert written["schema"] == "repro-sql/1"


def test_csv_has_a_header_quotes_what_needs_it_and_leaves_null_empty(capsys) -> None:
    sql_printing.as_csv(ANSWER)

    assert capsys.readouterr().out.splitlines() == ["name,name,day", '"a,b",nan,2020-06-11', ",1.50,"]


def test_the_table_shows_every_value_whole_and_no_markup_is_read(capsys) -> None:
    sql_printing.as_table(Answer((("[red]x", "string"),), (("[bold]" + "y" * 300,), (None,)), truncated=False))

    out = capsys.readouterr().out
    assert "[red]x" in out
    assert "[bold]" + "y" * 300 in out
    assert out.splitlines()[-1].strip() == "-"
