"""`repro preflight`: whether a past result can still be run again, and until when. Computes nothing, starts no JVM."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from repro_assets.errors import BadInput, Blocked, DataDamaged, EnvironmentUnavailable, ReproError
from repro_assets.experiment import EXPERIMENT
from repro_assets.pins.compute import Jar, parse_cluster
from repro_assets.pins.environment import EnvironmentPin
from repro_assets.pins.preflight import Finding, Preflight, judge, reason
from repro_assets.resources import capsule_store
from repro_assets.resources.environment_build import readiness
from repro_assets.resources.jars import jar_paths
from repro_assets.resources.raw_version import examine
from repro_assets.resources.run_lookup import REPRODUCES_TAG, find_parent
from repro_assets.resources.run_records import load_record, read_artifact
from repro_assets.resources.tracking_store import connect, initialise, speaking_of

if TYPE_CHECKING:
    import dagster as dg
    from mlflow import MlflowClient
    from mlflow.entities import Run

    from repro_assets.pins.data import CommitPin
    from repro_assets.pins.run_record import RunRecord
    from repro_assets.resources.raw_tables import RawTables
    from repro_assets.settings import Settings

SCHEMA = "repro-preflight/1"
_MANIFEST_TAG = "repro.manifest"
_PAGE = 500
_NAMED_AT_MOST = 3


# Pin, conda file and lock of an environment: whether it is made, or can be.
EnvironmentCheck = Callable[[EnvironmentPin, bytes, bytes, "Settings"], Finding]


@dataclass(frozen=True)
class RunPreflight:
    """The answer for one run, with the names that people know it by."""

    mlflow_run_id: str
    data_version: str
    answer: Preflight


def made_or_makeable(pin: EnvironmentPin, yaml: bytes, lock: bytes, settings: Settings) -> Finding:
    """Whether an environment is made or can be, as far as can be told without asking an index."""
    found = readiness(pin, yaml, lock, settings)
    reasons = tuple(f"{EnvironmentUnavailable.__name__}: {text}" for text in found.reasons)
    to_make = f"environment {pin.name} ({pin.digest[:16]}) has yet to be made: whether all its packages can still be had is not known"
    return Finding(reasons, notes=() if reasons or found.made else (to_make,))


@dataclass
class Surroundings:
    """Everything outside that a reproduction needs, each looked at once however many runs need it.

    Attributes:
        settings: Where capsules and jars lie.
        tables: The raw tables as they stand now.
        client: Bound to the MLflow store.
        now: The present moment (UTC).
        environment: Whether an environment is made, or can be.
    """

    settings: Settings
    tables: RawTables
    client: MlflowClient
    now: datetime
    environment: EnvironmentCheck = made_or_makeable
    _known: dict[tuple[str, ...], Finding] = field(default_factory=dict)

    def preflight(self, parent: Run) -> RunPreflight:
        """Look at everything that one run needs; what goes wrong on the way is a reason too.

        Raises:
            Outside: The MLflow store does not answer.
        """
        version = str(parent.data.tags.get("repro.data_version", "-"))
        try:
            record = load_record(self.client, parent)
        except (Blocked, DataDamaged, BadInput) as error:
            return RunPreflight(parent.info.run_id, version, judge([Finding(reasons=(reason(error),))]))
        return RunPreflight(parent.info.run_id, record.data_version, judge(self._findings(record)))

    def _findings(self, record: RunRecord) -> Iterator[Finding]:
        for pin in record.data.values():
            yield self._raw_version(pin.commit)
        yield self._capsule(str(record.code["capsule"]))
        yield self._environment(record)
        yield self._cluster(record)
        if not record.enforced:
            yield Finding(notes=("the environment was only written down: IDENTICAL is out of reach",))
        for submodule in record.code.get("absent_submodules", ()):
            yield Finding(notes=(f"submodule {submodule} was not checked out, so the capsule has none of its files",))

    def _raw_version(self, pin: CommitPin) -> Finding:
        key = ("data", pin.table, pin.table_id, str(pin.version), pin.commit_sha256)
        return self._once(key, lambda: examine(self.tables, pin, self.now))

    def _capsule(self, sha256: str) -> Finding:
        def look() -> Finding:
            capsule_store.load(capsule_store.capsule_path(self.settings.capsules, sha256), sha256)
            return Finding()

        return self._once(("code", sha256), look)

    def _environment(self, record: RunRecord) -> Finding:
        declared, run_id = record.environment["declared"], record.last.mlflow_run_id

        def look() -> Finding:
            yaml = self._artifact(run_id, f"{declared['name']}.yaml", str(declared["yaml_sha256"]))
            lock = self._artifact(run_id, f"{declared['name']}.lock", str(declared["lock_sha256"]))
            return self.environment(EnvironmentPin.from_document(declared), yaml, lock, self.settings)

        return self._once(("environment", run_id), look)

    def _cluster(self, record: RunRecord) -> Finding:
        declared, run_id = record.compute["declared"], record.last.mlflow_run_id

        def look() -> Finding:
            text = self._artifact(run_id, "cluster.json", str(declared["sha256"])).decode()
            return _jars(parse_cluster(str(declared["name"]), text).jars, self.settings)

        return self._once(("compute", run_id), look)

    def _artifact(self, run_id: str, name: str, sha256: str) -> bytes:
        """An artifact of a run, proved to be the one that the manifest names."""
        content = read_artifact(self.client, run_id, name)
        found = hashlib.sha256(content).hexdigest()
        if found != sha256:
            raise DataDamaged(
                f"{name} of a run is not the one that was recorded",
                where=f"MLflow run {run_id}",
                stored=f"sha256 {found}",
                expected=f"sha256 {sha256}",
                fix="Restore the artifact from a copy of the store",
            )
        return content

    def _once(self, key: tuple[str, ...], look: Callable[[], Finding]) -> Finding:
        if key not in self._known:
            try:
                self._known[key] = look()
            except ReproError as error:
                self._known[key] = Finding(reasons=(reason(error),))
        return self._known[key]


def preflight(
    run: str | None,
    settings: Settings,
    instance: dg.DagsterInstance,
    tables: RawTables,
    environment: EnvironmentCheck = made_or_makeable,
) -> list[RunPreflight]:
    """Look at one run, or at every run that has a manifest.

    Args:
        run: MLflow run id (a nested one means its parent), Dagster run id, or a data version for its newest; None for
            every run that computed something, oldest first. What a manifest names is among them.
        settings: Names the store.
        instance: Dagster's history.
        tables: The raw tables as they stand now.
        environment: Whether an environment is made, or can be.

    Raises:
        BadInput: There is no such run.
        Outside: The MLflow store does not answer.
    """
    experiment = initialise(settings, EXPERIMENT.name)
    client = connect(settings.mlflow_tracking_uri)
    around = Surroundings(settings, tables, client, datetime.now(UTC), environment)
    with speaking_of(settings.mlflow_tracking_uri):
        parents = [find_parent(client, experiment, run, instance)] if run else list(_with_manifest(client, experiment))
        return [around.preflight(parent) for parent in parents]


def document(rows: Iterable[RunPreflight]) -> dict[str, Any]:
    """The `preflight` document."""
    runs = [
        {
            "mlflow_run_id": row.mlflow_run_id,
            "data_version": row.data_version,
            "ready": row.answer.ready,
            "until": row.answer.until.isoformat() if row.answer.until else None,
            "because": row.answer.because,
            "reasons": list(row.answer.reasons),
            "notes": list(row.answer.notes),
        }
        for row in rows
    ]
    return {"schema": SCHEMA, "runs": runs}


def require_ready(rows: Sequence[RunPreflight]) -> None:
    """Turn blocked runs into an exit code, after everything was printed.

    Raises:
        Blocked: At least one run can't be run again.
    """
    blocked = [row for row in rows if not row.answer.ready]
    if blocked:
        raise Blocked(
            "can't be run again" if len(rows) == 1 else f"{len(blocked)} of {len(rows)} runs can't be run again",
            where=", ".join(row.mlflow_run_id for row in blocked[:_NAMED_AT_MOST]),
            stored="the reasons listed above",
        )


def _with_manifest(client: MlflowClient, experiment: str) -> Iterator[Run]:
    """Parent runs that computed something, oldest first; runs that reproduce another one are none of them."""
    token: str | None = None
    while True:
        page = client.search_runs(
            [experiment], max_results=_PAGE, order_by=["attributes.start_time ASC"], page_token=token
        )
        for run in page:
            if _MANIFEST_TAG in run.data.tags and not {"mlflow.parentRunId", REPRODUCES_TAG} & set(run.data.tags):
                yield run
        token = page.token
        if not token:
            return


def _jars(jars: Sequence[Jar], settings: Settings) -> Finding:
    """Jars that are there must be those of the cluster file; one that isn't can be fetched."""
    reasons, notes = [], []
    for jar in jars:
        if not (settings.jars / jar.file_name).exists():
            notes.append(f"{jar.coordinate} has to be fetched: `make setup`")
            continue
        try:
            jar_paths([jar], settings.jars)
        except DataDamaged as error:
            reasons.append(reason(error))
    return Finding(tuple(reasons), notes=tuple(notes))
