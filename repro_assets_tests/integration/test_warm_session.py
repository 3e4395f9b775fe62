"""The session between two data versions of a warm backfill."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

pytestmark = pytest.mark.spark

# A process of its own: the session that ends here is nobody else's.
_TWO_VERSIONS = """
import sys
from repro_assets import settings
from repro_assets.defs.backfill import run_each
from repro_assets.defs.chain_run import RunReport
from repro_assets.errors import ReproError
from repro_assets.resources.spark.spark_cluster import load_cluster, open_session, receipt

held = []

def run_one(key):
    session, reason = open_session(), None
    held.append(session)
    if key == sys.argv[1]:
        session.conf.set("spark.sql.ansi.enabled", "false")
        session.sparkContext._jvm.System.setProperty("spark.sql.left.behind", "1")
    assert session.range(3).count() == 3
    try:
        receipt(load_cluster("local-v1", settings.load()))
    except ReproError as refused:
        reason = str(refused)
    return RunReport(key, None, None, {}, {}, 0.0, reason=reason)

for report in run_each(["first", "second"], run_one, lambda: False, []):
    print(report.key, report.reason)
print(len({id(session) for session in held}), "sessions")
"""


def printed(changes: str) -> list[str]:
    done = subprocess.run(
        [sys.executable, "-c", _TWO_VERSIONS, changes], env=dict(os.environ), capture_output=True, text=True, check=True
    )
    return done.stdout.splitlines()


def test_a_version_that_leaves_a_setting_behind_fails_alone() -> None:
    first, second, sessions = printed("first")

    assert "spark.sql.ansi.enabled is 'false' in session, was not set" in first
    assert (second, sessions) == ("second None", "2 sessions")


def test_versions_that_change_nothing_share_a_session() -> None:
    assert printed("none") == ["first None", "second None", "1 sessions"]
