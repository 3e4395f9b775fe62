"""Runs a past result again and judges it: from a run's record to its verdict, without Dagster.

The current code reads and compares; what is computed, the run's own capsule computes (`capsule_process`).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from repro_assets.errors import BadInput, Blocked, DataDamaged, Outside
from repro_assets.pins.compute import STANDALONE, parse_cluster
from repro_assets.pins.contract import Failure, Request, Result
from repro_assets.pins.environment import EnvironmentPin
from repro_assets.pins.preflight import reason
from repro_assets.pins.run_record import RunRecord
from repro_assets.pins.verdict import Verdict, blocked, judge
from repro_assets.resources.capsule_process import Workspace, run_capsule, workspace, write_envs
from repro_assets.resources.capsule_store import capsule_path, unpack
from repro_assets.resources.champion_models import located
from repro_assets.resources.lake import Lake
from repro_assets.resources.original_outputs import damaged_outputs
from repro_assets.resources.run_environment import interpreter
from repro_assets.resources.run_records import load_record, verified_artifact
from repro_assets.resources.standalone_cluster import join
from repro_assets.resources.verdict_evidence import NUMERIC, Tables, gather
from repro_assets.settings import Settings

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

# Failures inside a capsule that say: an input or a pin is not there any more. By name: the capsule's classes are its own.
BLOCKING = (
    "Blocked",
    "BadInput",
    "CapsuleRefused",
    "ClusterMismatch",
    "DataDamaged",
    "EditedUnderOldName",
    "EnvironmentMismatch",
    "NoSuchVersion",
    "PinChanged",
    "TableReplaced",
    "VersionExpired",
)
# Failures that say something about the result, not about its inputs.
_TELLING = ("CheckFailed", "NotDeterministic")


@dataclass(frozen=True)
class Reproduction:
    """What came of one attempt.

    Attributes:
        verdict: The answer.
        record: What the original recorded; None where that can't be read.
        result: What the capsule gave; None where it was not started.
    """

    verdict: Verdict
    record: RunRecord | None = None
    result: Result | None = None


@dataclass(frozen=True)
class Way:
    """How a reproduction is carried out.

    Attributes:
        settings: Live locations.
        report: Hears a line per step.
        obstacles: Says, of a record, everything that its inputs lack (`preflight`).
        keep: Leave the workspace there, to look at.
        touch: Called with the workspace before the capsule starts; tests plant a change there.
    """

    settings: Settings
    report: Callable[[str], None]
    obstacles: Callable[[RunRecord], Sequence[str]]
    keep: bool = False
    touch: Callable[[Workspace], None] = lambda _: None


def reproduce(client: MlflowClient, parent: Run, way: Way) -> Reproduction:
    """Run a past result again, in isolation, and compare.

    Args:
        client: Bound to the live store.
        parent: The run, as `run_lookup.find_parent` gives it.
        way: How.

    Raises:
        BadInput: The run did not finish.
        Outside: The capsule did not come to an answer, for a reason that says nothing about the result.
    """
    started = time.monotonic()
    _require_finished(parent)
    run_id, key = parent.info.run_id, parent.data.tags.get("repro.data_version", "unknown")
    try:
        record = load_record(client, parent)
    except (Blocked, DataDamaged) as trouble:
        return Reproduction(blocked(run_id, key, [reason(trouble)], seconds=_since(started)))
    way.report(f"checking what {run_id} needs")
    reasons = _reasons(record, client, way)
    if reasons:
        return Reproduction(blocked(run_id, key, reasons, seconds=_since(started)), record)
    with workspace(way.settings, keep=way.keep) as place:
        try:
            result = _run(record, client, place, way)
        except (Blocked, DataDamaged) as trouble:
            return Reproduction(blocked(run_id, key, [reason(trouble)], seconds=_since(started)), record)
        _raise_if_outside(result.failure)
        evidence = gather(Tables(record, result, Lake(uri=way.settings.lake), Lake(uri=place.lake)))
        if way.keep:
            way.report(f"the workspace is kept in {place.folder}")
    verdict = judge(record, result, evidence, blocking=BLOCKING, numeric=NUMERIC)
    return Reproduction(verdict, record, result)


def _require_finished(parent: Run) -> None:
    if parent.info.status != "FINISHED":
        raise BadInput(
            "only a run that finished has a result to get again",
            where=parent.info.run_id,
            stored=parent.info.status,
            expected="FINISHED",
        )


def _reasons(record: RunRecord, client: MlflowClient, way: Way) -> list[str]:
    reasons = way.obstacles(record)
    damage = damaged_outputs(record, Lake(uri=way.settings.lake), client)
    return [*reasons, *(reason(one) for one in damage)]


def _champion(record: RunRecord, lake: Lake) -> dict[str, Any] | None:
    """The champion that a run was made with, its files where they are now."""
    return None if record.champion is None else located(record.champion, lake).as_document()


def _run(record: RunRecord, client: MlflowClient, place: Workspace, way: Way) -> Result:
    capsule = str(record.code["capsule"])
    unpack(capsule_path(way.settings.capsules, capsule), capsule, place.code)
    if not (place.code / "repro_assets" / "contract.py").is_file():
        raise Blocked(
            "the capsule is older than reproductions: it can't be asked",
            where=f"capsule {capsule}",
            expected="repro_assets/contract.py",
        )
    files = _version_files(record, client)
    write_envs(place, files)
    cluster_name = record.compute["declared"]["name"]
    cluster = parse_cluster(cluster_name, files[f"clusters/{cluster_name}.json"].decode())
    if cluster.kind == STANDALONE:
        join(cluster, way.settings)  # said now and here: the capsule would find it out after it has started
    python = _interpreter(record, files, way)
    way.touch(place)
    way.report(f"capsule {capsule[:12]} starts in {python}")
    return run_capsule(
        replace(Request.of(record), champion=_champion(record, Lake(uri=way.settings.lake))),
        place,
        python=python,
        settings=way.settings,
        variables=cluster.spark_env_vars,
        # Stages speak of their data version; whatever else the old process says is not for whoever waits.
        progress=lambda line: way.report(line) if line.startswith(f"{record.data_version} ") else None,
    )


def _version_files(record: RunRecord, client: MlflowClient) -> dict[str, bytes]:
    """Lock, conda file and cluster file as the run logged them.

    Raises:
        Blocked: One is gone.
        DataDamaged: One is not what was pinned.
    """
    environment, cluster = record.environment["declared"], record.compute["declared"]
    wanted = {
        f"conda/{environment['name']}.lock": (f"{environment['name']}.lock", environment["lock_sha256"]),
        f"conda/{environment['name']}.yaml": (f"{environment['name']}.yaml", environment["yaml_sha256"]),
        f"clusters/{cluster['name']}.json": ("cluster.json", cluster["sha256"]),
    }
    return {
        path: verified_artifact(client, record.last.mlflow_run_id, artifact, str(sha256))
        for path, (artifact, sha256) in wanted.items()
    }


def _interpreter(record: RunRecord, files: Mapping[str, bytes], way: Way) -> Path:
    pin = EnvironmentPin.from_document(record.environment["declared"])
    return interpreter(pin, files[f"conda/{pin.name}.yaml"], files[f"conda/{pin.name}.lock"], way.settings, way.report)


def _raise_if_outside(failure: Failure | None) -> None:
    if failure is not None and failure.kind not in (*BLOCKING, *_TELLING):
        raise Outside("the capsule failed", stored=f"{failure.kind}: {failure.message}")


def _since(started: float) -> float:
    return round(time.monotonic() - started, 3)
