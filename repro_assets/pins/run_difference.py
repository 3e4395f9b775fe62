"""What differs between two past runs by what their manifests say: stages, environment, compute, parameters, metrics.

Order never matters, and what names one start or one place only (ids, times, ports, folders) is left out: a run has no
difference from itself. Rows are compared by `resources.row_difference`, sources by `pins.code_difference`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from pathlib import PurePosixPath
from typing import Any

from repro_assets.pins.run_record import RunRecord, StageRecord

# Spark settings that name one start of one process, or where an installation stands.
_OF_ONE_START = frozenset(
    {
        "spark.app.id",
        "spark.app.initial.jar.urls",
        "spark.app.startTime",
        "spark.app.submitTime",
        "spark.blockManager.port",
        "spark.driver.appUIAddress",
        "spark.driver.host",
        "spark.driver.port",
        "spark.executor.id",
        "spark.executorEnv.PYTHONPATH",
        "spark.local.dir",
        "spark.repl.local.jars",
        "spark.sql.warehouse.dir",
        "spark.ui.port",
    }
)
_JARS = "spark.jars"
_MASTER = "spark.master"
# A standalone cluster's port is chosen whenever it is started.
_PORT = re.compile(r"(?<=^spark://127\.0\.0\.1:)\d+$")

Values = Mapping[str, Any]


def differing(one: Values, other: Values) -> dict[str, dict[str, Any]]:
    """`from` and `to` of every name whose values differ; None where one side lacks it."""
    names = [*one, *(name for name in other if name not in one)]
    pairs = {name: (one.get(name), other.get(name)) for name in names}
    return {name: {"from": a, "to": b} for name, (a, b) in pairs.items() if not _same(a, b)}


def stages(first: RunRecord, second: RunRecord) -> list[dict[str, Any]]:
    """Stages whose output digests differ, upstream first; None where a run has no such stage."""
    one, other = ({asset: stage.output_digest for asset, stage in run.stages.items()} for run in (first, second))
    return [{"asset": asset, **pair} for asset, pair in differing(one, other).items()]


def parameters(first: RunRecord, second: RunRecord) -> dict[str, Any]:
    """Parameters that differ, as `ASSET.NAME`."""
    return differing(flat(first.parameters), flat(second.parameters))


def metrics(first: RunRecord, second: RunRecord) -> dict[str, Any]:
    """Metrics that differ in a bit, as `ASSET.NAME`, with their change."""
    one, other = ({asset: stage.metrics for asset, stage in run.stages.items()} for run in (first, second))
    found = differing(flat(one), flat(other))
    return {name: {**pair, "change": _change(pair)} for name, pair in found.items()}


def code_stages(first: RunRecord, second: RunRecord) -> list[str]:
    """Stages that other code computed: the digest of the sources that reach their result differs."""
    one, other = (
        {asset: stage.manifest["pins"]["code"]["closure"] for asset, stage in run.stages.items()}
        for run in (first, second)
    )
    return [asset for asset in differing(one, other) if asset in one and asset in other]


def environment(first: RunRecord, second: RunRecord, locked: tuple[Values, Values] | None) -> dict[str, Any]:
    """What differs of the environments.

    Args:
        first: A run.
        second: Another.
        locked: Version by package of both locks, None where one of them is gone: then packages are left out.
    """
    found: dict[str, Any] = {
        "declared": _by_stage(first, second, lambda stage: flat(stage.manifest["pins"]["environment"]["declared"])),
        "effective": differing(*(flat(_interpreter(run)) for run in (first, second))),
    }
    if locked is not None:
        one, other = (
            installed(lock, run.environment["effective"]) for run, lock in zip((first, second), locked, strict=True)
        )
        found["packages"] = packages(one, other)
    return {name: value for name, value in found.items() if value}


def compute(first: RunRecord, second: RunRecord) -> dict[str, Any]:
    """What differs of the clusters: as declared, by stage, and as read back."""
    found = {
        "declared": _by_stage(first, second, lambda stage: flat(stage.manifest["pins"]["compute"]["declared"])),
        "effective": differing(*(flat(_read_back(run)) for run in (first, second))),
    }
    return {name: value for name, value in found.items() if value}


def installed(locked: Values, effective: Values) -> dict[str, str]:
    """Packages that were really there: the lock's, with what was extra, missing or of another version.

    Args:
        locked: Version by package.
        effective: `pins.environment.effective` of a manifest.
    """
    packages = {**locked, **effective.get("extra_packages", {})}
    for found in effective.get("mismatches", ()):
        if found["kind"] == "missing":
            packages.pop(found["package"], None)
        elif found["kind"] == "version":
            packages[found["package"]] = found["stored"]
    return packages


def flat(document: Values, above: tuple[str, ...] = ()) -> dict[str, Any]:
    """A document's values by dotted path; lists are values, whatever they hold."""
    found: dict[str, Any] = {}
    for name, value in document.items():
        path = (*above, str(name))
        found.update(flat(value, path) if isinstance(value, Mapping) else {".".join(path): value})
    return found


