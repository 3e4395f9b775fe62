"""A past result run again: after everything around it has changed, and after its inputs were damaged.

One run is made by a clone of the project. Then the clone is edited and committed, newer rows arrive, files are
rewritten; the run has to come out the same. Afterwards each input is damaged, judged, and put back.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psutil
import pytest
from deltalake import DeltaTable, write_deltalake

from repro_assets import settings as settings_module
from repro_assets.errors import BadInput
from repro_assets.experiment import EXPERIMENT
from repro_assets.pins.contract import Request
from repro_assets.pins.run_record import RunRecord
from repro_assets.pins.verdict import Verdict
from repro_assets.resources.code.capsule_store import unpack
from repro_assets.resources.raw.raw_tables import RawTables
from repro_assets.resources.reproduction.capsule_process import run_capsule, write_envs
from repro_assets.resources.reproduction.preflight import Surroundings
from repro_assets.resources.reproduction.reproducing import Way, reproduce
from repro_assets.resources.reproduction.workspaces import Workspace, workspace
from repro_assets.resources.tracking.run_records import load_record
from repro_assets.resources.tracking.store import connect, initialise
from repro_assets.sample.generate import generate
from repro_assets.steps.feature_columns import ORDINALS
from repro_assets.steps.model_inference import PROBABILITIES
from repro_assets_tests.edited_sources import DEFAULT, FORMULA, PROBABILITY, SALT, commit, copy_sources, edit
from repro_assets_tests.installation import REPRO, Installation

pytestmark = [pytest.mark.spark, pytest.mark.slow]

# A capsule of this project from an older commit, what it was asked for, and what it answered then.
KEPT = Path(__file__).parents[1] / "kept"
KEY = "covid_cases-v000000--job_changes-v000000"
CHOSEN = ["--set", "model.family=random_forest", "--set", "model.n_estimators=20", "--set", "predictions.threshold=0.4"]
ELSEWHERE = {"TZ": "Asia/Kathmandu", "LANG": "C", "LC_ALL": "C", "PYTHONHASHSEED": "4711", "USER": "somebody"}


@dataclass(frozen=True)
class Past:
    """A run, and the installation and sources that it was made with.

    Attributes:
        installation: State.
        sources: Clone of the project that made the run; edited since.
        run: Its entry in the `run` document.
    """

    installation: Installation
    sources: Path
    run: dict[str, Any]

    @property
    def code(self) -> dict[str, str]:
        """Environment in which the clone's sources are the live code."""
        return {"PYTHONPATH": str(self.sources), "REPRO_PROJECT": str(self.sources)}

    @property
    def settings(self) -> settings_module.Settings:
        return settings_module.load({"REPRO_VAR": str(self.installation.var)})

    def judge(self, touch: Callable[[Workspace], None] = lambda _: None) -> Verdict:
        """The verdict of the current code, asked in this process."""
        here = self.settings
        initialise(here, EXPERIMENT.name)
        client = connect(here.mlflow_tracking_uri)
        parent = client.get_run(self.run["mlflow_run_id"])
        tables = RawTables(lake=here.lake)
        around = Surroundings(here, tables, client, datetime.now(UTC))
        way = Way(here, lambda _: None, lambda record, replaced: around.judge(record, replaced).reasons, touch=touch)
        return reproduce(client, parent, way).verdict

    def record(self) -> RunRecord:
        """What the run recorded."""
        client = connect(self.settings.mlflow_tracking_uri)
        return load_record(client, client.get_run(self.run["mlflow_run_id"]))


def _files(folder: Path) -> list[Path]:
    return sorted(folder.rglob("*"))


@pytest.fixture(scope="module")
def past(tmp_path_factory: pytest.TempPathFactory) -> Past:
    """A run with parameters of its own; then other sources, a newer publication, and rewritten files."""
    folder = tmp_path_factory.mktemp("past")
    installation, sources = Installation.make(folder), copy_sources(folder / "sources")
    past = Past(installation, sources, {})
    feed = generate(folder / "feed", versions=2)
    installation.json("ingest", "covid_cases", str(feed.covid_files[0]), env=past.code)
    installation.json("ingest", "job_changes", *map(str, feed.job_files), env=past.code)
    run = installation.json("run", KEY, *CHOSEN, env=past.code)["runs"][0]
    edit(sources / SALT[0], SALT[1])
    edit(sources / DEFAULT[0], DEFAULT[1])
    commit(sources, "another salt, another default")
    edit(sources / FORMULA[0], FORMULA[1])
    installation.json("ingest", "covid_cases", str(feed.covid_files[1]), env=past.code)
    return Past(installation, sources, run)


