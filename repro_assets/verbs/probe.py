"""`repro probe`: repeat one run under other circumstances, and write down how far its result moved.

The plan is a list of variants; the act repeats the run under each and compares everything with the run itself.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from repro_assets.errors import (
    BadInput,
    Blocked,
    ClusterMismatch,
    ClusterUnavailable,
    Outside,
    ReproError,
    TrackingUnreachable,
)
from repro_assets.experiment import EXPERIMENT
from repro_assets.pins.compute import STANDALONE, ClusterFile
from repro_assets.pins.preflight import reason
from repro_assets.pins.run_record import RunRecord
from repro_assets.pins.tolerance import Trial, Variant, family_of, obstacle
from repro_assets.resources.raw.raw_tables import RawTables
from repro_assets.resources.reproduction.preflight import Surroundings
from repro_assets.resources.reproduction.probing import fits, own_cluster, standard_variants, try_variant
from repro_assets.resources.reproduction.reproducing import Way
from repro_assets.resources.reproduction.tolerances import require_measurable, write_tolerance
from repro_assets.resources.reproduction.verdict_evidence import NUMERIC
from repro_assets.resources.spark.spark_cluster import load_cluster, require_runnable
from repro_assets.resources.spark.standalone_cluster import UP, join, look
from repro_assets.resources.tracking.run_lookup import find_parent
from repro_assets.resources.tracking.run_records import load_record
from repro_assets.resources.tracking.store import connect, initialise, speaking_of
from repro_assets.settings import Settings

if TYPE_CHECKING:
    import dagster as dg
    from mlflow import MlflowClient
    from mlflow.entities import Run

SCHEMA = "repro-probe/1"


class NoTolerance(ReproError):
    """What moved is not covered by any tolerance."""

    exit_code = 1


@dataclass(frozen=True)
class Probe:
    """What a probe found.

    Attributes:
        record: The run that was repeated.
        trials: What came of each variant.
        obstacle: Why no tolerance follows; None where one does.
        file: Name of the tolerance file that says it; None where none was asked for or none follows.
        written: Whether the file is new.
        tolerance: The bound and where it is from; None without a file.
    """

    record: RunRecord
    trials: Sequence[Trial]
    obstacle: str | None
    file: str | None = None
    written: bool = False
    tolerance: dict[str, Any] | None = None

    def as_document(self) -> dict[str, Any]:
        """The `probe` document."""
        return {
            "schema": SCHEMA,
            "run": self.record.mlflow_run_id,
            "data_version": self.record.data_version,
            "family": family_of(self.record.parameters),
            "lock": self.record.environment["declared"]["name"],
            "digests": {asset: stage.output_digest for asset, stage in self.record.stages.items()},
            "variants": [trial.as_document() for trial in self.trials],
            "obstacle": self.obstacle,
            "file": self.file,
            "written": self.written,
            "tolerance": self.tolerance,
        }


def plan(names: Sequence[str], clusters: Sequence[str], standing: Sequence[str] = ()) -> list[Variant]:
    """The variants that were asked for; all standard ones where none was named, and one per cluster file.

    Args:
        names: Of standard variants.
        clusters: Names of files of `envs/clusters`.
        standing: Names of clusters that are up: tried as well where nothing was named.

    Raises:
        BadInput: There is no variant of a name.
    """
    known = {variant.name: variant for variant in standard_variants()}
    unknown = [name for name in names if name not in known]
    if unknown:
        raise BadInput("no such variant", stored=", ".join(unknown), expected=", ".join(known))
    picked = [known[name] for name in names] if names else list(known.values())
    return [*picked, *(Variant(f"cluster {name}", cluster=name) for name in clusters or ([] if names else standing))]


def fitting(variants: Sequence[Variant], own: ClusterFile, report: Callable[[str], None]) -> list[Variant]:
    """The variants that can be tried on a run's own cluster; what is left out is said.

    Raises:
        BadInput: None is left.
    """
    left = [variant for variant in variants if fits(variant, own)]
    for variant in variants:
        if variant not in left:
            report(f"{variant.name}: left out, {own.name} has workers; `--cluster` takes a file without")
    if not left:
        raise BadInput("nothing is left to try", where=own.name, fix="Name other variants, or a cluster by `--cluster`")
    return left


def require_reachable(variants: Sequence[Variant], settings: Settings, own: ClusterFile | None = None) -> None:
    """Check the cluster of every variant, and the run's own, before the first is tried.

    Args:
        variants: To be tried.
        settings: Where clusters and their files are.
        own: The run's own cluster file.

    Raises:
        BadInput: There is no such cluster file, or it is none to run on; the message names the variant.
        ClusterUnavailable: It is not up.
        ClusterMismatch: The run's own cluster was started from another file.
    """
    if own is not None and own.kind == STANDALONE and any(_leaves_cluster(variant) for variant in variants):
        join(own, settings)
    for variant in variants:
        if variant.cluster is None:
            continue
        try:
            cluster = load_cluster(variant.cluster, settings)
            require_runnable(cluster)
        except ReproError as trouble:
            raise BadInput(f"variant `{variant.name}` can't be tried", stored=str(trouble)) from trouble
        state = look(cluster, settings).state if cluster.kind == STANDALONE else UP
        if state != UP:
            raise ClusterUnavailable(
                f"variant `{variant.name}` can't be tried: its cluster is {state}",
                fix=f"Run `repro cluster up {cluster.name}`, or leave it out",
            )


def _leaves_cluster(variant: Variant) -> bool:
    return variant.cluster is None and not variant.settings and variant.threads is None


def probe(
    run: str,
    variants: Sequence[Variant],
    settings: Settings,
    instance: dg.DagsterInstance,
    report: Callable[[str], None],
    *,
    write: bool = True,
) -> Probe:
    """Repeat a run under every variant.

    Args:
        run: MLflow run id, Dagster run id, or a data version for its newest run.
        variants: One or more.
        settings: Live locations.
        instance: Dagster's history.
        report: Hears a line per step.
        write: Write the tolerance file that follows.

    Raises:
        BadInput: There is no such run, no tolerance can follow from it, or there is no such cluster file.
        Blocked: What the run needs is gone.
        ClusterUnavailable, ClusterMismatch: A cluster is not up, or not the run's; known before the first variant is tried.
        TrackingUnreachable: The store does not answer.
    """
    experiment = initialise(settings, EXPERIMENT.name)
    client = connect(settings.mlflow_tracking_uri)
    with speaking_of(settings.mlflow_tracking_uri):
        parent = find_parent(client, experiment, run, instance)
    record = load_record(client, parent)
    if family_of(record.parameters) is None:
        raise BadInput("only a run that made a model has a tolerance", where=parent.info.run_id)
    if write:
        require_measurable(settings, record)
    own = own_cluster(client, parent)
    variants = fitting(variants, own, report)
    require_reachable(variants, settings, own)
    around = Surroundings(settings, RawTables(), client, datetime.now(UTC))
    way = Way(settings, report, lambda record, replaced: around.judge(record, replaced).reasons)
    trials: list[Trial] = []
    for number, variant in enumerate(variants, start=1):
        report(f"{number} of {len(variants)}: {variant.name}")
        trial, seen = _tried(client, parent, variant, way)
        trials.append(trial)
        if seen is None:  # whatever is tried next reads the same manifests
            raise Blocked("the run can't be repeated", where=parent.info.run_id, stored="; ".join(trial.reasons))
    return _concluded(record, trials, settings, write)


def _tried(client: MlflowClient, parent: Run, variant: Variant, way: Way) -> tuple[Trial, bool | None]:
    """A trial, and whether the run could be read; what stands in one variant's way says nothing about the others."""
    try:
        trial, record = try_variant(client, parent, variant, way)
    except TrackingUnreachable:
        raise
    except (ClusterMismatch, Outside) as trouble:
        return Trial(variant, {}, probability=None, score=None, reasons=(reason(trouble),)), True
    return trial, None if record is None else True


def _concluded(record: RunRecord, trials: Sequence[Trial], settings: Settings, write: bool) -> Probe:
    against = obstacle(trials, NUMERIC)
    if against is not None or not write:
        return Probe(record, trials, against)
    date = datetime.now(UTC).date().isoformat()
    file, document, written = write_tolerance(settings, record, trials, date=date)
    bound = {name: document[name] for name in ("probability", "score")}
    return Probe(record, trials, None, file, written, bound)


def require_tolerance(found: Probe) -> None:
    """Turn what was found into the exit code.

    Raises:
        Blocked: A variant did not come to its end.
        NoTolerance: One moved something that no tolerance covers.
    """
    if found.obstacle is None:
        return
    kind = Blocked if any(trial.reasons for trial in found.trials) else NoTolerance
    raise kind("no tolerance follows", where=found.record.mlflow_run_id, stored=found.obstacle)