def _by_stage(first: RunRecord, second: RunRecord, values: Callable[[StageRecord], Values]) -> list[dict[str, Any]]:
    """What differs in stages that both runs have: a run may have reused what was made elsewhere."""
    found: dict[str, dict[str, Any]] = {}
    for asset in (asset for asset in first.stages if asset in second.stages):
        for name, pair in differing(values(first.stages[asset]), values(second.stages[asset])).items():
            entry = found.setdefault(_text([name, pair]), {"what": name, **pair, "stages": []})
            entry["stages"].append(asset)
    return list(found.values())


def packages(one: Mapping[str, str], other: Mapping[str, str]) -> dict[str, Any]:
    """Packages `added`, `removed` and `changed` between two environments, from version by package of each."""
    found = dict(sorted(differing(one, other).items()))
    kinds = {
        "added": {name: pair["to"] for name, pair in found.items() if pair["from"] is None},
        "removed": {name: pair["from"] for name, pair in found.items() if pair["to"] is None},
        "changed": {name: pair for name, pair in found.items() if None not in pair.values()},
    }
    return {kind: names for kind, names in kinds.items() if names}


def _interpreter(run: RunRecord) -> dict[str, Any]:
    effective = run.environment["effective"]
    mismatches = [
        f"{one['package']}: {one['stored']}, expected {one['expected']}" for one in effective.get("mismatches", ())
    ]
    kept = {name: effective.get(name) for name in ("mode", "python", "java_major")}
    return {**kept, "mismatches": sorted(mismatches)}


def _read_back(run: RunRecord) -> dict[str, Any]:
    """The receipt of the last stage, when everything was loaded; Spark's of the last one that had a session."""
    effective = {name: value for name, value in run.compute["effective"].items() if name != "spark"}
    receipts = [stage.manifest["pins"]["compute"]["effective"].get("spark") for stage in run.stages.values()]
    spark = next((receipt for receipt in reversed(receipts) if receipt), None)
    if spark is None:
        return effective
    settings = {name: value for name, value in spark.get("settings", {}).items() if name not in _OF_ONE_START}
    if _JARS in settings:
        settings[_JARS] = sorted(PurePosixPath(jar).name for jar in settings[_JARS].split(","))
    if _MASTER in settings:
        settings[_MASTER] = _PORT.sub("0", settings[_MASTER])
    return {**effective, "spark": {**spark, "master": _PORT.sub("0", str(spark.get("master"))), "settings": settings}}


def _change(pair: Values) -> float | None:
    return None if None in pair.values() else pair["to"] - pair["from"]


def _same(one: Any, other: Any) -> bool:
    return _text(one) == _text(other)


def _text(value: Any) -> str:
    """Text that tells two values apart: of a number the shortest that gives its bits again, of a list its members."""
    if isinstance(value, list | tuple):
        return json.dumps(sorted(_text(member) for member in value))
    return json.dumps(value, sort_keys=True, default=str)
