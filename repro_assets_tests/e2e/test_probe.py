"""`repro probe` as it is used: real trials in processes of their own, and the tolerance that manifests state from then on."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from repro_assets import settings as settings_module
from repro_assets.pins.version_file import DIGESTS
from repro_assets.sample.generate import generate
from repro_assets_tests.installation import Installation

pytestmark = [pytest.mark.spark, pytest.mark.long]

FAMILY = "random_forest"
WORKERS = "standalone-2x1-v1"
VARIANTS = ("as it was", "BLAS kernel Nehalem")


class Probed(NamedTuple):
    """An installation with a copy of `envs`, its key, the run that was probed, and what the probe said."""

    installation: Installation
    env: dict[str, str]
    key: str
    run: dict[str, Any]
    said: dict[str, Any]

    @property
    def envs(self) -> Path:
        return Path(self.env["REPRO_ENVS"])


@pytest.fixture(scope="module")
def probed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Probed]:
    folder = tmp_path_factory.mktemp("probe")
    installation = Installation.make(folder)
    env = {"REPRO_ENVS": str(shutil.copytree(settings_module.load({}).envs, folder / "envs"))}
    feed = generate(folder / "feed", versions=1)
    installation.json("ingest", "covid_cases", *map(str, feed.covid_files), env=env)
    installation.json("ingest", "job_changes", *map(str, feed.job_files), env=env)
    key = installation.json("versions", env=env)["versions"][0]["key"]
    (run,) = installation.json("run", key, "--set", f"model.family={FAMILY}", env=env)["runs"]
    installation.json("cluster", "up", WORKERS, env=env)
    named = [word for name in VARIANTS for word in ("--variant", name)]
    try:
        said = installation.json("probe", run["mlflow_run_id"], *named, "--cluster", WORKERS, env=env)
        yield Probed(installation, env, key, run, said)
    finally:
        installation.repro("cluster", "down", "--all", env=env)


def test_every_variant_computes_every_stage_and_is_held_against_the_run(probed: Probed) -> None:
    expected = {asset: found["output_digest"] for asset, found in probed.run["assets"].items()}

    assert [one["name"] for one in probed.said["variants"]] == [*VARIANTS, f"cluster {WORKERS}"]
    assert [set(one["digests"]) for one in probed.said["variants"]] == [set(expected)] * 3
    assert probed.said["variants"][0]["digests"] == expected
    assert [one["reasons"] for one in probed.said["variants"]] == [[]] * 3


def test_each_trial_says_what_it_really_computed_with(probed: Probed) -> None:
    usual, kernel, workers = (one["effective"] for one in probed.said["variants"])

    assert (kernel["kernels"], usual["kernels"] == ["Nehalem"]) == (["Nehalem"], False)
    assert (usual["executors"], workers["executors"]) == (1, 2)
    assert workers["master"].startswith("spark://127.0.0.1:")


def test_what_was_seen_is_a_registered_file(probed: Probed) -> None:
    file = probed.envs / "tolerances" / probed.said["file"]
    document = json.loads(file.read_text())

    assert probed.said["written"]
    line = f"{hashlib.sha256(file.read_bytes()).hexdigest()}  tolerances/{file.name}"
    assert line in (probed.envs / DIGESTS).read_text().splitlines()
    assert (document["family"], len(document["variants"])) == (FAMILY, 3)


def test_the_next_run_of_the_family_states_it_and_one_of_another_family_does_not(probed: Probed) -> None:
    stated = []
    for words in (("--set", f"model.family={FAMILY}", "--force"), ("--set", "model.family=hist_gradient_boosting")):
        (run,) = probed.installation.json("run", probed.key, *words, env=probed.env)["runs"]
        stages = probed.installation.json("show", run["mlflow_run_id"], env=probed.env)["stages"]
        stated.append(stages["predictions"]["tolerance"])

    assert (stated[0]["source"], stated[0]["file"]) == ("measured", f"tolerances/{probed.said['file']}")
    assert {name: stated[0][name] for name in ("probability", "score")} == probed.said["tolerance"]
    assert stated[1]["source"] == "assumed"


def test_a_run_on_workers_is_varied_on_workers_of_its_own_that_are_gone_afterwards(probed: Probed) -> None:
    installation, env = probed.installation, probed.env
    (run,) = installation.json("run", probed.key, "--cluster", WORKERS, env=env)["runs"]
    said = installation.json(
        "probe", run["mlflow_run_id"], "--variant", "2 threads", "--variant", "one core", "--no-write", env=env
    )

    (trial,) = said["variants"]
    assert (trial["name"], trial["reasons"], trial["effective"]["threads"]) == ("2 threads", [], [2])
    assert trial["effective"]["executors"] == 2
    assert [path.name for path in (installation.var / "clusters").iterdir() if path.is_dir()] == [WORKERS]
