"""Case figures of a place as of the last day of a snapshot: whole counts from Spark, one division each at the end."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING

from repro_assets.errors import BadInput
from repro_assets.steps.places import Place

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

PER_PEOPLE = 100_000
# Cumulative counts of these days, counted back from the last one, give every figure.
DAYS_BACK = (0, 7, 14, 28)


@dataclass(frozen=True)
class CaseFigures:
    """Cases of one place on one day, all uids together.

    Attributes:
        cases_per_100k: Cumulative cases per 100,000 people.
        new_cases_7d_per_100k: Mean of the last 7 days' new cases per 100,000 people.
        new_cases_14d_per_100k: The same over 14 days.
        growth_14d: (new cases of the last 14 days + 1) / (new cases of the 14 days before + 1).
    """

    cases_per_100k: float
    new_cases_7d_per_100k: float
    new_cases_14d_per_100k: float
    growth_14d: float


def figures(cumulative: Mapping[int, int], population: int) -> CaseFigures:
    """Figures of one place.

    Args:
        cumulative: Cumulative cases by days before the last day: 0, 7, 14 and 28.
        population: People of the place, above 0.

    Returns:
        Figures, each from whole numbers by one division. New cases are never below 0, although published
        cumulative counts sometimes fall when past days are corrected.
    """
    last_7 = max(cumulative[0] - cumulative[7], 0)
    last_14 = max(cumulative[0] - cumulative[14], 0)
    before_14 = max(cumulative[14] - cumulative[28], 0)
    return CaseFigures(
        cases_per_100k=cumulative[0] * PER_PEOPLE / population,
        new_cases_7d_per_100k=last_7 * PER_PEOPLE / (7 * population),
        new_cases_14d_per_100k=last_14 * PER_PEOPLE / (14 * population),
        growth_14d=(last_14 + 1) / (before_14 + 1),
    )


def last_day(cases: DataFrame) -> date:
    """The last day in the snapshot's cases.

    Raises:
        BadInput: There are none.
    """
    from pyspark.sql import functions as f

    day = cases.agg(f.max("date")).collect()[0][0]
    if day is None:
        raise BadInput("no cases of any mapped county", where="covid_cases", expected="at least one row")
    return day


def figures_by_city(cases: DataFrame, places: Sequence[Place]) -> dict[str, CaseFigures]:
    """Figures of every place that has any, as of the last day in `cases`.

    The count of a uid on a day is the last known one on or before that day (a null count and a missing row are both
    unknown), and 0 before its first. A place of which no uid ever has a count gets no figures: not knowing is not 0.

    Args:
        cases: `uid`, `date`, `confirmed` (cumulative, nullable), one row per uid and date.
        places: What to sum up over.

    Returns:
        Figures by city code.

    Raises:
        BadInput: There are no cases at all.
    """
    from pyspark.sql import functions as f

    last = last_day(cases)
    known = cases.where(f.col("confirmed").isNotNull())
    rows = known.groupBy("uid").agg(
        *[
            f.coalesce(
                f.max_by("confirmed", f.when(f.col("date") <= f.lit(last - timedelta(days=back)), f.col("date"))),
                f.lit(0),
            ).alias(str(back))
            for back in DAYS_BACK
        ]
    )
    by_uid = {row["uid"]: {back: row[str(back)] for back in DAYS_BACK} for row in rows.collect()}
    return {
        place.city: figures(_together([by_uid[uid] for uid in place.uids if uid in by_uid]), place.population)
        for place in places
        if any(uid in by_uid for uid in place.uids)
    }


def _together(counts: Sequence[Mapping[int, int]]) -> dict[int, int]:
    return {back: sum(count[back] for count in counts) for back in DAYS_BACK}
