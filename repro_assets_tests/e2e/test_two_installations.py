"""Two installations that share nothing but the sources come to the same result."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from repro_assets.sample.generate import generate
from repro_assets_tests.e2e.conftest import Demo
from repro_assets_tests.installation import Installation

pytestmark = [pytest.mark.spark, pytest.mark.slow]

ELSEWHERE = {"TZ": "Asia/Kathmandu", "LANG": "C", "LC_ALL": "C", "PYTHONHASHSEED": "4711", "USER": "somebody"}


def _results(document: dict[str, Any]) -> list[dict[str, Any]]:
    kept = ("identity", "output_digest", "rows")
    return [
        {
            "key": run["key"],
            "metrics": run["metrics"],
            "assets": {name: {field: asset[field] for field in kept} for name, asset in run["assets"].items()},
        }
        for run in document["runs"]
    ]


def test_another_folder_time_zone_locale_and_hash_seed_give_the_same_digests_and_identities(
    demo: Demo, tmp_path: Path
) -> None:
    elsewhere = tmp_path / "another working directory"
    elsewhere.mkdir()
    installation, feed = Installation.make(tmp_path / "second"), generate(tmp_path / "feed")
    for table, files in (("covid_cases", feed.covid_files), ("job_changes", feed.job_files)):
        installation.json("ingest", table, *map(str, files), env=ELSEWHERE, cwd=elsewhere)
    other = installation.json("backfill", "--all", env=ELSEWHERE, cwd=elsewhere)
    assert _results(other) == _results(demo.document)
