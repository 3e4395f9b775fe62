"""`repro backfill` in real processes: damaged, killed, interrupted, and started again; two runs of one key; `repro sql`.

One installation; each test leaves it as the next one expects nothing but data versions.
"""

from __future__ import annotations

import csv
import io
import json
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from repro_assets.sample.generate import generate
from repro_assets_tests.installation import REPRO, Installation, wait_until

pytestmark = [pytest.mark.spark, pytest.mark.pages]

ASSETS = ["covid_cases", "job_changes", "train_test_snapshot", "features", "model", "predictions"]
PATIENCE = 900  # seconds: a bound for a broken test, on a machine that computes other things at the same time


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Installation:
    """Three data versions, none of them run."""
    folder = tmp_path_factory.mktemp("backfill")
    made = Installation.make(folder)
    feed = generate(folder / "feed")
    made.json("ingest", "covid_cases", *map(str, feed.covid_files))
    made.json("ingest", "job_changes", *map(str, feed.job_files))
    return made


@pytest.fixture(scope="module")
def keys(installation: Installation) -> list[str]:
    return [row["key"] for row in installation.json("versions")["versions"]]


@contextmanager
def started(installation: Installation, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [str(REPRO), *arguments],
        env=installation.environment(),
        cwd=installation.var,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()


def read_until(process: subprocess.Popen[str], *words: str) -> str:
    """Lines of stderr up to the one with all words."""
    assert process.stderr is not None
    seen = ""
    for line in process.stderr:
        seen += line
        if all(word in line for word in words):
            return seen
    raise AssertionError(f"no line with {words}: {seen}")


def chain_runs(installation: Installation) -> list[dg.DagsterRun]:
    """Runs of the chain, oldest first."""
    with dg.DagsterInstance.from_config(str(installation.var / "dagster")) as instance:
        return list(reversed(instance.get_runs(dg.RunsFilter(job_name="chain"))))


def unfinished(installation: Installation) -> list[str]:
    with dg.DagsterInstance.from_config(str(installation.var / "dagster")) as instance:
        return [run.run_id for run in instance.get_runs() if not run.is_finished]


def states(document: dict[str, Any]) -> list[str]:
    return [run["state"] for run in document["runs"]]


def data_file_of(installation: Installation, version: int) -> Path:
    """A data file that the commit of this version added and the next one removed."""
    table = installation.var / "lake" / "raw" / "covid_cases"
    actions = [json.loads(line) for line in (table / "_delta_log" / f"{version:020d}.json").read_text().splitlines()]
    later = (table / "_delta_log" / f"{version + 1:020d}.json").read_text()
    added = [action["add"]["path"] for action in actions if "add" in action]
    return table / next(path for path in added if f'"remove":{{"path":"{path}"' in later)


def test_killed_after_the_first_version_and_started_again_it_computes_that_one_no_more(
    installation: Installation, keys: list[str]
) -> None:
    with started(installation, "backfill", "--all") as process:
        read_until(process, "1 of 3", keys[0], "computed")
        process.kill()
        process.wait()

    again = installation.json("backfill", "--all")

    assert states(again) == ["reused", "computed", "computed"]
    assert again["keys"] == keys
    assert unfinished(installation) == []
    assert installation.mlflow("SELECT count(*) FROM runs WHERE status = 'RUNNING'") == [(0,)]


def test_each_version_has_its_dagster_run_its_mlflow_parent_its_metadata_and_its_checks(
    installation: Installation, keys: list[str]
) -> None:
    document = installation.json("backfill", *keys[:2], "--force")

    with dg.DagsterInstance.from_config(str(installation.var / "dagster")) as instance:
        for run in document["runs"]:
            assert list(run["assets"]) == ASSETS
            dagster_run = instance.get_run_by_id(run["dagster_run_id"])
            assert dagster_run is not None
            assert dagster_run.tags["dagster/partition"] == run["key"]
            assert dagster_run.tags["dagster/parent_run_id"] == document["dagster_run_id"]
            log = instance.all_logs(dagster_run.run_id, of_type=dg.DagsterEventType.ASSET_CHECK_EVALUATION)
            checked = {entry.get_dagster_event().asset_check_evaluation_data.asset_key for entry in log}
            assert {key.to_user_string() for key in checked} == set(ASSETS)
            assert len(installation.nested(run["mlflow_run_id"])) == len(ASSETS)
    assert len({run["mlflow_run_id"] for run in document["runs"]}) == 2


def test_a_damaged_version_fails_alone_with_its_reason_and_the_exit_code_is_4(
    installation: Installation, keys: list[str]
) -> None:
    file = data_file_of(installation, 1)
    whole = file.read_bytes()
    file.write_bytes(whole[:-100])
    done = installation.repro("backfill", "--all", "--force", "--json")
    file.write_bytes(whole)

    assert done.returncode == 4, done.stderr
    document = json.loads(done.stdout)
    assert states(document) == ["computed", "failed", "computed"]
    assert document["runs"][1]["assets"]["covid_cases"]["state"] == "failed"
    assert len(document["runs"][1]["reason"].splitlines()) == 1
    assert done.stderr.splitlines()[-1].startswith(f"repro: 1 of 3 data versions failed [{keys[1]}]")
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM], ids=["Ctrl-C", "SIGTERM"])
def test_interrupted_it_stops_within_the_version_and_does_not_start_the_next(
    installation: Installation, keys: list[str], sent: signal.Signals
) -> None:
    before = len(chain_runs(installation))
    with started(installation, "backfill", "--all", "--force") as process:
        read_until(process, keys[0], "job_changes")
        process.send_signal(sent)
        _, err = process.communicate(timeout=PATIENCE)

    assert process.returncode == 130
    assert "stopped after 0 of 3; started again it goes on there" in err
    assert "Traceback" not in err
    assert len(chain_runs(installation)) == before + 1
    assert unfinished(installation) == []


