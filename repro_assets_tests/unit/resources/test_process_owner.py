"""Who started a run, and whether that process is still there."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys

import pytest

from repro_assets.resources.process_owner import current_owner, is_alive, parse_owner


def test_an_owner_survives_the_way_through_its_tag() -> None:
    owner = current_owner()

    assert parse_owner(json.dumps(owner)) == owner


def test_this_process_is_alive() -> None:
    assert is_alive(current_owner()) is True


def test_a_process_that_ended_is_gone() -> None:
    child = subprocess.Popen([sys.executable, "-c", ""])
    owner = {**current_owner(), "pid": child.pid}
    child.wait()

    assert is_alive(owner) is False


def test_a_process_that_ended_but_was_not_waited_for_is_gone() -> None:
    child = subprocess.Popen([sys.executable, "-c", ""], stdout=subprocess.PIPE)
    import psutil

    owner = {"host": socket.gethostname(), "pid": child.pid, "started": psutil.Process(child.pid).create_time()}
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)

    assert is_alive(owner) is False
    child.communicate()


def test_the_same_process_id_with_another_start_is_another_process() -> None:
    owner = current_owner()

    assert is_alive({**owner, "started": owner["started"] - 3600}) is False


def test_a_start_that_the_system_s_clock_moved_by_a_second_is_the_same_process() -> None:
    owner = current_owner()

    assert is_alive({**owner, "started": owner["started"] + 1}) is True


@pytest.mark.parametrize(
    "owner",
    [
        pytest.param(None, id="no owner"),
        pytest.param({"host": "another", "pid": 1, "started": 0.0}, id="another host"),
        pytest.param({"host": socket.gethostname(), "started": 0.0}, id="no pid"),
        pytest.param({"host": socket.gethostname(), "pid": "1", "started": 0.0}, id="a pid that is text"),
        pytest.param({"host": socket.gethostname(), "pid": 1}, id="no start"),
    ],
)
def test_what_can_t_be_known_is_neither_alive_nor_gone(owner) -> None:
    assert is_alive(owner) is None


@pytest.mark.parametrize("pid", [-1, 2**70], ids=["negative", "beyond any system"])
def test_a_process_id_that_can_t_exist_is_gone(pid) -> None:
    assert is_alive({"host": socket.gethostname(), "pid": pid, "started": 0.0}) is False


@pytest.mark.parametrize("text", [None, "", "not json", "[1]", "3"])
def test_a_tag_that_is_no_owner_is_none(text) -> None:
    assert parse_owner(text) is None
