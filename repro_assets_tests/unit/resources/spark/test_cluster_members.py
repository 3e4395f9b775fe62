"""How long executors are waited for, as the docs say it."""

from __future__ import annotations

from pathlib import Path

from repro_assets.resources.spark import cluster_members, session_start

DOCS = (Path(__file__).parents[4] / "docs" / "compute.md").read_text(encoding="utf-8")


def test_the_docs_name_the_time_that_executors_have_to_register() -> None:
    assert f"| after {cluster_members._PATIENCE_SECONDS:.0f} seconds one line with both counts, exit code 4 |" in DOCS
    assert f"its executors get another {cluster_members._PATIENCE_SECONDS:.0f} seconds to register" in DOCS


def test_the_docs_name_the_time_that_a_session_has_to_open() -> None:
    assert session_start._START_SECONDS == 240
    assert "took four minutes, with 1.8 times" in DOCS
    assert "that is how long a session may take to open" in DOCS
