"""What one past run recorded: the manifests of its stages, read as one.

Here belongs the form of a record and what follows from it: which rows, which code, which parameters, which digests.
What does not: finding a run and reading its manifests (`resources.run_records`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from repro_assets.errors import DataDamaged
from repro_assets.pins.data import DataPin
from repro_assets.pins.document_form import Each, Form, Items, Maybe, misfit
from repro_assets.pins.manifest import SCHEMA

# One part of a path at most, whoever wrote the manifest.
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9 ._-]{0,199}")
# What is read of a manifest, whatever commit wrote it.
_FORM: Form = {
    "data_version": str,
    "identity": {"digest": str},
    "pins": {
        "data": Each(
            {
                **dict.fromkeys(("table", "uri", "table_id", "commit_sha256", "fingerprint"), str),
                **dict.fromkeys(("version", "timestamp", "rows"), int),
                "schema": Items(Items(str, length=2)),
            }
        ),
        "code": {"capsule": str},
        "environment": {"declared": {"name": str, "lock_sha256": str}, "effective": {"mode": str}},
        "compute": {"declared": {"name": str, "sha256": str}},
    },
    "parameters": dict,
    "inputs": Each({"identity": str, "digest": str, "mlflow_run_id": str}),
    "output": {"digest": str, "parts": Items({"name": str, "digest": str})},
    "metrics": Each(float),
    "tolerance": dict,
    "champion": Maybe(dict),
}


@dataclass(frozen=True)
class StageRecord:
    """One asset of a past run.

    Attributes:
        asset: Its name.
        mlflow_run_id: Nested run that computed it, also where a later run reused it.
        manifest: The manifest's document.
    """

    asset: str
    mlflow_run_id: str
    manifest: Mapping[str, Any]

    @property
    def identity(self) -> str:
        """Digest of what determined the output."""
        return str(self.manifest["identity"]["digest"])

    @property
    def output_digest(self) -> str:
        """Digest of the result."""
        return str(self.manifest["output"]["digest"])

    @property
    def parts(self) -> dict[str, str]:
        """Digest of each table or model, by name."""
        return {part["name"]: part["digest"] for part in self.manifest["output"]["parts"]}

    @property
    def metrics(self) -> dict[str, float]:
        """Numbers that belong to the result."""
        return dict(self.manifest["metrics"])


@dataclass(frozen=True)
class RunRecord:
    """A past run, whole: its stages in the order they ran, with what they were made of.

    Attributes:
        mlflow_run_id: Parent run.
        dagster_run_id: Dagster run of the parent.
        data_version: Key of the partition.
        stages: By asset, upstream first. Those that the run itself did not make are those it read.
        own: Assets that the run computed, reused or confirmed itself; the others it only read.
    """

    mlflow_run_id: str
    dagster_run_id: str
    data_version: str
    stages: Mapping[str, StageRecord]
    own: frozenset[str] | None = None

    @property
    def is_whole(self) -> bool:
        """Whether one run went through all stages; else they may be of different code, environments and clusters."""
        return self.own is None or self.own == set(self.stages)

    @property
    def last(self) -> StageRecord:
        """The stage that everything else leads to; its code, environment and cluster are those of the run."""
        return self.stages[list(self.stages)[-1]]

    @cached_property
    def data(self) -> dict[str, DataPin]:
        """Pin of every raw table."""
        pins = {table: pin for stage in self.stages.values() for table, pin in stage.manifest["pins"]["data"].items()}
        return {table: DataPin.from_document(document) for table, document in pins.items()}

    @property
    def code(self) -> Mapping[str, Any]:
        """Commit, branch, remote, dirty flag, capsule digest."""
        pinned: Mapping[str, Any] = self.last.manifest["pins"]["code"]
        return pinned

    @property
    def environment(self) -> Mapping[str, Any]:
        """`declared` (name, digests) and `effective` (interpreter, packages, mode)."""
        pinned: Mapping[str, Any] = self.last.manifest["pins"]["environment"]
        return pinned

    @property
    def compute(self) -> Mapping[str, Any]:
        """`declared` (name, digest, settings) and `effective` (what was read back, CPU, BLAS)."""
        pinned: Mapping[str, Any] = self.last.manifest["pins"]["compute"]
        return pinned

    @property
    def parameters(self) -> dict[str, Mapping[str, Any]]:
        """Parameters by asset; empty where an asset has none."""
        return {asset: dict(stage.manifest["parameters"]) for asset, stage in self.stages.items()}

    @property
    def champion(self) -> Mapping[str, Any] | None:
        """The registry's champion where a stage was made with it, as its manifest names it; else None."""
        return next(
            (stage.manifest["champion"] for stage in self.stages.values() if "champion" in stage.manifest), None
        )

    @property
    def tolerance(self) -> Mapping[str, Any]:
        """How far another result may lie and still be equivalent, and where that comes from."""
        stated: Mapping[str, Any] = self.last.manifest["tolerance"]
        return stated

    @property
    def enforced(self) -> bool:
        """Whether the environment of every stage was the declared one, not only written down."""
        modes = {stage.manifest["pins"]["environment"]["effective"]["mode"] for stage in self.stages.values()}
        return modes == {"enforce"}


def stage_record(asset: str, mlflow_run_id: str, document: Mapping[str, Any]) -> StageRecord:
    """Read a stage's manifest.

    Raises:
        DataDamaged: It is of another schema or asset, or lacks what a manifest has.
    """
    where = f"manifest of {asset}, MLflow run {mlflow_run_id}"
    if not isinstance(document, Mapping):
        raise DataDamaged("a manifest is not an object", where=where, stored=type(document).__name__)
    if document.get("schema") != SCHEMA:
        raise DataDamaged("a manifest has another schema", where=where, stored=document.get("schema"), expected=SCHEMA)
    if document.get("asset") != asset:
        raise DataDamaged(
            "a manifest speaks of another asset", where=where, stored=document.get("asset"), expected=asset
        )
    wrong = misfit(document, _FORM)
    if wrong is not None:
        raise DataDamaged("a manifest lacks what every manifest has", where=where, stored=wrong)
    record = StageRecord(asset, mlflow_run_id, document)
    bad = [name for name in _names(record) if not isinstance(name, str) or not _NAME.fullmatch(name)]
    if bad:
        raise DataDamaged(
            "a manifest holds a name that can't be one",
            where=where,
            stored=repr(bad[0])[:80],
            expected="letters, digits, blanks, `-`, `_` and `.`",
        )
    return record


def _names(record: StageRecord) -> list[Any]:
    """Everything in a manifest that becomes a part of a path, of a query or of a command."""
    document, pins = record.manifest, record.manifest["pins"]
    return [
        *(record.asset, record.mlflow_run_id, document["data_version"]),
        *(document["identity"]["digest"], document["output"]["digest"]),
        *record.parts,
        *(name for asset, entry in document["inputs"].items() for name in (asset, *entry.values())),
        *(name for table, pin in pins["data"].items() for name in (table, pin["table"], pin["table_id"])),
        *(pins["code"]["capsule"], pins["environment"]["declared"]["name"], pins["compute"]["declared"]["name"]),
    ]