def test_two_runs_of_one_key_do_not_race_the_second_waits_and_says_so(
    installation: Installation, keys: list[str]
) -> None:
    mine = ["run", keys[0], "--set", "train_test_snapshot.salt=two runs of one key", "--json"]
    with started(installation, *mine) as first:
        lock = installation.var / "locks" / f"key-{keys[0]}.holder"
        wait_until(lambda: lock.exists() or None, seconds=PATIENCE)
        with started(installation, *mine) as second:
            said = read_until(second, "waiting for another run")
            out, _ = second.communicate(timeout=PATIENCE)
        computed, _ = first.communicate(timeout=PATIENCE)

    assert f"held by process {first.pid}" in said
    runs = [json.loads(text)["runs"][0]["assets"] for text in (computed, out)]
    assert runs[0]["predictions"]["state"] == "computed"
    assert {asset["state"] for asset in runs[1].values()} == {"reused"}
    assert runs[0]["predictions"]["output_digest"] == runs[1]["predictions"]["output_digest"]


def test_a_query_reaches_all_versions_and_knows_the_latest_identity_of_each(
    installation: Installation, keys: list[str]
) -> None:
    query = (
        "SELECT data_version, identity, latest, count(*) FROM predictions p JOIN "
        "(SELECT DISTINCT data_version d, identity i FROM features WHERE latest) ON d = data_version "
        "GROUP BY ALL ORDER BY data_version, latest"
    )
    document = installation.json("sql", query)

    assert [column["name"] for column in document["columns"]][:3] == ["data_version", "identity", "latest"]
    rows = [(row[0], row[2]) for row in document["rows"]]
    # The first key was last run with another salt, so its earlier predictions stand beside.
    assert rows == [(keys[0], False), (keys[0], True), (keys[1], True), (keys[2], True)]


def test_a_raw_table_is_at_its_newest_and_a_long_answer_is_cut_and_says_so(installation: Installation) -> None:
    done = installation.repro("sql", "SELECT * FROM covid_cases ORDER BY uid, date", "--limit", "2", "--csv")

    assert done.returncode == 0, done.stderr
    assert len(list(csv.DictReader(io.StringIO(done.stdout)))) == 2
    assert "only the first 2 rows are shown" in done.stderr


@pytest.mark.parametrize(
    ("query", "said"),
    [
        pytest.param("SELECT * FROM nope", "There are: covid_cases, job_changes", id="no such table"),
        pytest.param("SELECT 1 +", "PARSE_SYNTAX_ERROR", id="no query"),
        pytest.param("SELECT raise_error('no') FROM train", "no", id="fails while it runs"),
    ],
)
def test_a_wrong_query_is_one_line_and_exit_code_2(installation: Installation, query: str, said: str) -> None:
    done = installation.repro("sql", query)

    assert (done.returncode, done.stdout) == (2, "")
    ours = [line for line in done.stderr.splitlines() if not line.startswith(("starting Spark", "WARNING: Using inc"))]
    assert len(ours) == 1
    assert said in ours[0]
