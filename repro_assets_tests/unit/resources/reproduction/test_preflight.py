"""Everything that a run needs is looked at, and whatever is wrong is said at once."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pyarrow as pa
import pytest
from deltalake import write_deltalake
from mlflow.exceptions import MlflowException

from repro_assets import settings as settings_module
from repro_assets.errors import Blocked
from repro_assets.pins.environment import EnvironmentPin
from repro_assets.pins.manifest import manifest_digest, run_manifest
from repro_assets.pins.preflight import Finding
from repro_assets.resources.code.capsule_store import capsule_path, keep
from repro_assets.resources.raw.given_up import give_up
from repro_assets.resources.raw.raw_tables import RawTables
from repro_assets.resources.reproduction.preflight import RunPreflight, Surroundings
from repro_assets.settings import Settings
from repro_assets.verbs.preflight import document, require_ready
from repro_assets_tests.unit.pins.run_records import KEY, ORDER, manifest

TAR = b"\0" * 10_240
JAR = b"a jar"
CLUSTER = json.dumps(
    {
        "spark_version": "4.2.0",
        "spark_conf": {},
        "repro": {
            "master": "local[1]",
            "driver_memory": "1g",
            "jars": [{"coordinate": "org.example:one:1", "sha256": hashlib.sha256(JAR).hexdigest()}],
        },
    }
)
FILES = {"cluster.json": CLUSTER.encode(), "ml-v1.yaml": b"name: ml-v1\n", "ml-v1.lock": b"# nothing\n"}
PIN = EnvironmentPin(
    "ml-v1", *(hashlib.sha256(FILES[f"ml-v1.{kind}"]).hexdigest() for kind in ("lock", "yaml")), "3.11", 17
)
PARENT = "0" * 32


class Store:
    """The three calls of an MLflow client that reading a run needs."""

    tracking_uri = "sqlite:///nowhere.db"

    def __init__(self) -> None:
        self.runs: dict[str, SimpleNamespace] = {}
        self.artifacts: dict[tuple[str, str], bytes] = {}

    def add(self, run_id: str, content: dict[str, Any], files: dict[str, bytes]) -> SimpleNamespace:
        tags = {"repro.manifest": manifest_digest(content), "repro.data_version": KEY}
        self.runs[run_id] = SimpleNamespace(info=SimpleNamespace(run_id=run_id), data=SimpleNamespace(tags=tags))
        for name, stored in {**files, "manifest.json": json.dumps(content).encode()}.items():
            self.artifacts[run_id, name] = stored
        return self.runs[run_id]

    def get_run(self, run_id: str) -> SimpleNamespace:
        return self.runs[run_id]

    def download_artifacts(self, run_id: str, name: str, folder: str) -> str:
        if (run_id, name) not in self.artifacts:
            raise MlflowException("no such artifact")
        path = Path(folder) / name
        path.write_bytes(self.artifacts[run_id, name])
        return str(path)


@dataclasses.dataclass
class World:
    """A run with all four pins, and everything that they name."""

    store: Store
    here: Settings
    parent: SimpleNamespace
    capsule: str
    environment: Finding = dataclasses.field(default_factory=Finding)

    def preflight(self) -> RunPreflight:
        tables = RawTables(lake=self.here.lake)
        return Surroundings(self.here, tables, self.store, datetime.now(UTC), lambda *_: self.environment).preflight(
            self.parent
        )

    @property
    def names(self) -> list[str]:
        return [reason.partition(":")[0] for reason in self.preflight().answer.reasons]


def pins(tables: RawTables, capsule: str) -> dict[str, Any]:
    base = manifest("predictions")["pins"]
    data = {
        name: {**base["data"][name], **dataclasses.asdict(tables.pin(name, 0))}
        for name in ("covid_cases", "job_changes")
    }
    return {
        **base,
        "data": data,
        "code": {**base["code"], "capsule": capsule},
        "environment": {**base["environment"], "declared": dataclasses.asdict(PIN)},
        "compute": {
            **base["compute"],
            "declared": {"name": "local-v1", "sha256": hashlib.sha256(CLUSTER.encode()).hexdigest()},
        },
    }


@pytest.fixture
def world(tmp_path: Path) -> World:
    here = settings_module.load({"REPRO_VAR": str(tmp_path / "var")})
    kept = {
        "delta.logRetentionDuration": "interval 3650 days",
        "delta.deletedFileRetentionDuration": "interval 3650 days",
    }
    for name in ("covid_cases", "job_changes"):
        write_deltalake(
            Path(here.lake.removeprefix("file://")) / "raw" / name, pa.table({"a": [1]}), configuration=kept
        )
    (here.var / "jars").mkdir(parents=True)
    (here.var / "jars" / "org.example_one-1.jar").write_bytes(JAR)
    capsule = keep(TAR, here.capsules)
    store, found = Store(), pins(RawTables(lake=here.lake), capsule)
    stages = {}
    for asset in ORDER:
        content = manifest(asset, pins=found)
        store.add(f"run of {asset}", content, FILES)
        stages[asset] = {"mlflow_run_id": f"run of {asset}", "manifest_sha256": manifest_digest(content)}
    whole = run_manifest(KEY, stages, {"dagster": "d", "mlflow": PARENT})
    return World(store, here, store.add(PARENT, whole, {}), capsule)


def test_a_run_that_has_everything_is_ready(world) -> None:
    found = world.preflight()

    assert (found.mlflow_run_id, found.data_version, found.answer.words) == (PARENT, KEY, "ready")


def replace(world: World, name: str) -> None:
    world.store.artifacts["run of predictions", name] += b" "


def drop(world: World, name: str) -> None:
    del world.store.artifacts["run of predictions", name]


def table(world: World, name: str) -> Path:
    return Path(world.here.lake.removeprefix("file://")) / "raw" / name


def recreate(world: World) -> None:
    write = table(world, "job_changes")
    for path in sorted(write.rglob("*"), reverse=True):
        path.unlink() if path.is_file() else path.rmdir()
    write_deltalake(write, pa.table({"a": [1]}))


BREAKS: dict[str, tuple[Callable[[World], object], list[str]]] = {
    "a data file gone": (
        lambda world: next(table(world, "covid_cases").glob("*.parquet")).unlink(),
        ["VersionExpired"],
    ),
    "another table": (recreate, ["TableReplaced"]),
    "no capsule": (lambda world: capsule_path(world.here.capsules, world.capsule).unlink(), ["Blocked"]),
    "a damaged capsule": (
        lambda world: capsule_path(world.here.capsules, world.capsule).write_bytes(b"x"),
        ["DataDamaged"],
    ),
    "another lock": (lambda world: replace(world, "ml-v1.lock"), ["DataDamaged"]),
    "no conda file": (lambda world: drop(world, "ml-v1.yaml"), ["Blocked"]),
    "another cluster file": (lambda world: replace(world, "cluster.json"), ["DataDamaged"]),
    "no cluster file": (lambda world: drop(world, "cluster.json"), ["Blocked"]),
    "another jar": (lambda world: (world.here.jars / "org.example_one-1.jar").write_bytes(b"x"), ["DataDamaged"]),
    "an edited manifest": (
        lambda world: world.store.artifacts.update({("run of model", "manifest.json"): b'{"schema": "x"}'}),
        ["DataDamaged"],
    ),
    "no manifest": (lambda world: drop(world, "manifest.json"), ["Blocked"]),
}


@pytest.mark.parametrize(("break_it", "expected"), BREAKS.values(), ids=BREAKS.keys())
def test_whatever_is_missing_or_changed_blocks_under_its_name(world, break_it, expected) -> None:
    break_it(world)

    assert world.names == expected


def test_everything_that_is_wrong_is_said_at_once(world) -> None:
    for name in ("a data file gone", "another table", "no capsule", "another cluster file"):
        BREAKS[name][0](world)
    world.environment = Finding(("EnvironmentUnavailable: no Python 3.11",))

    assert world.names == ["VersionExpired", "TableReplaced", "Blocked", "EnvironmentUnavailable", "DataDamaged"]


def test_a_version_given_up_can_be_taken_back_as_long_as_its_files_are_there(world) -> None:
    give_up(world.here.lake, KEY, "asked")
    (note,) = [note for note in world.preflight().answer.notes if "given up" in note]
    assert note.endswith("asked; `repro pin` takes it back")

    next(table(world, "job_changes").glob("*.parquet")).unlink()
    (note,) = [note for note in world.preflight().answer.notes if "given up" in note]
    assert note.endswith(": asked")


def test_a_jar_that_is_not_there_is_noted_since_it_can_be_fetched(world) -> None:
    (world.here.jars / "org.example_one-1.jar").unlink()

    answer = world.preflight().answer

    assert answer.ready
    assert "org.example:one:1 has to be fetched" in answer.notes[0]


def test_the_document_has_the_keys_of_the_design_and_json_values(world) -> None:
    (found,) = json.loads(json.dumps(document([world.preflight()])))["runs"]

    assert found.keys() >= {"mlflow_run_id", "ready", "until", "reasons"}
    assert (found["ready"], found["until"], found["reasons"]) == (True, None, [])


def test_one_blocked_run_of_several_is_an_exit_code_of_3(world) -> None:
    ready = world.preflight()
    BREAKS["no capsule"][0](world)

    require_ready([ready])
    with pytest.raises(Blocked, match="1 of 2 runs") as blocked:
        require_ready([ready, world.preflight()])
    assert blocked.value.exit_code == 3


def test_what_many_runs_need_is_looked_at_once(world) -> None:
    asked = []

    def environment(*_: object) -> Finding:
        asked.append(1)
        return Finding()

    around = Surroundings(world.here, RawTables(lake=world.here.lake), world.store, datetime.now(UTC), environment)
    assert around.preflight(world.parent) == around.preflight(world.parent)
    assert len(asked) == 1
