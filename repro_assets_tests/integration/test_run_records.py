"""Past runs read back from a real MLflow store, each manifest checked, and verdicts written to it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import dagster as dg
import pytest

from repro_assets.errors import BadInput, Blocked, DataDamaged
from repro_assets.experiment import EXPERIMENT
from repro_assets.pins.contract import Result
from repro_assets.pins.manifest import manifest_digest, run_manifest
from repro_assets.pins.verdict import Evidence, Verdict, blocked, judge
from repro_assets.resources.reproduction.reproducing import Reproduction
from repro_assets.resources.reproduction.verdict_runs import log_verdict, reproduced, verdicts_on
from repro_assets.resources.tracking.records import log_documents
from repro_assets.resources.tracking.run_lookup import find_parent
from repro_assets.resources.tracking.run_records import load_record
from repro_assets.resources.tracking.store import connect, initialise
from repro_assets.settings import Settings
from repro_assets_tests.unit.pins.run_records import KEY, ORDER, manifest

DAGSTER_RUN = "12345678-1234-4234-8234-123456789abc"


class Store:
    """A store with one past run of the whole chain."""

    def __init__(self, settings: Settings) -> None:
        self.experiment = initialise(settings, EXPERIMENT.name)
        self.client = connect(settings.mlflow_tracking_uri)
        self.parent = self.run({"repro.data_version": KEY, "dagster_run_id": DAGSTER_RUN})
        self.nested: dict[str, str] = {}
        stages: dict[str, Any] = {}
        for asset in ORDER:
            run = self.run({"mlflow.parentRunId": self.parent, "repro.asset": asset, "repro.data_version": KEY})
            document = manifest(asset, inputs=self._inputs(asset))
            self.write(run, document)
            self.nested[asset] = run
            stages[asset] = {"state": "computed", "mlflow_run_id": run, "manifest_sha256": manifest_digest(document)}
        self.write(self.parent, run_manifest(KEY, stages, {"dagster": DAGSTER_RUN, "mlflow": self.parent}))
        self.client.set_terminated(self.parent, "FINISHED")

    def record(self, run: str | None = None) -> Any:
        return load_record(self.client, self.client.get_run(run or self.parent))

    def find(self, name: str) -> str:
        with dg.DagsterInstance.ephemeral() as instance:
            return str(find_parent(self.client, self.experiment, name, instance).info.run_id)

    def artifact(self, run: str, name: str = "manifest.json") -> Path:
        uri = self.client.get_run(run).info.artifact_uri
        return Path(unquote(uri.removeprefix("file://"))) / name

    def tags(self, run: str) -> dict[str, str]:
        return dict(self.client.get_run(run).data.tags)

    def lone(self, asset: str) -> str:
        """A run that made one asset only, of what stood upstream."""
        parent = self.run({"repro.data_version": KEY})
        stage = {"mlflow_run_id": self.nested[asset], "manifest_sha256": manifest_digest(self.document(asset))}
        self.write(parent, run_manifest(KEY, {asset: stage}, {"dagster": "d", "mlflow": parent}))
        return parent

    def document(self, asset: str) -> dict[str, Any]:
        return dict(json.loads(self.artifact(self.nested[asset]).read_text()))

    def _inputs(self, asset: str) -> dict[str, Any]:
        upstream = {"train_test_snapshot": ORDER[:2], "features": ORDER[2:3], "model": ORDER[3:4]}
        names = upstream.get(asset, ORDER[3:5] if asset == "predictions" else ())
        return {
            name: {
                "identity": f"identity of {name}",
                "digest": f"digest of {name}",
                "mlflow_run_id": self.nested[name],
            }
            for name in names
        }

    def run(self, tags: dict[str, str]) -> str:
        return str(self.client.create_run(self.experiment, tags=tags).info.run_id)

    def write(self, run: str, document: dict[str, Any]) -> None:
        log_documents(self.client, run, {"manifest.json": json.dumps(document, sort_keys=True)})
        self.client.set_tag(run, "repro.manifest", manifest_digest(document))


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    from repro_assets import settings

    return Store(settings.load({"REPRO_VAR": str(tmp_path_factory.mktemp("store"))}))


def test_a_run_is_read_back_with_its_stages_upstream_first(store: Store) -> None:
    record = store.record()
    assert tuple(record.stages) == ORDER
    assert (record.mlflow_run_id, record.dagster_run_id, record.data_version) == (store.parent, DAGSTER_RUN, KEY)
    assert record.stages["model"].mlflow_run_id == store.nested["model"]


def test_a_run_that_made_one_asset_is_completed_by_what_that_was_made_of(store: Store) -> None:
    record = store.record(store.lone("model"))
    assert set(record.stages) == set(ORDER[:5])
    assert record.last.asset == "model"
    assert list(record.stages).index("features") > list(record.stages).index("train_test_snapshot")


@pytest.mark.parametrize("asset", ["covid_cases", "features", "predictions"])
def test_a_manifest_that_was_edited_is_refused_with_its_run(store: Store, asset: str) -> None:
    path = store.artifact(store.nested[asset])
    whole = path.read_text()
    path.write_text(whole.replace('"caveat": "made up"', '"caveat": "forged"'))
    try:
        with pytest.raises(DataDamaged, match=f"not the one that was recorded .MLflow run {store.nested[asset]}"):
            store.record()
    finally:
        path.write_text(whole)


@pytest.mark.parametrize("asset", ORDER)
def test_a_manifest_edited_together_with_its_tag_is_refused_by_the_manifest_above_it(store: Store, asset: str) -> None:
    run = store.nested[asset]
    path, tag = store.artifact(run), store.tags(run)["repro.manifest"]
    whole = path.read_text()
    forged = {**json.loads(whole), "caveat": "forged"}
    path.write_text(json.dumps(forged))
    store.client.set_tag(run, "repro.manifest", manifest_digest(forged))
    try:
        with pytest.raises(DataDamaged, match="not the one that was recorded"):
            store.record()
    finally:
        path.write_text(whole)
        store.client.set_tag(run, "repro.manifest", tag)


def test_a_run_that_confirmed_standing_outputs_is_read_by_its_own_stages(store: Store) -> None:
    """What it made names the standing output, which an earlier run computed; its own manifest of it is another one."""
    parent = store.run({"repro.data_version": KEY})
    stages: dict[str, Any] = {}
    for asset in ORDER:
        run = store.run({"mlflow.parentRunId": parent})
        document = {**store.document(asset), "runs": {"dagster": "later", "mlflow": run}}
        store.write(run, document)
        stages[asset] = {"mlflow_run_id": run, "manifest_sha256": manifest_digest(document)}
    store.write(parent, run_manifest(KEY, stages, {"dagster": "later", "mlflow": parent}))
    record = store.record(parent)
    assert {asset: stage.mlflow_run_id for asset, stage in record.stages.items()} == {
        asset: stage["mlflow_run_id"] for asset, stage in stages.items()
    }


def test_a_stage_made_of_another_output_than_the_one_upstream_is_refused(store: Store) -> None:
    made_of = {**store.document("features")["inputs"]["train_test_snapshot"], "digest": "another"}
    lone = store.run({"repro.data_version": KEY})
    document = {**store.document("features"), "inputs": {"train_test_snapshot": made_of}}
    store.write(lone, document)
    parent = store.run({"repro.data_version": KEY})
    stage = {"mlflow_run_id": lone, "manifest_sha256": manifest_digest(document)}
    store.write(parent, run_manifest(KEY, {"features": stage}, {"dagster": "d", "mlflow": parent}))
    with pytest.raises(DataDamaged, match="the manifest of features was made of another train_test_snapshot"):
        store.record(parent)


def test_a_manifest_that_is_gone_blocks(store: Store) -> None:
    path = store.artifact(store.nested["features"])
    whole = path.read_text()
    path.unlink()
    try:
        with pytest.raises(Blocked, match=r"manifest\.json of a run is gone"):
            store.record()
    finally:
        path.write_text(whole)


def test_a_run_that_ended_before_its_first_stage_is_none_to_read(store: Store) -> None:
    empty = store.client.create_run(store.experiment).info.run_id
    with pytest.raises(BadInput, match="ended before its first stage did"):
        store.record(empty)


@pytest.mark.parametrize("name", ["parent", "nested", "dagster", "key"])
def test_a_run_is_found_by_any_of_its_names(store: Store, name: str) -> None:
    names = {"parent": store.parent, "nested": store.nested["model"], "dagster": DAGSTER_RUN, "key": KEY}
    assert store.find(names[name]) == store.parent


@pytest.mark.parametrize("name", ["f" * 32, "key-that-never-was", "' OR 1=1 --", "../../x", ""])
def test_what_names_no_run_is_refused(store: Store, name: str) -> None:
    with pytest.raises(BadInput, match="no such run"):
        store.find(name)


def _identical(store: Store) -> Verdict:
    record = store.record()
    return judge(record, Result(record.stages, "a" * 64, 2.0), Evidence(), blocking=(), numeric=())


def test_a_verdict_is_a_run_of_its_own_linked_both_ways_and_counted(store: Store) -> None:
    original = store.client.get_run(store.parent)
    record = store.record()
    own = log_verdict(
        store.client,
        original,
        Reproduction(_identical(store), record, Result(record.stages)),
        dagster_run_id="dagster-2",
    )
    assert store.tags(own)["repro.reproduces"] == store.parent
    assert store.tags(store.parent)["repro.verdict"] == "IDENTICAL"
    assert store.tags(store.parent)["repro.verdict.run"] == own
    assert store.tags(store.parent)["repro.reproduced"] == "1 of 1, on 1 host"
    assert json.loads(store.artifact(own, "verdict.json").read_text())["verdict"] == "IDENTICAL"
    assert store.client.get_run(own).info.status == "FINISHED"
    assert store.client.get_run(own).data.metrics["roc_auc"] == 0.75
    assert (store.find(own), store.find(KEY)) == (store.parent, store.parent)

    refused = log_verdict(
        store.client, original, Reproduction(blocked(store.parent, KEY, ["gone"])), dagster_run_id=None
    )
    assert store.tags(store.parent)["repro.verdict"] == "BLOCKED"
    assert store.tags(store.parent)["repro.reproduced"] == "1 of 1, on 1 host"
    assert [witness["run"] for witness in verdicts_on(store.client, store.parent)] == [own, refused]


def test_a_verdict_about_a_swapped_component_leaves_the_originals_tags_alone(store: Store) -> None:
    before = store.tags(store.parent)
    record = store.record()
    swapped = judge(record, Result(record.stages, "f" * 64), Evidence(swapped=("code",)), blocking=(), numeric=())
    own = log_verdict(store.client, store.client.get_run(store.parent), Reproduction(swapped), dagster_run_id=None)
    assert store.tags(store.parent) == before
    assert store.tags(own)["repro.swapped"] == "code"


def _witness(verdict: str, host: str, swapped: list[str] | None = None) -> dict[str, Any]:
    return {"verdict": verdict, "host": host, "swapped": swapped or []}


@pytest.mark.parametrize(
    ("witnesses", "said"),
    [
        ([], None),
        ([_witness("BLOCKED", "a")], None),
        ([_witness("IDENTICAL", "a")], "1 of 1, on 1 host"),
        ([_witness("IDENTICAL", "a"), _witness("EQUIVALENT", "b")], "2 of 2, on 2 hosts"),
        ([_witness("IDENTICAL", "a"), _witness("DIVERGED", "b")], "1 of 2, on 1 host"),
        ([_witness("IDENTICAL", "a"), _witness("BLOCKED", "b")], "1 of 1, on 1 host"),
        ([_witness("IDENTICAL", "a"), _witness("DIVERGED", "a", ["code"])], "1 of 1, on 1 host"),
    ],
    ids=[
        "none",
        "only blocked",
        "one",
        "two hosts",
        "one failed",
        "a blocked one was not tried",
        "a swapped one does not count",
    ],
)
def test_how_often_a_run_was_reproduced_in_words(witnesses: list[dict[str, Any]], said: str | None) -> None:
    assert reproduced(witnesses) == said
