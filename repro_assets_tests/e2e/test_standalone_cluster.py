"""The chain on a standalone cluster: the same digests as in the driver, and run again by its own capsule there."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from repro_assets.sample.generate import generate
from repro_assets_tests.installation import REPRO, Installation, wait_until

pytestmark = [pytest.mark.spark, pytest.mark.long]

CLUSTER = "standalone-3x1-v1"
FEWER = "standalone-2x1-v1"
ON_COMPUTE = ("features", "model", "predictions")


@pytest.fixture(scope="module")
def one_key(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Installation, str]]:
    """An installation with one data version; its cluster is down afterwards."""
    folder = tmp_path_factory.mktemp("cluster")
    installation = Installation.make(folder)
    feed = generate(folder / "feed", versions=1)
    installation.json("ingest", "covid_cases", *map(str, feed.covid_files))
    installation.json("ingest", "job_changes", *map(str, feed.job_files))
    yield installation, installation.json("versions")["versions"][0]["key"]
    installation.repro("cluster", "down", "--all")


@pytest.fixture(scope="module")
def on_workers(one_key: tuple[Installation, str]) -> dict[str, Any]:
    """The run on three workers."""
    installation, key = one_key
    assert installation.json("cluster", "up", CLUSTER)["workers"] == 3
    return installation.json("run", key, "--cluster", CLUSTER)["runs"][0]


def stages_told(err: Path, key: str) -> list[str]:
    """The lines of progress that a run has printed so far, one per stage that is done."""
    return [line for line in err.read_text().splitlines() if line.startswith(f"{key}  ")]


def digests(run: dict[str, Any]) -> dict[str, str]:
    """Output digest of every asset of a run."""
    return {name: asset["output_digest"] for name, asset in run["assets"].items()}


def test_a_cluster_that_is_not_up_is_one_line_with_the_command(one_key: tuple[Installation, str]) -> None:
    installation, key = one_key
    done = installation.repro("run", key, "--cluster", "standalone-2x1-v1")

    assert done.returncode == 4
    assert done.stderr.splitlines()[-1].endswith("is not up. Run `repro cluster up standalone-2x1-v1`")


def test_a_cluster_of_databricks_is_refused_with_what_it_would_need(one_key: tuple[Installation, str]) -> None:
    installation, key = one_key
    done = installation.repro("run", key, "--cluster", "databricks-15-4-v1")

    assert done.returncode == 2
    assert "It would need a workspace" in done.stderr.splitlines()[-1]


def test_the_digests_are_those_of_a_run_in_the_driver_and_the_identities_are_not(
    one_key: tuple[Installation, str], on_workers: dict[str, Any]
) -> None:
    installation, key = one_key
    alone = installation.json("run", key, "--force")["runs"][0]["assets"]

    assert digests({"assets": alone}) == digests(on_workers)
    other = {name for name in alone if alone[name]["identity"] != on_workers["assets"][name]["identity"]}
    assert other == set(ON_COMPUTE)


def test_the_run_s_receipt_holds_its_executors_and_no_secret(
    one_key: tuple[Installation, str], on_workers: dict[str, Any]
) -> None:
    installation, _ = one_key
    secret = (installation.var / "clusters" / CLUSTER / "client.conf").read_text().split()[1]
    receipts = list(Path(installation.var / "mlflow").rglob("receipt.json"))

    assert any('"executors": 3' in receipt.read_text() for receipt in receipts)
    stored = [path for folder in ("mlflow", "dagster", "lake") for path in (installation.var / folder).rglob("*")]
    assert not [path for path in stored if path.is_file() and secret.encode() in path.read_bytes()]


def test_it_is_run_again_on_the_cluster_by_its_own_capsule(
    one_key: tuple[Installation, str], on_workers: dict[str, Any]
) -> None:
    installation, _ = one_key
    answer = installation.json("reproduce", on_workers["mlflow_run_id"], "--strict")

    assert answer["verdict"] == "IDENTICAL"
    assert all(stage["equal"] for stage in answer["stages"])


def test_with_a_worker_less_it_is_the_same_and_the_cluster_is_named_as_replaced(
    one_key: tuple[Installation, str], on_workers: dict[str, Any]
) -> None:
    installation, _ = one_key
    installation.json("cluster", "up", FEWER)
    answer = installation.json("reproduce", on_workers["mlflow_run_id"], "--with", f"cluster={FEWER}", "--force")

    assert answer["verdict"] == "IDENTICAL"
    assert all(stage["equal"] for stage in answer["stages"])
    assert answer["swapped"] == ["compute"]
    assert FEWER in json.dumps(answer["components"]["compute"]["found"])


def test_another_secret_is_one_line_at_once_and_nothing_is_computed(
    one_key: tuple[Installation, str], on_workers: dict[str, Any]
) -> None:
    installation, key = one_key
    path = installation.var / "clusters" / CLUSTER / "client.conf"
    before = path.read_text()
    path.write_text(f"spark.authenticate.secret {'0' * 64}\n")
    try:
        done = installation.repro("run", key, "--force", "--cluster", CLUSTER)
    finally:
        path.write_text(before)

    assert done.returncode == 4
    assert f"the secret of cluster {CLUSTER} is not the one it was started with" in done.stderr.splitlines()[-1]


@pytest.fixture(scope="module")
def after_a_kill(
    one_key: tuple[Installation, str], on_workers: dict[str, Any], tmp_path_factory: pytest.TempPathFactory
) -> tuple[int, str, str]:
    """A run of which a worker is killed when the first stage is done and five are to come: exit code, document, text."""
    installation, key = one_key
    worker = installation.json("cluster", "show", CLUSTER)["processes"]["worker-1"]
    folder = tmp_path_factory.mktemp("killed")
    out, err = folder / "out", folder / "err"
    with out.open("w") as document, err.open("w") as text:
        run = subprocess.Popen(
            [str(REPRO), "run", key, "--force", "--cluster", CLUSTER, "--json"],
            env=installation.environment(),
            stdout=document,
            stderr=text,
        )
        wait_until(lambda: run.poll() is not None or stages_told(err, key) or None, seconds=900)
        assert run.poll() is None, err.read_text()
        os.kill(worker, signal.SIGKILL)
        code = run.wait()
    assert stages_told(err, key), "it was killed before anything was computed"
    return code, out.read_text(), err.read_text()


def test_a_worker_killed_between_two_stages_is_one_line_or_the_right_digests(
    on_workers: dict[str, Any], after_a_kill: tuple[int, str, str]
) -> None:
    code, out, err = after_a_kill

    assert "Traceback" not in err
    if code == 0:
        assert digests(json.loads(out)["runs"][0]) == digests(on_workers)
    else:
        assert code == 4, err
        assert out == ""
        assert f"cluster {CLUSTER}" in err.splitlines()[-1]


def test_nothing_that_the_run_with_the_killed_worker_left_is_another_result(
    one_key: tuple[Installation, str], on_workers: dict[str, Any], after_a_kill: tuple[int, str, str]
) -> None:
    installation, key = one_key
    expected = {(asset, digest) for asset, digest in digests(on_workers).items()}
    markers = (installation.var / "lake").glob(f"*/{key}/*/_COMPLETE.json")
    stored = {(marker.parents[2].name, json.loads(marker.read_text())["digest"]) for marker in markers}
    with installation.dagster() as instance:
        events = {
            (name, str(record.asset_materialization.metadata["output_digest"].value))
            for name in on_workers["assets"]
            for record in instance.fetch_materializations(dg.AssetKey(name), limit=100).records
            if record.asset_materialization is not None
        }

    assert stored == {(asset, digest) for asset, digest in expected if (installation.var / "lake" / asset).is_dir()}
    assert events == expected
    assert installation.json("verify", "--all")["damaged"] == []


def test_started_anew_after_a_killed_worker_the_cluster_gives_the_same_digests(
    one_key: tuple[Installation, str], on_workers: dict[str, Any], after_a_kill: tuple[int, str, str]
) -> None:
    installation, key = one_key
    assert installation.json("cluster", "show", CLUSTER)["state"] == "partly up"
    installation.json("cluster", "down", CLUSTER)
    assert installation.json("cluster", "up", CLUSTER)["workers"] == 3

    assert digests(installation.json("run", key, "--force", "--cluster", CLUSTER)["runs"][0]) == digests(on_workers)
