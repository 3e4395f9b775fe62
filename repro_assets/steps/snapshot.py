"""What a snapshot keeps of the raw tables: the people in three parts, and the cases of the counties they live in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from repro_assets.steps.places import Place, load_places
from repro_assets.steps.split import split

if TYPE_CHECKING:
    from pyspark.sql import DataFrame


def snapshot(
    raw: Mapping[str, DataFrame], *, salt: str, test_fraction: float, places: Sequence[Place] | None = None
) -> dict[str, DataFrame]:
    """Take a snapshot of the raw tables as read at one data version.

    Args:
        raw: `job_changes`, as `split` takes it, and `covid_cases`: one row per county and day, `uid`, `date`,
            `confirmed` (cumulative).
        salt: Text that goes before a person's key.
        test_fraction: Share of the labelled people on the test side, between 0 and 1.
        places: The counties to keep; by default those of the committed mapping.

    Returns:
        `train`, `test`, `unlabelled` with the columns of `job_changes`; `cases` with those of `covid_cases`.

    Raises:
        BadInput: People, a salt or a fraction that `split` refuses.
    """
    from pyspark.sql import functions as f

    uids = [uid for place in (load_places() if places is None else places) for uid in place.uids]
    return {
        **split(raw["job_changes"], salt=salt, test_fraction=test_fraction),
        "cases": raw["covid_cases"].where(f.col("uid").isin(uids)),
    }