@pytest.fixture(scope="module")
def optimized(past: Past, spark: Any) -> Past:
    """OPTIMIZE wrote the rows of both tables into other files."""
    # Of a table of persons the log keeps no statistics, and Delta wants to be told that it is sorted all the same.
    checked = "spark.databricks.delta.optimize.zorder.checkStatsCollection.enabled"
    spark.conf.set(checked, "false")
    for table in EXPERIMENT.raw_tables:
        where = past.installation.var / "lake" / "raw" / table.name
        spark.sql(f"OPTIMIZE delta.`{where}` ZORDER BY ({table.keys[0]})")
    spark.conf.unset(checked)
    return past


@contextmanager
def _changed(path: Path, content: bytes | None) -> Iterator[None]:
    """Another content, or none, for a while."""
    whole = path.read_bytes()
    if content is None:
        path.unlink()
    else:
        path.write_bytes(content)
    try:
        yield
    finally:
        path.write_bytes(whole)


def _flipped(content: bytes) -> bytes:
    middle = len(content) // 2
    return content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]


def test_a_run_is_identical_after_everything_around_it_has_changed(optimized: Past, tmp_path: Path) -> None:
    before = os.umask(0o077)
    try:
        found = optimized.installation.json(
            "reproduce",
            optimized.run["mlflow_run_id"],
            "--strict",
            env={**optimized.code, **ELSEWHERE},
            cwd=tmp_path,
        )
    finally:
        os.umask(before)
    assert found["verdict"] == "IDENTICAL"
    assert all(component["equal"] for component in found["components"].values())
    assert {stage["asset"]: stage["found"] for stage in found["stages"]} == {
        name: asset["output_digest"] for name, asset in optimized.run["assets"].items()
    }
    assert len(optimized.installation.json("versions")["versions"]) == 2


@pytest.mark.parametrize(
    ("planted", "first"), [(FORMULA, "features"), (PROBABILITY, "predictions")], ids=["a feature", "a probability"]
)
def test_a_change_planted_in_the_capsules_copy_diverges_at_its_stage_and_no_earlier(
    past: Past, planted: tuple[str, tuple[str, str]], first: str
) -> None:
    live = _files(past.installation.var / "lake")
    verdict = past.judge(lambda place: edit(place.code / planted[0], planted[1]))
    assert verdict.word == "DIVERGED", verdict.reasons
    assert verdict.first_difference == first
    assert verdict.largest_difference is not None
    at = [stage.asset for stage in verdict.stages].index(first)
    assert [stage.equal for stage in verdict.stages] == [True] * at + [False] * (len(verdict.stages) - at)
    assert [component.name for component in verdict.components if not component.equal] == ["code"]
    # The old process wrote nothing into the live lake.
    assert _files(past.installation.var / "lake") == live
    difference = verdict.differences[first]
    assert (difference.missing, difference.added, difference.keys) == (0, 0, ("enrollee_id",))
    assert set(difference.columns) <= {*ORDINALS, *PROBABILITIES.values()}
    assert difference.largest is not None
    assert difference.largest > 0


def _log(past: Past, table: str) -> Path:
    return past.installation.var / "lake" / "raw" / table / "_delta_log" / f"{0:020d}.json"


def _capsule(past: Past) -> Path:
    return past.settings.capsules / f"{past.record().code['capsule']}.tar.gz"


def _model(past: Past) -> Path:
    asset = past.run["assets"]["model"]
    return next(
        path for path in past.installation.stored_files("model", KEY, asset["identity"]) if path.suffix == ".skops"
    )


def _tracked_model(past: Past) -> Path:
    return next((past.installation.var / "mlflow" / "artifacts").rglob("model.skops"))


