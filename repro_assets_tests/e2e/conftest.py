"""What several end-to-end tests look at: one demo made by the command line, and `repro ui` over an installation."""

from __future__ import annotations

import json
import socket
import subprocess
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import IO, Any

import pytest

from repro_assets_tests.installation import REPRO, Installation


@dataclass(frozen=True)
class Demo:
    """An installation after `repro demo --json`, and that document."""

    installation: Installation
    document: dict[str, Any]
    _shown: dict[str, Any] = field(default_factory=dict)

    def shown(self, key: str) -> dict[str, Any]:
        """What `repro show` says of a data version's run, asked once."""
        if key not in self._shown:
            self._shown[key] = self.installation.json("show", key)
        return self._shown[key]

    @property
    def runs(self) -> list[dict[str, Any]]:
        return self.document["runs"]


@dataclass(frozen=True)
class Pages:
    """A running `repro ui`: its process, and the addresses it printed."""

    installation: Installation
    process: subprocess.Popen[str]
    dagster: str
    mlflow: str

    def ask(self, query: str, **variables: Any) -> Any:
        """Data of a GraphQL query to Dagster's page."""
        body = json.dumps({"query": query, "variables": variables}).encode()
        request = urllib.request.Request(f"{self.dagster}/graphql", body, {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.load(answer)["data"]


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Demo:
    installation = Installation.make(tmp_path_factory.mktemp("demo"))
    return Demo(installation, installation.json("demo"))


@contextmanager
def served(installation: Installation) -> Iterator[Pages]:
    """`repro ui` on free ports, from when both pages answer until it has stopped both."""
    ports = ["--dagster-port", str(_free_port()), "--mlflow-port", str(_free_port())]
    process = subprocess.Popen(
        [str(REPRO), "ui", *ports], env=installation.environment(), stderr=subprocess.PIPE, text=True
    )
    assert process.stderr is not None
    try:
        addresses = _addresses(process.stderr)
        yield Pages(installation, process, addresses["Dagster"], addresses["MLflow"])
    finally:
        if process.poll() is None:
            # Not SIGINT: a shell that starts the tests in the background has it ignored, and that is inherited.
            process.terminate()
            process.wait(90)
        process.stderr.close()


def _addresses(stderr: IO[str]) -> dict[str, str]:
    """What it says up to the line that ends its start: the address of each page by name."""
    said = []
    for line in stderr:
        said.append(line)
        if line.startswith("Ctrl-C"):
            return dict(line.split() for line in said if "http://" in line)
    raise AssertionError("".join(said))


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
