"""The lock of a data version between two real processes."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator

import pytest

from repro_assets.errors import Outside
from repro_assets.resources.key_lock import hold_key
from repro_assets.settings import Settings

KEY = "covid_cases-v000000--job_changes-v000000"
OTHER = "covid_cases-v000001--job_changes-v000000"
HOLDER = f"""
import sys
from repro_assets import settings
from repro_assets.resources.key_lock import hold_key
with hold_key({KEY!r}, settings.load(), dagster_run_id="run-1", report=print):
    print("held", flush=True)
    sys.stdin.readline()
"""


@pytest.fixture
def holder(state: Settings) -> Iterator[subprocess.Popen[str]]:
    """Another process that holds the key until its stdin says otherwise."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER],
        env={**os.environ, "REPRO_VAR": str(state.var)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def test_a_second_process_is_refused_with_the_name_of_the_first(state, holder) -> None:
    said: list[str] = []

    with (
        pytest.raises(Outside, match="another run of this data version does not end") as refused,
        hold_key(KEY, state, patience_seconds=0.2, report=said.append),
    ):
        pytest.fail("both hold it")

    for text in (str(refused.value), *said):
        assert f"process {holder.pid} on {socket.gethostname()}, Dagster run run-1" in text
    assert len(said) == 1
    assert refused.value.exit_code == 4


def test_the_second_goes_on_when_the_first_ends(state, holder) -> None:
    said: list[str] = []

    def let_go(line: str) -> None:
        said.append(line)
        holder.stdin.write("\n")
        holder.stdin.flush()

    with hold_key(KEY, state, patience_seconds=60, report=let_go):
        assert "waiting" in said[0]


def test_a_killed_process_leaves_no_lock(state, holder) -> None:
    os.kill(holder.pid, signal.SIGKILL)
    holder.wait()

    with hold_key(KEY, state, patience_seconds=0, report=pytest.fail):
        pass


def test_another_key_is_free(state, holder) -> None:
    with hold_key(OTHER, state, patience_seconds=0, report=pytest.fail):
        pass


def test_the_lock_is_free_again_after_an_error(state) -> None:
    with pytest.raises(ValueError, match="broken"), hold_key(KEY, state, report=pytest.fail):
        raise ValueError("broken")

    with hold_key(KEY, state, patience_seconds=0, report=pytest.fail):
        written = json.loads((state.var / "locks" / f"key-{KEY}.holder").read_text())
    assert written["pid"] == os.getpid()


def test_a_holder_that_did_not_say_who_it_is_is_still_waited_for(state, holder) -> None:
    (state.var / "locks" / f"key-{KEY}.holder").write_text("not JSON")

    with (
        pytest.raises(Outside, match="did not say who it is"),
        hold_key(KEY, state, patience_seconds=0.1, report=lambda line: None),
    ):
        pytest.fail("both hold it")
