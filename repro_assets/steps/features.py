"""Builds `features`: one row per person, with what they said of themselves and the case figures of their county.

Only + - x / are used, on integers as far as they go: their bits do not depend on the machine.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import astuple
from functools import reduce
from typing import TYPE_CHECKING

from repro_assets.errors import BadInput
from repro_assets.steps.case_figures import CaseFigures, figures_by_city
from repro_assets.steps.feature_columns import (
    CASE_COLUMNS,
    CATEGORICAL_COLUMNS,
    FEATURE_SCHEMA,
    MISSING,
    NUMERIC_COLUMNS,
    ORDINALS,
)
from repro_assets.steps.places import Place, load_places
from repro_assets.steps.split import PEOPLE

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame

_NAMED_IN_A_MESSAGE = 5
_SPARK_TYPES = {"int64": "bigint", "double": "double", "string": "string"}


def build_features(parts: Mapping[str, DataFrame], *, places: Sequence[Place] | None = None) -> DataFrame:
    """Join the parts of a snapshot to one table of features.

    A blank in a categorical column is the category `missing`. An ordinal column becomes its rank, 0 where blank,
    beside a column `..._missing` that is 1 there. Case figures are as of the last day in the snapshot's cases.

    Args:
        parts: `train`, `test`, `unlabelled` and `cases`, as `snapshot` gives them.
        places: The county of each city code; by default the committed mapping.

    Returns:
        A frame with the columns of `FEATURE_SCHEMA`, one row per person, in no particular order.

    Raises:
        BadInput: A city without a place, a place without any known count of cases, an ordinal text that nobody
            published before, a number that is missing, or no cases at all.
    """
    from pyspark.sql import functions as f

    places = load_places() if places is None else places
    people = reduce(
        lambda left, right: left.unionByName(right),
        [parts[part].withColumn("part", f.lit(part)) for part in PEOPLE],
    )
    cities = _refuse_unknown(people, {place.city for place in places})
    by_city = figures_by_city(parts["cases"], places)
    _refuse_uncounted(cities, by_city)
    figures = people.sparkSession.createDataFrame(
        [(city, *astuple(found)) for city, found in by_city.items()],
        "city string, " + ", ".join(f"{name} double" for name in CASE_COLUMNS),
    )
    columns = _person_columns()
    return people.join(f.broadcast(figures), "city").select(
        *[
            columns.get(name, f.col(name)).cast(_SPARK_TYPES[type_name]).alias(name)
            for name, type_name in FEATURE_SCHEMA.items()
        ]
    )


def _person_columns() -> dict[str, Column]:
    from pyspark.sql import functions as f

    columns = {name: f.coalesce(_text(name), f.lit(MISSING)) for name in CATEGORICAL_COLUMNS}
    for name, ranks in ORDINALS.items():
        rank_of = f.create_map(*[f.lit(item) for pair in ranks.items() for item in pair])
        columns[name] = f.coalesce(rank_of[_text(name)], f.lit(0))
        columns[f"{name}_missing"] = _text(name).isNull().cast("bigint")
    return columns


def _text(name: str) -> Column:
    """The column with an empty text as null: a blank, whoever wrote the table."""
    from pyspark.sql import functions as f

    return f.nullif(f.col(name), f.lit(""))


def _refuse_unknown(people: DataFrame, mapped: set[str]) -> set[str]:
    """Look at every distinct text once, before a join drops or a rank hides what nobody declared; return the cities."""
    from pyspark.sql import functions as f

    found = people.agg(
        f.collect_set(f.coalesce("city", f.lit(""))).alias("city"),
        *[f.collect_set(_text(name)).alias(name) for name in ORDINALS],
        *[
            f.count_if(f.col(name).isNull() | f.isnan(f.col(name).cast("double"))).alias(name)
            for name in NUMERIC_COLUMNS
        ],
    ).collect()[0]
    unmapped = sorted(set(found["city"]) - mapped)
    if unmapped:
        raise BadInput(
            "cities that no place is assumed for",
            where="job_changes, column city",
            stored=_some(unmapped),
            expected=f"one of {len(mapped)} codes in the city-to-county table",
        )
    for name, ranks in ORDINALS.items():
        unknown = sorted(set(found[name]) - set(ranks))
        if unknown:
            raise BadInput(
                "values that have no rank",
                where=f"job_changes, column {name}",
                stored=_some(unknown),
                expected=list(ranks),
            )
    for name in NUMERIC_COLUMNS:
        if found[name]:
            raise BadInput("a number is missing", where=f"job_changes, column {name}", stored=f"{found[name]} rows")
    return set(found["city"])


def _refuse_uncounted(cities: set[str], by_city: Mapping[str, CaseFigures]) -> None:
    uncounted = sorted(cities - set(by_city))
    if uncounted:
        raise BadInput(
            "cities whose county has no known count of cases",
            where="covid_cases",
            stored=_some(uncounted),
            expected="at least one count per place that people live in",
        )


def _some(values: Sequence[str]) -> str:
    shown = ", ".join(repr(value) for value in values[:_NAMED_IN_A_MESSAGE])
    rest = len(values) - _NAMED_IN_A_MESSAGE
    return f"{shown} and {rest} more" if rest > 0 else shown
