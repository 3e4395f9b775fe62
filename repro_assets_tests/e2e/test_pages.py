"""`repro ui`: both pages answer, a version is materialized from Dagster's page, and both stop cleanly."""

from __future__ import annotations

import signal
import socket
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from repro_assets.sample.generate import generate
from repro_assets_tests.e2e.conftest import Pages, served
from repro_assets_tests.installation import Installation, wait_until

pytestmark = [pytest.mark.spark, pytest.mark.pages]

_LAUNCH = """
mutation Launch($params: ExecutionParams!) {
  launchPipelineExecution(executionParams: $params) {
    __typename
    ... on LaunchRunSuccess { run { runId } }
  }
}
"""
_STATUS = "query Status($id: ID!) { runOrError(runId: $id) { ... on Run { status } } }"


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pages]:
    """Over one data version."""
    folder = tmp_path_factory.mktemp("pages")
    installation = Installation.make(folder)
    feed = generate(folder / "feed", versions=1)
    installation.json("ingest", "covid_cases", *map(str, feed.covid_files))
    installation.json("ingest", "job_changes", *map(str, feed.job_files))
    with served(installation) as pages:
        yield pages


@pytest.fixture(scope="module")
def key(pages: Pages) -> str:
    return pages.installation.json("versions")["versions"][0]["key"]


def test_both_pages_answer_on_loopback(pages: Pages) -> None:
    for address in (pages.dagster, pages.mlflow):
        assert address.startswith("http://127.0.0.1:")
        with urllib.request.urlopen(address, timeout=60) as answer:
            assert answer.status == 200


def test_a_version_is_materialized_from_the_page(pages: Pages, key: str) -> None:
    params = {
        "selector": {
            "repositoryLocationName": "repro_assets",
            "repositoryName": "__repository__",
            "pipelineName": "chain",
        },
        "mode": "default",
        "runConfigData": "{}",
        "executionMetadata": {"tags": [{"key": "dagster/partition", "value": key}]},
    }
    launched = pages.ask(_LAUNCH, params=params)["launchPipelineExecution"]
    assert launched["__typename"] == "LaunchRunSuccess", launched
    run_id = launched["run"]["runId"]

    def ended() -> str | None:
        status = pages.ask(_STATUS, id=run_id)["runOrError"]["status"]
        return status if status in ("SUCCESS", "FAILURE", "CANCELED") else None

    assert wait_until(ended, seconds=900) == "SUCCESS"
    shown = pages.installation.json("show", run_id)
    assert shown["status"] == "FINISHED"
    assert len(shown["stages"]) == 6


def test_interrupted_it_leaves_no_process_behind(pages: Pages) -> None:
    children = psutil.Process(pages.process.pid).children(recursive=True)
    assert children
    pages.process.send_signal(signal.SIGINT)
    assert pages.process.wait(90) == 0
    gone, alive = psutil.wait_procs(children, timeout=10)
    assert not alive, alive
    assert len(gone) == len(children)


def test_a_taken_port_is_refused_with_the_option_that_changes_it(tmp_path: Path) -> None:
    installation = Installation.make(tmp_path)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        done = installation.repro("ui", "--dagster-port", str(taken.getsockname()[1]))
    assert done.returncode == 2
    assert "--dagster-port" in done.stderr
