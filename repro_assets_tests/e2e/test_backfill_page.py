"""`backfill_warm` launched from Dagster's page: it queues, starts one run per data version, and can be terminated."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from repro_assets.sample.generate import generate
from repro_assets_tests.e2e.conftest import Pages, served
from repro_assets_tests.installation import Installation, wait_until

pytestmark = [pytest.mark.spark, pytest.mark.pages]

PATIENCE = 900
_LAUNCH = """
mutation Launch($params: ExecutionParams!) {
  launchPipelineExecution(executionParams: $params) {
    __typename
    ... on LaunchRunSuccess { run { runId status } }
    ... on PythonError { message }
  }
}
"""
_RUNS = "query Runs($f: RunsFilter!) { runsOrError(filter: $f) { ... on Runs { results { runId status jobName } } } }"
_TERMINATE = "mutation Stop($id: String!) { terminateRun(runId: $id) { __typename } }"


@dataclass(frozen=True)
class Page:
    """Dagster's page over an installation with three data versions."""

    pages: Pages
    keys: list[str]

    def launch(self, **config: Any) -> str:
        """Launch the job from the launchpad; returns its run id."""
        params = {
            "selector": {
                "repositoryLocationName": "repro_assets",
                "repositoryName": "__repository__",
                "pipelineName": "backfill_warm",
            },
            "mode": "default",
            "runConfigData": json.dumps({"ops": {"each_data_version": {"config": config}}}),
            "executionMetadata": {"tags": []},
        }
        launched = self.pages.ask(_LAUNCH, params=params)["launchPipelineExecution"]
        assert launched["__typename"] == "LaunchRunSuccess", launched
        assert launched["run"]["status"] == "QUEUED"
        return launched["run"]["runId"]

    def statuses(self, **wanted: Any) -> list[str]:
        """Of all runs that fit, oldest first."""
        return [run["status"] for run in reversed(self.pages.ask(_RUNS, f=wanted)["runsOrError"]["results"])]

    def end_of(self, run_id: str) -> str:
        def ended() -> str | None:
            (status,) = self.statuses(runIds=[run_id])
            return status if status in ("SUCCESS", "FAILURE", "CANCELED") else None

        return wait_until(ended, seconds=PATIENCE)

    def started_by(self, run_id: str) -> list[str]:
        return self.statuses(tags=[{"key": "repro/backfill", "value": run_id}])


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    folder: Path = tmp_path_factory.mktemp("page")
    installation = Installation.make(folder)
    feed = generate(folder / "feed")
    installation.json("ingest", "covid_cases", *map(str, feed.covid_files))
    installation.json("ingest", "job_changes", *map(str, feed.job_files))
    keys = [row["key"] for row in installation.json("versions")["versions"]]
    with served(installation) as pages:
        yield Page(pages, keys)


def test_terminated_it_ends_the_version_that_runs_and_starts_no_other(page: Page) -> None:
    run_id = page.launch(keys=page.keys)
    wait_until(lambda: page.started_by(run_id) == ["STARTED"] or None, seconds=PATIENCE)

    page.pages.ask(_TERMINATE, id=run_id)

    assert page.end_of(run_id) == "CANCELED"
    assert page.started_by(run_id) == ["FAILURE"]


def test_launched_again_it_runs_each_version_in_a_run_of_its_own(page: Page) -> None:
    run_id = page.launch(keys=page.keys[:2])

    assert page.end_of(run_id) == "SUCCESS"
    assert page.started_by(run_id) == ["SUCCESS", "SUCCESS"]
    rows = page.pages.installation.json("versions")["versions"]
    assert {row["state"] for row in rows if row["key"] in page.keys[:2]} == {"materialized"}