def _artifact(past: Past, asset: str, name: str) -> Path:
    return past.installation.artifact_folder(past.run["assets"][asset]["mlflow_run_id"]) / name


def _another_table(content: bytes) -> bytes:
    line = next(line for line in content.splitlines() if line.startswith(b'{"metaData"'))
    return content.replace(json.loads(line)["metaData"]["id"].encode(), b"00000000-0000-4000-8000-000000000000")


DAMAGE: dict[str, tuple[Callable[[Past], Path], Callable[[bytes], bytes | None], str]] = {
    "a removed commit": (
        lambda past: _log(past, "covid_cases"),
        lambda _: None,
        "VersionExpired: version 0 of covid_cases",
    ),
    "a changed commit": (lambda past: _log(past, "covid_cases"), lambda old: old + b"\n", "PinChanged: version 0"),
    "another table": (lambda past: _log(past, "job_changes"), _another_table, "TableReplaced: another table"),
    "a deleted capsule": (_capsule, lambda _: None, "Blocked: the code capsule is gone"),
    "a changed capsule": (
        _capsule,
        lambda old: gzip.compress(_flipped(gzip.decompress(old)), mtime=0),
        "DataDamaged: a code capsule is damaged",
    ),
    "a changed manifest": (
        lambda past: _artifact(past, "features", "manifest.json"),
        lambda old: old.replace(b'"rows": ', b'"rows": 1'),
        "DataDamaged: a manifest is not the one that was recorded",
    ),
    "a manifest that is gone": (
        lambda past: _artifact(past, "model", "manifest.json"),
        lambda _: None,
        "Blocked: manifest.json of a run is gone",
    ),
    "an exchanged model": (_model, _flipped, "DataDamaged: a file of model is damaged"),
    "an exchanged model in MLflow": (_tracked_model, _flipped, "DataDamaged: a model file in MLflow"),
    "a changed lock": (
        lambda past: _artifact(past, "predictions", "ml-v1.lock"),
        lambda old: old + b"\n",
        "ml-v1.lock of a run is not the one that was recorded",
    ),
    "a changed cluster file": (
        lambda past: _artifact(past, "predictions", "cluster.json"),
        lambda old: old + b"\n",
        "cluster.json of a run is not the one that was recorded",
    ),
}


@pytest.mark.parametrize(("where", "how", "said"), DAMAGE.values(), ids=DAMAGE.keys())
def test_what_is_gone_or_changed_blocks_with_its_name(
    past: Past, where: Callable[[Past], Path], how: Callable[[bytes], bytes | None], said: str
) -> None:
    path = where(past)
    with _changed(path, how(path.read_bytes())):
        verdict = past.judge()
    assert verdict.word == "BLOCKED"
    assert any(said in reason for reason in verdict.reasons), verdict.reasons


def test_a_table_made_anew_with_the_same_rows_blocks(past: Past, tmp_path: Path) -> None:
    table = past.installation.var / "lake" / "raw" / "job_changes"
    rows = DeltaTable(table, version=0).to_pyarrow_table()
    shutil.move(table, tmp_path / "aside")
    try:
        write_deltalake(table, rows)
        verdict = past.judge()
    finally:
        shutil.rmtree(table)
        shutil.move(tmp_path / "aside", table)
    assert verdict.word == "BLOCKED"
    assert any("TableReplaced" in reason for reason in verdict.reasons), verdict.reasons


def test_a_model_exchanged_together_with_its_marker_blocks(past: Past) -> None:
    """The marker names the other file's size and SHA-256; only the manifest knows what state the model had."""
    model = _model(past)
    others = [path for path in past.installation.stored_files("model", KEY, model.parents[2].name) if path != model]
    other = others[0].read_bytes()
    marker = model.parents[2] / "_COMPLETE.json"
    said = marker.read_text(encoding="utf-8")
    for form in (lambda content: hashlib.sha256(content).hexdigest(), lambda content: f'"bytes":{len(content)}'):
        before, after = form(model.read_bytes()), form(other)
        assert before in said
        said = said.replace(before, after)
    with _changed(model, other), _changed(marker, said.encode()):
        verdict = past.judge()
    assert verdict.word == "BLOCKED"
    named = "what is stored of model is not what its manifest names"
    assert any(named in reason for reason in verdict.reasons), verdict.reasons


