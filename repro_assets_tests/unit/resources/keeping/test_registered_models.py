"""A registered model without its files is damage to `repro verify`, and none to a reproduction."""

from __future__ import annotations

import hashlib
import shutil
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from repro_assets.errors import DataDamaged
from repro_assets.pins.run_record import StageRecord
from repro_assets.resources.keeping.proofs import registered_models
from repro_assets.resources.outputs.spark_model_file import folder_digest
from repro_assets.resources.reproduction.original_outputs import verify_models
from repro_assets_tests.unit.pins.run_records import manifest

STAGE = StageRecord("model", "run", manifest("model"))
CONTENT = b"a fitted model"


@dataclass
class Version:
    """A registered version whose source is a folder."""

    source: str
    tags: dict[str, str]
    name: str = "full"
    version: str = "1"


@dataclass
class Registry:
    """The part of a client that is asked."""

    found: list[Version]
    tracking_uri: str = "file:///nowhere"
    asked: list[str] = field(default_factory=list)

    def search_model_versions(self, query: str) -> list[Version]:
        self.asked.append(query)
        return self.found


def skops(folder: Path) -> str:
    (folder / "model.skops").write_bytes(CONTENT)
    return hashlib.sha256(CONTENT).hexdigest()


def spark(folder: Path) -> str:
    (folder / "sparkml" / "metadata").mkdir(parents=True)
    (folder / "sparkml" / "metadata" / "part-0").write_bytes(CONTENT)
    return folder_digest({"metadata/part-0": CONTENT})


@pytest.fixture(params=[skops, spark], ids=["scikit-learn", "Spark"])
def logged(tmp_path: Path, request: pytest.FixtureRequest) -> tuple[Path, Registry]:
    folder = tmp_path / "logged"
    folder.mkdir()
    (folder / "MLmodel").write_text("flavors: {}")
    sha256 = request.param(folder)
    return folder, Registry([Version(str(folder), {"repro.model_sha256": sha256})])


def empty(folder: Path) -> None:
    for path in folder.iterdir():
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()


def test_a_whole_model_is_right(logged) -> None:
    assert verify_models(STAGE, logged[1], may_be_gone=False) == 1

    assert logged[1].asked == ["run_id = 'run'"]


@pytest.mark.parametrize("take", [shutil.rmtree, empty], ids=["gone", "emptied"])
def test_a_model_without_files_is_damage_unless_it_may_be_gone(logged, take) -> None:
    folder, registry = logged
    take(folder)

    with pytest.raises(DataDamaged, match="a model in MLflow is gone") as raised:
        verify_models(STAGE, registry, may_be_gone=False)
    assert raised.value.stored == "nothing"
    assert raised.value.expected == registry.found[0].tags["repro.model_sha256"]
    verify_models(STAGE, registry)


def test_a_version_that_somebody_deleted_is_told_and_no_damage() -> None:
    found = registered_models(STAGE, Registry([]))

    assert found.wrong == ()
    assert found.notes == ("no version of it is registered in MLflow any more: somebody deleted it",)


def test_another_file_is_damage_either_way(logged) -> None:
    folder, registry = logged
    next(path for path in folder.rglob("*") if path.is_file() and path.name != "MLmodel").write_bytes(b"other")

    for may_be_gone in (True, False):
        with pytest.raises(DataDamaged, match="is not the one that was logged"):
            verify_models(STAGE, registry, may_be_gone=may_be_gone)
