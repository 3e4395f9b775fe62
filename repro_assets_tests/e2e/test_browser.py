"""Dagster's page in headless Chromium, over an installation with the sample feed and the sensor running.

Screenshots of what was seen are kept below `var/test-output/browser/`.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import pytest

from repro_assets import settings as settings_module
from repro_assets.sample.generate import generate
from repro_assets_tests.e2e.conftest import Pages, served
from repro_assets_tests.e2e.dagster_page import RUNS, DagsterPage, chromium
from repro_assets_tests.installation import Installation, wait_until

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

pytestmark = [pytest.mark.spark, pytest.mark.pages]

CHECKS = ["one_row_per_person", "probabilities_in_range", "recomputes_equal", "reproduces", "roc_auc_not_worse"]
IDENTICAL = "IDENTICAL: all 6 outputs came out with the same digests"
_RUNS = "query Runs($f: RunsFilter!) { runsOrError(filter: $f) { ... on Runs { results { runId status } } } }"
_TICKS = """
query Ticks($sensor: SensorSelector!) {
  sensorOrError(sensorSelector: $sensor) { ... on Sensor { sensorState { ticks(limit: 50) { skipReason } } } }
}
"""


@dataclass(frozen=True)
class Shown:
    """What Dagster's page shows: four data versions, none run by hand.

    Attributes:
        next_file: One more publication of the case file, not ingested.
    """

    pages: Pages
    keys: list[str]
    next_file: Path

    def run_ids(self, **tags: str) -> list[str]:
        """Of all runs with these tags."""
        wanted = {"tags": [{"key": key, "value": value} for key, value in tags.items()]}
        return [run["runId"] for run in self.pages.ask(_RUNS, f=wanted)["runsOrError"]["results"]]

    def run_of(self, key: str) -> str:
        """The run that the sensor requested for a data version, once it has."""
        tags = {"dagster/sensor_name": "new_data_versions", "dagster/partition": key}
        return wait_until(lambda: next(iter(self.run_ids(**tags)), None), seconds=RUNS)

    def left_of_reproductions(self) -> list[str]:
        """Workspaces below `var/reproductions`, and processes that work in one."""
        folder = self.pages.installation.var / "reproductions"
        told = [" ".join(one.info["cmdline"] or ()) for one in psutil.process_iter(["cmdline"])]
        return [*map(str, folder.glob("*")), *(line for line in told if str(folder) in line)]

    def skip_reasons(self) -> list[str]:
        """Of the sensor's latest ticks."""
        sensor = {
            "repositoryLocationName": "repro_assets",
            "repositoryName": "__repository__",
            "sensorName": "new_data_versions",
        }
        ticks = self.pages.ask(_TICKS, sensor=sensor)["sensorOrError"]["sensorState"]["ticks"]
        return [tick["skipReason"] or "" for tick in ticks]

    def states(self) -> dict[str, str]:
        """State of each data version, from the command line."""
        return {row["key"]: row["state"] for row in self.pages.installation.json("versions")["versions"]}


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shown]:
    folder = tmp_path_factory.mktemp("browser")
    installation = Installation.make(folder)
    feed = generate(folder / "feed", versions=5)
    installation.json("ingest", "covid_cases", *map(str, feed.covid_files[:4]))
    installation.json("ingest", "job_changes", *map(str, feed.job_files))
    keys = [row["key"] for row in installation.json("versions")["versions"]]
    with served(installation) as pages:
        yield Shown(pages, keys, feed.covid_files[4])


@pytest.fixture(scope="module")
def page(shown: Shown, tmp_path_factory: pytest.TempPathFactory) -> Iterator[DagsterPage]:
    screenshots = settings_module.load({}).var / "test-output" / "browser"
    shutil.rmtree(screenshots, ignore_errors=True)
    screenshots.mkdir(parents=True)
    with chromium(tmp_path_factory.mktemp("profile")) as browser:
        yield DagsterPage(browser, shown.pages.dagster, screenshots)


@pytest.fixture(scope="module")
def newest(shown: Shown, page: DagsterPage) -> str:
    """The newest data version, which the sensor has run without a hand."""
    assert page.end_of_run(f"runs/{shown.run_of(shown.keys[-1])}") == "Success"
    page.keep("run-of-the-sensor")
    return shown.keys[-1]


def _reproducing(run: str) -> list[str]:
    """What is typed into the launchpad."""
    return ["ops:", "  run_again:", "    config:", f"      run: {run}"]


@pytest.mark.parametrize(
    ("group", "assets"),
    [
        ("published", ["published_covid_cases", "published_job_changes"]),
        ("raw", ["covid_cases", "job_changes"]),
        ("experiment", ["train_test_snapshot", "features", "model", "predictions"]),
    ],
)
def test_the_graph_shows_the_assets_of_a_group(page: DagsterPage, group: str, assets: list[str]) -> None:
    page.open_group(group)

    for asset in assets:
        page.see(asset)
    page.keep(f"graph-{group}")


def test_a_version_chosen_in_the_dialog_is_materialized_by_one_run(shown: Shown, page: DagsterPage) -> None:
    launched = page.materialize(shown.keys[:1], kept_as="dialog-one-version")

    assert page.end_of_run(launched) == "Success"
    page.keep("run")
    page.see(f"partition: {shown.keys[0]}")
    assert shown.states()[shown.keys[0]] == "materialized"