def test_a_flipped_bit_in_a_raw_data_file_blocks_with_the_files_name(past: Past) -> None:
    added = [json.loads(line) for line in _log(past, "job_changes").read_text().splitlines()]
    name = next(action["add"]["path"] for action in added if "add" in action)
    file = _log(past, "job_changes").parents[1] / name
    with _changed(file, _flipped(file.read_bytes())):
        done = past.installation.repro("reproduce", KEY, "--json")
    found = json.loads(done.stdout)
    assert done.returncode == 3
    assert found["verdict"] == "BLOCKED"
    assert any("DataDamaged" in reason and name in reason for reason in found["reasons"]), found["reasons"]
    assert "Traceback" not in done.stderr


def test_all_reasons_come_at_once_and_the_verdict_stands_on_the_original_though_it_is_blocked(past: Past) -> None:
    with _changed(_capsule(past), None), _changed(_log(past, "covid_cases"), None):
        done = past.installation.repro("reproduce", past.run["mlflow_run_id"], "--json")
    found = json.loads(done.stdout)
    assert done.returncode == 3
    assert len(found["reasons"]) == 2
    tags = past.installation.tags(past.run["mlflow_run_id"])
    assert (tags["repro.verdict"], tags["repro.verdict.run"]) == ("BLOCKED", found["reproduction_run"])
    assert "Traceback" not in done.stderr


def test_a_capsule_kept_from_an_older_commit_answers_as_it_did(past: Past) -> None:
    kept = json.loads((KEPT / "kept.json").read_text())
    request, here = Request.from_document(kept["request"], "kept.json"), past.settings
    with workspace(here, request.data_version) as place:
        unpack(KEPT / f"{kept['capsule']}.tar.gz", kept["capsule"], place.code)
        envs = ("conda/ml-v1.lock", "conda/ml-v1.yaml", "clusters/local-v1.json")
        write_envs(place, {name: (place.code / "envs" / name).read_bytes() for name in envs})
        result = run_capsule(
            request,
            place,
            python=Path(sys.executable),
            settings=here,
            variables=settings_module.kernel_variables({}),
            progress=lambda _: None,
        )
    assert result.failure is None
    assert result.capsule == kept["capsule"]
    assert {asset: stage.output_digest for asset, stage in result.stages.items()} == kept["outputs"]
    assert {asset: stage.identity for asset, stage in result.stages.items()} == kept["identities"]
    assert result.stages["predictions"].metrics == kept["metrics"]


def test_an_interrupt_ends_the_old_process_and_leaves_no_workspace(past: Past) -> None:
    with subprocess.Popen(
        [str(REPRO), "reproduce", KEY], env=past.installation.environment(), stderr=subprocess.PIPE, text=True
    ) as process:
        started = next(line for line in process.stderr or () if line.startswith("capsule "))
        process.send_signal(signal.SIGTERM)
        rest = process.stderr.read() if process.stderr else ""
        assert process.wait() == 130, rest
    assert started
    assert "Traceback" not in rest
    assert list((past.installation.var / "reproductions").iterdir()) == []
    told = [" ".join(one.info["cmdline"] or ()) for one in psutil.process_iter(["cmdline"])]
    assert not [line for line in told if str(past.installation.var) in line]


def test_a_run_that_is_none_is_wrong_use(past: Past) -> None:
    done = past.installation.repro("reproduce", "f" * 32)
    assert done.returncode == 2
    assert "no such run" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("status", ["FAILED", "RUNNING"])
def test_a_run_that_did_not_finish_has_no_result_to_get_again(past: Past, status: str) -> None:
    client = connect(past.settings.mlflow_tracking_uri)
    client.update_run(past.run["mlflow_run_id"], status=status)
    try:
        with pytest.raises(BadInput, match=f"only a run that finished .*{status}"):
            past.judge()
    finally:
        client.update_run(past.run["mlflow_run_id"], status="FINISHED")
