"""What a past run needs to be run again, and whether it is there: nothing is computed and no JVM starts."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

from repro_assets.errors import BadInput, Blocked, DataDamaged, EnvironmentUnavailable, Outside, ReproError
from repro_assets.pins.compute import STANDALONE, ClusterFile, Jar, parse_cluster
from repro_assets.pins.environment import EnvironmentPin
from repro_assets.pins.preflight import Finding, Preflight, judge, reason
from repro_assets.resources.code import capsule_store
from repro_assets.resources.environments.environment_build import readiness
from repro_assets.resources.environments.run_environment import is_running
from repro_assets.resources.outputs.lake import Lake
from repro_assets.resources.raw.given_up import given_up
from repro_assets.resources.raw.raw_version import examine
from repro_assets.resources.reproduction.champion_models import located
from repro_assets.resources.spark.jars import jar_paths
from repro_assets.resources.spark.standalone_cluster import UP, look
from repro_assets.resources.tracking.run_records import load_record, verified_artifact

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

    from repro_assets.pins.data import CommitPin
    from repro_assets.pins.run_record import RunRecord
    from repro_assets.resources.raw.raw_tables import RawTables
    from repro_assets.settings import Settings

# Pin, conda file and lock of an environment: whether it is made, or can be.
EnvironmentCheck = Callable[[EnvironmentPin, bytes, bytes, "Settings"], Finding]


@dataclass(frozen=True)
class RunPreflight:
    """The answer for one run, with the names that people know it by."""

    mlflow_run_id: str
    data_version: str
    answer: Preflight


def usable(pin: EnvironmentPin, yaml: bytes, lock: bytes, settings: Settings) -> Finding:
    """Whether an environment is this interpreter, is made, or can be, as far as can be told without asking an index."""
    if is_running(pin, yaml, lock, settings):
        return Finding()
    found = readiness(pin, yaml, lock, settings)
    reasons = tuple(f"{EnvironmentUnavailable.__name__}: {text}" for text in found.reasons)
    to_make = (
        f"environment {pin.name} ({pin.digest[:16]}) has yet to be made: "
        "whether all its packages can still be had is not known"
    )
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
    environment: EnvironmentCheck = usable
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
        return RunPreflight(parent.info.run_id, record.data_version, self.judge(record))

    def judge(self, record: RunRecord, replaced: Collection[str] = ()) -> Preflight:
        """Look at everything that a run needs, by what it recorded.

        Args:
            record: The run.
            replaced: Components that are going to be others (`data`, `code`, `environment`, `compute`): what the
                original needs of those need not be there.
        """
        return judge(self._findings(record, replaced))

    def _findings(self, record: RunRecord, replaced: Collection[str]) -> Iterator[Finding]:
        if "data" not in replaced:
            versions = [self._raw_version(pin.commit) for pin in record.data.values()]
            yield self._given_up(record.data_version, is_whole=not any(one.reasons for one in versions))
            yield from versions
        if "code" not in replaced:
            yield self._capsule(str(record.code["capsule"]))
        if "environment" not in replaced:
            yield self._environment(record)
        if "compute" not in replaced:
            yield self._cluster(record)
        if record.champion is not None:
            yield self._champion(record.champion)
        if not record.enforced:
            yield Finding(notes=("the environment was only written down: IDENTICAL is out of reach",))
        for submodule in record.code.get("absent_submodules", ()):
            yield Finding(notes=(f"submodule {submodule} was not checked out, so the capsule has none of its files",))

    def _given_up(self, key: str, *, is_whole: bool) -> Finding:
        """Whether a person gave the data version up: what it needs may go at any time, and pinned again it stays."""

        def look() -> Finding:
            record = given_up(self.tables.records).get(key)
            words = f"{record.words}; `repro pin` takes it back" if record and is_whole else record and record.words
            return Finding(notes=(words,) if words else ())

        return self._once(("given up", key, str(is_whole)), look)

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
            yaml = verified_artifact(self.client, run_id, f"{declared['name']}.yaml", str(declared["yaml_sha256"]))
            lock = verified_artifact(self.client, run_id, f"{declared['name']}.lock", str(declared["lock_sha256"]))
            return self.environment(EnvironmentPin.from_document(declared), yaml, lock, self.settings)

        return self._once(("environment", run_id), look)

    def _cluster(self, record: RunRecord) -> Finding:
        declared, run_id = record.compute["declared"], record.last.mlflow_run_id

        def look() -> Finding:
            text = verified_artifact(self.client, run_id, "cluster.json", str(declared["sha256"])).decode()
            cluster = parse_cluster(str(declared["name"]), text)
            jars = _jars(cluster.jars, self.settings)
            return replace(jars, notes=(*jars.notes, *_standing(cluster, self.settings)))

        return self._once(("compute", run_id), look)

    def _champion(self, champion: Mapping[str, Any]) -> Finding:
        """The champion that predicted: its model has to stand in the lake, whatever the registry says by now."""

        def look() -> Finding:
            located(champion, Lake(uri=self.settings.lake))
            return Finding()

        return self._once(("champion", str(champion.get("data_version")), str(champion.get("identity"))), look)

    def _once(self, key: tuple[str, ...], look: Callable[[], Finding]) -> Finding:
        if key not in self._known:
            try:
                self._known[key] = look()
            except Outside:
                raise  # a store that does not answer is no reason: nothing is known
            except ReproError as error:
                self._known[key] = Finding(reasons=(reason(error),))
        return self._known[key]


def _standing(cluster: ClusterFile, settings: Settings) -> tuple[str, ...]:
    """A standalone cluster that is not up can be started."""
    if cluster.kind != STANDALONE or look(cluster, settings).state == UP:
        return ()
    return (f"cluster {cluster.name} is not up: `repro cluster up {cluster.name}`",)


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