def test_a_backfill_of_two_versions_is_one_run_for_each(shown: Shown, page: DagsterPage) -> None:
    keys = shown.keys[1:3]
    launched = page.materialize(keys, kept_as="dialog-two-versions")

    assert page.end_of_backfill(launched) == "Succeeded"
    page.keep("backfill")
    backfill = launched.rsplit("/", 1)[-1]
    assert [len(shown.run_ids(**{"dagster/backfill": backfill, "dagster/partition": key})) for key in keys] == [1, 1]
    assert {shown.states()[key] for key in keys} == {"materialized"}


def test_the_checks_of_the_predictions_are_shown_with_their_findings(page: DagsterPage, newest: str) -> None:
    page.open("assets/predictions?view=checks&checkDetail=reproduces")

    for check in CHECKS:
        page.see(check)
    page.see("Passed")
    page.see("not yet reproduced")
    page.keep("checks")


def test_a_reproduction_terminated_on_the_page_leaves_nothing_behind(
    shown: Shown, page: DagsterPage, newest: str
) -> None:
    launched = page.launch("reproduce", _reproducing(newest), kept_as="launchpad-data-version")
    # Then the old process and its JVM are at work.
    page.read(f"{newest} covid_cases computed", seconds=RUNS)
    assert shown.left_of_reproductions()
    page.terminate()

    assert page.end_of_run(launched) == "Canceled"
    page.keep("reproduction-terminated")
    assert shown.left_of_reproductions() == []


def test_a_run_that_is_none_fails_in_the_launchpad_with_the_line_that_says_so(page: DagsterPage) -> None:
    launched = page.launch("reproduce", _reproducing("f" * 32), kept_as="launchpad-unknown-run")

    assert page.end_of_run(launched) == "Failure"
    first = page.read("no such run").splitlines()[0]
    page.keep("reproduction-of-no-run")
    assert "`repro versions` lists the runs" in first


def test_a_past_run_is_reproduced_from_the_launchpad_and_its_check_turns_identical(
    shown: Shown, page: DagsterPage, newest: str
) -> None:
    launched = page.launch("reproduce", _reproducing(shown.run_of(newest)), kept_as="launchpad-run")

    assert page.end_of_run(launched) == "Success"
    page.see(IDENTICAL)
    page.keep("reproduction")
    page.open("assets/predictions?view=checks&checkDetail=reproduces")
    page.see(IDENTICAL)
    page.see(newest)
    page.keep("check-reproduced")
    assert shown.left_of_reproductions() == []


@pytest.mark.parametrize(
    ("asset", "plots"),
    [
        ("covid_cases", ["case_curve"]),
        ("train_test_snapshot", ["class_balance"]),
        ("model", ["importance"]),
        ("predictions", ["roc", "calibration"]),
    ],
)
def test_the_plots_of_a_version_are_seen_at_once(
    shown: Shown, page: DagsterPage, newest: str, asset: str, plots: list[str]
) -> None:
    page.open(f"assets/{asset}?view=partitions&partition={newest}")

    for plot in plots:
        picture = page.picture(plot)
        assert picture.address.startswith(f"{shown.pages.mlflow}/get-artifact?")
        assert min(picture.width, picture.height) >= 150
    page.keep(f"plots-{asset}")


def test_a_plot_opens_from_the_metadata_alone(page: DagsterPage, newest: str) -> None:
    page.open(f"assets/predictions?view=partitions&partition={newest}")
    page.click('//tr[.//*[normalize-space(text())="roc"]]//a[text()="[Show Markdown]"]')
    page.until(lambda: page.picture("roc").address.startswith("data:image/png;base64,"), "the picture in the dialog")

    assert page.picture("roc").width >= 500
    page.keep("plot-roc")


def test_one_more_published_file_is_run_without_a_hand(shown: Shown, page: DagsterPage) -> None:
    shown.pages.installation.json("ingest", "covid_cases", str(shown.next_file))
    (key,) = set(shown.states()) - set(shown.keys)

    assert page.end_of_run(f"runs/{shown.run_of(key)}") == "Success"
    page.see("Launched by")
    page.see("new_data_versions")
    page.open(f"assets/predictions?view=partitions&partition={key}")
    page.see("Materialized")
    page.keep("new-version")


def test_optimizing_a_raw_table_starts_nothing_and_the_sensor_says_why(
    shown: Shown, page: DagsterPage, newest: str, spark: SparkSession
) -> None:
    runs, versions = shown.run_ids(), shown.states().keys()
    table = f"delta.`{shown.pages.installation.var / 'lake' / 'raw' / 'covid_cases'}`"
    # Ordered anew: a single file is written again only then.
    spark.sql(f"OPTIMIZE {table} ZORDER BY (confirmed)").collect()
    commit = spark.sql(f"DESCRIBE HISTORY {table} LIMIT 1").collect()[0]
    assert commit.operation == "OPTIMIZE"

    wanted = f"no row changed: covid_cases {commit.version} (OPTIMIZE)"
    wait_until(lambda: wanted in shown.skip_reasons() or None, seconds=RUNS)

    assert shown.run_ids() == runs
    assert shown.states().keys() == versions
    page.open("locations/repro_assets/sensors/new_data_versions")
    page.see("0 runs requested")
    page.keep("sensor")
