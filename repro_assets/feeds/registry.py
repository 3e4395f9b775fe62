"""Which published files belong to which raw table: the place to add a feed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from repro_assets.errors import BadInput
from repro_assets.experiment import EXPERIMENT
from repro_assets.feeds import jhu, kaggle
from repro_assets.feeds.anomalies import AnomalyKind
from repro_assets.feeds.parsed_feed import ParsedFeed


@dataclass(frozen=True)
class Feed:
    """How one raw table is fed.

    Attributes:
        table: Name of the raw table.
        keys: Columns that identify a row.
        parse: Source name, uncompressed bytes and accepted anomalies to rows.
        part_column: Column that says which part a row is of; None where a publication is always the whole table.
        parts: Value of `part_column` for each part's name.
        measure: Column of cumulative counts, for which the first key says whose they are; None where there is none.
        git_path: Path of the published file in its publisher's git repository.
    """

    table: str
    keys: tuple[str, ...]
    parse: Callable[[str, bytes, frozenset[AnomalyKind]], ParsedFeed]
    part_column: str | None = None
    parts: Mapping[str, object] = field(default_factory=dict)
    measure: str | None = None
    git_path: str | None = None


FEEDS: Mapping[str, Feed] = {
    feed.table: feed
    for feed in (
        Feed(
            table="covid_cases",
            keys=("uid", "date"),
            parse=jhu.parse_cases,
            measure="confirmed",
            git_path="csse_covid_19_data/csse_covid_19_time_series/time_series_covid19_confirmed_US.csv",
        ),
        Feed(
            table="job_changes",
            keys=("enrollee_id",),
            parse=kaggle.parse_jobs,
            part_column=kaggle.PART,
            parts=kaggle.PARTS,
        ),
    )
    # Another experiment's tables are written by others: what is not studied can't be ingested.
    if feed.table in EXPERIMENT.table_names
}


def feed_of(table: str) -> Feed:
    """The feed of a raw table.

    Raises:
        BadInput: No feed is known for this name.
    """
    feed = FEEDS.get(table)
    if feed is None:
        raise BadInput(
            "no feed for this table", stored=repr(table), expected=f"one of: {', '.join(sorted(FEEDS)) or 'none'}"
        )
    return feed
