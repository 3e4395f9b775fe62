"""The pages: bound to loopback, and refused where a port can't be used."""

from __future__ import annotations

import dataclasses
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from repro_assets.errors import BadInput
from repro_assets.settings import Settings
from repro_assets.verbs.ui import commands, serve, variables


@pytest.fixture
def taken() -> Iterator[int]:
    """A port on which somebody else listens."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield listener.getsockname()[1]


@pytest.fixture
def free() -> int:
    """A port that nobody uses."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def option(command: list[str], name: str) -> str:
    return command[command.index(name) + 1]


@pytest.mark.parametrize(("page", "port"), [("Dagster", "3001"), ("MLflow", "5001")])
def test_a_page_binds_loopback_and_its_port(state: Settings, page, port) -> None:
    command = commands(state, 3001, 5001)[page]

    assert option(command, "--host") == "127.0.0.1"
    assert option(command, "--port") == port
    assert "0.0.0.0" not in command


def test_mlflow_s_page_shows_the_store_of_this_installation(state: Settings) -> None:
    command = commands(state, 3001, 5001)["MLflow"]

    assert variables(state, 5001)["MLFLOW_BACKEND_STORE_URI"] == state.mlflow_tracking_uri
    assert option(command, "--default-artifact-root").endswith("mlflow/artifacts")


def test_the_store_s_password_is_on_no_command_line(state: Settings) -> None:
    private = dataclasses.replace(state, mlflow_tracking_uri="postgresql://me:secret@db/mlflow")

    assert "secret" not in repr(commands(private, 3001, 5001))


def test_no_process_is_told_to_listen_anywhere_else(state: Settings) -> None:
    given = [argument for command in commands(state, 3001, 5001).values() for argument in command]

    assert [given[at + 1] for at, argument in enumerate(given) if argument == "--host"] == ["127.0.0.1"] * 2
    assert not {"0.0.0.0", "::", "--allowed-hosts", "--cors-allowed-origins"} & set(given)


@pytest.mark.parametrize("page", ["Dagster", "daemon", "MLflow"])
def test_a_process_is_started_from_this_environment(state: Settings, page) -> None:
    program = Path(commands(state, 3001, 5001)[page][0])

    assert program.is_absolute()
    assert program.exists()


def test_both_pages_on_one_port_are_refused(state: Settings, free) -> None:
    with pytest.raises(BadInput, match=f"same port: stored {free}"):
        serve(state, free, free)


def test_a_port_of_dagster_s_page_that_is_taken_is_refused_with_its_option(state: Settings, taken, free) -> None:
    with pytest.raises(BadInput, match=rf"Dagster's port.*{taken}.*--dagster-port"):
        serve(state, taken, free)


def test_a_port_of_mlflow_s_page_that_is_taken_is_refused_with_its_option(state: Settings, taken, free) -> None:
    with pytest.raises(BadInput, match=rf"MLflow's port.*{taken}.*--mlflow-port"):
        serve(state, free, taken)


@pytest.mark.parametrize("port", [-1, 0, 65_536, 10**9])
def test_what_is_no_port_is_refused(state: Settings, taken, port) -> None:
    """The other port is taken, so that a number that passes here starts nothing."""
    with pytest.raises(BadInput, match="Dagster's port"):
        serve(state, port, taken)


def test_nothing_is_made_or_started_where_a_port_is_refused(state: Settings, taken, free) -> None:
    with pytest.raises(BadInput):
        serve(state, free, taken)

    assert [path.name for path in state.var.iterdir()] == ["jars"]
