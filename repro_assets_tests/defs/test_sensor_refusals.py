"""The sensor `new_data_versions` over logs that can't be trusted: one line, and no wrong version."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from repro_assets.errors import BadInput, DataDamaged, NoSuchVersion, PinChanged, TableReplaced, VersionExpired
from repro_assets_tests.defs.sensor_daemon import Daemon, key, publish, refused, settle
from repro_assets_tests.unit.delta_log import ADDED_ROWS, commit_file, log_file, metadata, write_commit, write_table

OTHER_ID = "00000000-0000-4000-8000-000000000002"


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[Daemon]:
    """Over three versions of the cases and one of the jobs; no tick yet."""
    write_table(tmp_path, "covid_cases", 100, 300, 500)
    write_table(tmp_path, "job_changes", 200)
    with dg.DagsterInstance.ephemeral() as instance:
        yield Daemon(tmp_path, instance)


@pytest.mark.parametrize("length", [2, 3, 4], ids=["shorter", "as long", "longer"])
def test_a_replaced_table_is_refused(daemon, length) -> None:
    daemon.tick()
    shutil.rmtree(daemon.lake / "raw" / "covid_cases")
    write_table(daemon.lake, "covid_cases", *range(700, 700 + length), table_id=OTHER_ID)

    line = refused(daemon, TableReplaced)

    assert f"another table stands at this location [file://{daemon.lake}/raw/covid_cases]: stored {OTHER_ID}" in line
    assert "reset the cursor" in line


def test_a_new_commit_that_makes_it_another_table_is_refused(daemon) -> None:
    daemon.tick()
    write_commit(daemon.lake, "covid_cases", 3, commit_file(metadata(OTHER_ID), ADDED_ROWS, timestamp=600))

    assert OTHER_ID in refused(daemon, TableReplaced)


def test_a_table_that_is_gone_is_refused(daemon) -> None:
    daemon.tick()
    shutil.rmtree(daemon.lake / "raw" / "job_changes")

    assert "the table is gone" in refused(daemon, NoSuchVersion)


def test_a_table_that_was_rolled_back_is_refused(daemon) -> None:
    daemon.tick()
    log_file(daemon.lake, "covid_cases", 2).unlink()

    assert "rolled back" in (line := refused(daemon, PinChanged))
    assert "stored version 1, expected at least 2" in line


def test_a_table_that_was_rolled_back_and_written_on_is_refused(daemon) -> None:
    daemon.tick()
    publish(daemon, "covid_cases", 2, 900)
    publish(daemon, "covid_cases", 3, 901)

    assert "version 2 was rewritten" in refused(daemon, PinChanged)


def test_after_a_reset_of_the_cursor_the_table_that_stands_there_is_seen_for_the_first_time(daemon) -> None:
    daemon.tick()
    shutil.rmtree(daemon.lake / "raw" / "covid_cases")
    write_table(daemon.lake, "covid_cases", *range(700, 705), table_id=OTHER_ID)
    refused(daemon, TableReplaced)

    daemon.cursor = None

    assert daemon.requested() == [key(4, 0)]


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"\n\n", id="blank"),
        pytest.param(b"\x00\x01garbage", id="garbage"),
        pytest.param(commit_file(ADDED_ROWS, timestamp=600)[:-20], id="cut off"),
        pytest.param(b'{"add": {"path": "a"}}\n', id="without a time"),
    ],
)
def test_a_newest_commit_that_cannot_be_read_is_refused_and_once_repaired_the_next_tick_goes_on(
    daemon, content
) -> None:
    daemon.tick()
    publish(daemon, "covid_cases", 3, 600)
    write_commit(daemon.lake, "covid_cases", 4, content)

    assert f"{4:020d}.json" in refused(daemon, DataDamaged)
    publish(daemon, "covid_cases", 4, 700)

    assert daemon.requested() == [key(3, 0), key(4, 0)]


@pytest.mark.parametrize("settled", [True, False], ids=["later", "at once"])
@pytest.mark.parametrize(
    ("written", "removed"),
    [
        pytest.param([4], [], id="just after what was seen"),
        pytest.param([3, 5, 6], [], id="among the new"),
        pytest.param([60], [], id="far ahead"),
        pytest.param([], [1], id="among the old"),
    ],
)
def test_a_log_with_a_hole_is_refused_and_once_filled_the_next_tick_goes_on(daemon, settled, written, removed) -> None:
    if settled:
        settle(daemon)
    daemon.tick()
    for version in written:
        publish(daemon, "covid_cases", version, 600 + version)
    taken = {path: path.read_bytes() for version in removed if (path := log_file(daemon.lake, "covid_cases", version))}
    for path in taken:
        path.unlink()

    assert "the log has a hole" in refused(daemon, DataDamaged)
    for path, content in taken.items():
        path.write_bytes(content)
    newest = max([2, *written])
    for version in range(3, newest):
        publish(daemon, "covid_cases", version, 600 + version)

    assert daemon.requested() == [key(version, 0) for version in range(3, newest + 1)]


def test_a_log_whose_beginning_was_cleaned_up_is_no_hole(daemon) -> None:
    daemon.tick()
    log_file(daemon.lake, "covid_cases", 0).unlink()
    publish(daemon, "covid_cases", 3, 600)

    assert daemon.requested() == [key(3, 0)]


def test_a_log_that_was_cleaned_up_past_what_was_seen_is_refused(daemon) -> None:
    daemon.tick()
    for version in (3, 4):
        publish(daemon, "covid_cases", version, 600 + version)
    for version in (0, 1, 2, 3):
        log_file(daemon.lake, "covid_cases", version).unlink()

    assert "cleaned out of the log" in refused(daemon, VersionExpired)


def test_a_cursor_that_cannot_be_read_is_refused(daemon) -> None:
    daemon.cursor = "covid_cases=2"

    assert "the sensor's cursor can't be read" in refused(daemon, BadInput)
