"""Every raw table of the experiment has its feed."""

from __future__ import annotations

import pytest

from repro_assets.errors import BadInput
from repro_assets.experiment import EXPERIMENT
from repro_assets.feeds.registry import FEEDS, feed_of


def test_every_raw_table_has_a_feed_with_its_keys() -> None:
    assert {name: feed.keys for name, feed in FEEDS.items()} == {raw.name: raw.keys for raw in EXPERIMENT.raw_tables}


def test_an_unknown_table_is_refused_with_the_known_ones() -> None:
    with pytest.raises(BadInput, match="'deaths', expected one of: covid_cases, job_changes"):
        feed_of("deaths")
