"""`repro diff` of two runs in a real MLflow store, with their capsules, locks and snapshots. No JVM."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import dagster as dg
import pyarrow as pa
import pytest

from repro_assets import settings as settings_module
from repro_assets.experiment import EXPERIMENT
from repro_assets.pins.capsule import Entry, pack
from repro_assets.pins.output import Output, output_digest
from repro_assets.resources.code.capsule_store import capsule_path, keep
from repro_assets.resources.outputs.lake import Lake, new_attempt
from repro_assets.resources.tracking.store import connect, initialise
from repro_assets.verbs.diff import Difference, diff
from repro_assets.verbs.diff_printing import lines
from repro_assets_tests.integration.recorded_runs import record_run
from repro_assets_tests.unit.pins.run_records import KEY, ORDER, data_pin, manifest

LOCK = "numpy=={} --hash=sha256:" + "0" * 64 + "\n"
PEOPLE = {"train": [1, 2], "test": [3], "unlabelled": [4]}


class Installation:
    """Runs with everything that a difference looks at."""

    def __init__(self, var: Path) -> None:
        self.settings = settings_module.load({"REPRO_VAR": str(var)})
        self.experiment = initialise(self.settings, EXPERIMENT.name)
        self.client: Any = connect(self.settings.mlflow_tracking_uri)
        self.lake = Lake(uri=self.settings.lake)

    def run(
        self,
        *,
        source: bytes = b"x = 1\n",
        numpy: str = "2.4.6",
        people: Mapping[str, Sequence[int]] = PEOPLE,
        cases: Mapping[str, Any] | None = None,
        **by_asset: Mapping[str, Any],
    ) -> str:
        """A run of the chain; by default always the same one."""
        capsule = keep(pack([Entry("repro_assets/steps/split.py", source)]), self.settings.capsules)
        entries: dict[str, dict[str, Any]] = {asset: dict(by_asset.get(asset, {})) for asset in ORDER}
        snapshot = self._snapshot(people)
        entries["train_test_snapshot"] |= {
            "identity": {"digest": snapshot.identity},
            "output": {
                "digest": snapshot.digest,
                "location": "",
                "parts": [
                    {"name": one.name, "kind": "table", "digest": one.digest, "rows": 1} for one in snapshot.parts
                ],
            },
        }
        for asset in ORDER:
            entries[asset]["pins"] = self._pins(asset, capsule, source, cases or {})
        return record_run(self.client, self.experiment, manifests=entries, documents={"ml-v1.lock": LOCK.format(numpy)})

    def diff(self, first: str, second: str) -> Difference:
        with dg.DagsterInstance.ephemeral() as instance:
            return diff(first, second, self.settings, instance, no_spark)

    def _snapshot(self, people: Mapping[str, Sequence[int]]) -> Output:
        identity = json.dumps({part: sorted(keys) for part, keys in people.items()}).encode().hex()[:64]
        attempt = new_attempt(self.lake.folder("train_test_snapshot", KEY, identity))
        tables = {part: pa.table({"enrollee_id": pa.array(keys, pa.int64())}) for part, keys in people.items()}
        parts = tuple(self.lake.write_arrow(attempt, part, table) for part, table in tables.items())
        digest = output_digest({part.name: part.digest for part in parts})
        output = Output("train_test_snapshot", KEY, identity, digest, parts, {}, {}, "r", "r", "r", "m")
        return self.lake.complete(output)

    def _pins(self, asset: str, capsule: str, source: bytes, cases: Mapping[str, Any]) -> dict[str, Any]:
        pins: dict[str, Any] = manifest(asset)["pins"]
        pins["code"] |= {"capsule": capsule, "closure": f"{asset} {source!r}" if asset == "features" else asset}
        pins["environment"]["effective"] |= {"python": "3.11.7", "java_major": 17}
        if "covid_cases" in pins["data"]:
            pins["data"]["covid_cases"] = data_pin("covid_cases") | cases
        return pins


def no_spark() -> Any:
    pytest.fail("rows are not to be compared: no JVM may start")


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Installation:
    return Installation(tmp_path_factory.mktemp("var"))


@pytest.fixture(scope="module")
def original(here: Installation) -> str:
    return here.run()


def sections(found: Difference) -> dict[str, Any]:
    """What the document says, without what is empty and who was compared."""
    document = found.as_document()
    return {name: value for name, value in document.items() if value and name not in ("schema", "from", "to")}


def test_a_run_has_no_difference_from_itself(here: Installation, original: str) -> None:
    assert sections(here.diff(original, original)) == {"same": True}


def test_two_runs_of_the_same_have_no_difference(here: Installation, original: str) -> None:
    assert sections(here.diff(original, here.run())) == {"same": True}


def test_every_key_of_the_document_is_there_also_where_it_is_empty(here: Installation, original: str) -> None:
    document = here.diff(original, original).as_document()

    assert document["schema"] == "repro-diff/1"
    assert [document[name] for name in ("data", "code", "environment", "compute", "parameters", "metrics")] == [{}] * 6


def test_sources_differ_by_file_line_and_stage(here: Installation, original: str) -> None:
    code = here.diff(original, here.run(source=b"x = 2\n")).code

    assert code["stages"] == ["features"]
    assert code["changed"] == ["repro_assets/steps/split.py"]
    assert code["patch"].endswith("-x = 1\n+x = 2\n")


def test_packages_parameters_and_metrics_that_differ_are_named(here: Installation, original: str) -> None:
    other = here.run(
        numpy="2.5.0", predictions={"parameters": {"threshold": 0.4}, "metrics": {"roc_auc": 0.5, "tp": 3}}
    )

    found = sections(here.diff(original, other))

    assert found == {
        "environment": {"packages": {"changed": {"numpy": {"from": "2.4.6", "to": "2.5.0"}}}},
        "parameters": {"predictions.threshold": {"from": None, "to": 0.4}},
        "metrics": {"predictions.roc_auc": {"from": 0.75, "to": 0.5, "change": -0.25}},
    }


def test_people_who_moved_are_counted_without_a_jvm(here: Installation, original: str) -> None:
    other = here.run(people={"train": [1], "test": [2, 3], "unlabelled": [4, 5]})

    assert here.diff(original, other).data["people"] == [
        {"from": "train", "to": "test", "rows": 1, "examples": [2]},
        {"from": None, "to": "unlabelled", "rows": 1, "examples": [5]},
    ]


def test_another_version_with_the_same_rows_is_compared_without_a_jvm(here: Installation, original: str) -> None:
    found = here.diff(original, here.run(cases={"version": 7, "commit_sha256": "e" * 64}))

    assert found.data == {"tables": {"covid_cases": {"rows": {"from": 10, "to": 10}, "versions": {"from": 0, "to": 7}}}}


def test_another_place_time_and_table_id_are_no_difference(here: Installation, original: str) -> None:
    other = here.run(cases={"uri": "s3://elsewhere", "timestamp": 5, "table_id": "other", "commit_sha256": "e" * 64})

    assert sections(here.diff(original, other)) == {"same": True}


def test_what_can_t_be_read_any_more_is_said_and_the_rest_is_compared(here: Installation, original: str) -> None:
    other = here.run(source=b"x = 3\n", model={"parameters": {"family": "other"}})
    capsule = here.diff(original, other).code["capsule"]["to"]
    capsule_path(here.settings.capsules, capsule).unlink()

    found = here.diff(original, other)

    assert found.parameters == {"model.family": {"from": None, "to": "other"}}
    assert "patch" not in found.code
    assert [line for line in found.not_compared if line.startswith("source files: Blocked: the code capsule is gone")]
    assert not replace(found, stages=[], code={}, parameters={}).same


def test_people_read_a_line_per_difference(here: Installation, original: str) -> None:
    other = here.run(
        source=b"x = 4\n",
        numpy="2.5.0",
        people={"train": [1], "test": [2, 3], "unlabelled": [4]},
        cases={"version": 7},
        predictions={"metrics": {"roc_auc": 0.5, "tp": 3}},
    )

    said = "\n".join(lines(here.diff(original, other)))

    for line in (
        "other results: train_test_snapshot",
        "covid_cases (version 0 -> 7): the same 10 rows",
        "people: 1 from train to test (first 2)",
        "package changed: numpy 2.4.6 -> 2.5.0",
        "metric predictions.roc_auc: 0.75 -> 0.5 (-0.25)",
        "code that computes: features",
        "file changed: repro_assets/steps/split.py",
        "+x = 4",
    ):
        assert line in said
