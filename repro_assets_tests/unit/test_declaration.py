"""A declaration of an experiment: any number of tables and estimators, and no contradiction."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from repro_assets.declaration import Estimator, Experiment, RawTable
from repro_assets.errors import BadInput


def table(name: str, *keys: str) -> RawTable:
    return RawTable(name=name, keys=keys, feed="", description="")


CUSTOMERS = table("customers", "customer_id")
OTHERS = tuple(table(f"other_{number}", "customer_id", "day") for number in range(4))
DECLARED = Experiment(
    name="churn",
    question="",
    raw_tables=(CUSTOMERS,),
    split_key="customer_id",
    target="churned",
    estimators=(Estimator("full"), Estimator("blind", blind_to=("orders",))),
    owner="",
    caveat="",
)


@pytest.mark.parametrize("count", [1, 2, 5], ids="{} tables".format)
def test_any_number_of_raw_tables_is_declared_in_their_order(count: int) -> None:
    tables = (*OTHERS[: count - 1], CUSTOMERS)

    declared = dataclasses.replace(DECLARED, raw_tables=tables)

    assert declared.table_names == tuple(one.name for one in tables)
    assert declared.split_table is CUSTOMERS
    assert [declared.table(name) for name in declared.table_names] == list(tables)


def test_an_estimator_says_what_is_hidden_from_it() -> None:
    assert DECLARED.hidden_from("full") == ()
    assert DECLARED.hidden_from("blind") == ("orders",)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        pytest.param({"raw_tables": ()}, "raw tables without a name each", id="no table"),
        pytest.param({"raw_tables": (CUSTOMERS, CUSTOMERS)}, "raw tables without a name each", id="a table twice"),
        pytest.param({"estimators": ()}, "estimators without a name each", id="no estimator"),
        pytest.param({"estimators": (Estimator("a"), Estimator("a"))}, "stored a, a", id="an estimator twice"),
        pytest.param({"split_key": "name"}, "stored name: key of none", id="a split key that is no key"),
        pytest.param(
            {"raw_tables": OTHERS[:1]}, "stored customer_id: key of none", id="a split key that is half a key"
        ),
        pytest.param(
            {"raw_tables": (CUSTOMERS, table("clients", "customer_id"))},
            "stored customer_id: key of customers, clients",
            id="a split key of two tables",
        ),
    ],
)
def test_a_declaration_that_contradicts_itself_is_refused(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(BadInput) as refused:
        dataclasses.replace(DECLARED, **changes)

    assert said in str(refused.value)


def test_a_table_that_is_not_declared_is_refused_with_those_that_are() -> None:
    with pytest.raises(BadInput, match="stored orders, expected customers"):
        DECLARED.table("orders")


def test_an_estimator_that_is_not_declared_is_refused_with_those_that_are() -> None:
    with pytest.raises(BadInput, match="stored none, expected full, blind"):
        DECLARED.hidden_from("none")
