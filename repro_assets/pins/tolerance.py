"""Measured tolerances: how far one result was seen to move when nothing but its circumstances changed.

A tolerance file `FAMILY--LOCK.json` (later `FAMILY--LOCK--v2.json`, …) says it for one family of models under one lock,
with the runs that it was seen in. It is an upper bound of what was seen, and 0 where nothing moved: since any two
circumstances may meet, twice away from the run that was repeated, the sum of the two largest distances from it.
Here belong the document and what follows from trials; running them does not (`resources.probing`).
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from repro_assets.errors import BadInput
from repro_assets.pins.run_record import RunRecord

SCHEMA = "repro-tolerance/1"
FOLDER = "tolerances"
BOUND = "the sum of the two largest distances of variants from the run"
_KINDS = ("probability", "score")


@dataclass(frozen=True)
class Variant:
    """Circumstances under which a run is repeated; what is empty stays as it was.

    Attributes:
        name: How a person calls it.
        cluster: Another cluster file.
        settings: Spark settings in the place of the cluster file's; `spark.master` is one of them.
        variables: Environment variables of the process.
        threads: Of the number kernels; they stand in the cluster file, too.
    """

    name: str
    cluster: str | None = None
    settings: Mapping[str, str] = field(default_factory=dict)
    variables: Mapping[str, str] = field(default_factory=dict)
    threads: int | None = None

    def as_document(self) -> dict[str, Any]:
        """What differs, as JSON values."""
        given = {
            "cluster": self.cluster,
            "settings": dict(self.settings),
            "variables": dict(self.variables),
            "threads": self.threads,
        }
        return {"name": self.name, **{name: value for name, value in given.items() if value}}


@dataclass(frozen=True)
class Trial:
    """What came of one variant.

    Attributes:
        variant: The circumstances.
        digests: Output digest by asset; fewer than the run's where a stage was not reached.
        moved: Assets whose digest or metrics differ from the run's, upstream first.
        probability: Largest absolute difference of a probability; None where it could not be told.
        score: Largest absolute difference of a metric that is no count; None likewise.
        decisions: Rows whose decision differs.
        uncovered: What differs and no tolerance could cover, or was not compared, a phrase each.
        reasons: Why it did not come to its end.
        seconds: Wall clock time.
        cluster_sha256: Of the cluster file that it ran on; None where that was the run's own, unchanged.
        effective: What it really computed with, by its receipt (`probe_effect.effective`); None where it came to none.
    """

    variant: Variant
    digests: Mapping[str, str]
    moved: tuple[str, ...] = ()
    probability: float | None = 0.0
    score: float | None = 0.0
    decisions: int = 0
    uncovered: tuple[str, ...] = ()
    reasons: tuple[str, ...] = ()
    seconds: float = 0.0
    cluster_sha256: str | None = None
    effective: Mapping[str, Any] | None = None

    def as_document(self) -> dict[str, Any]:
        """The trial as JSON values."""
        return {
            **self.variant.as_document(),
            **({"cluster_sha256": self.cluster_sha256} if self.cluster_sha256 else {}),
            "digests": dict(self.digests),
            "moved": list(self.moved),
            "probability": self.probability,
            "score": self.score,
            "decisions": self.decisions,
            **({"uncovered": list(self.uncovered)} if self.uncovered else {}),
            "reasons": list(self.reasons),
            "seconds": self.seconds,
            **({"effective": dict(self.effective)} if self.effective else {}),
        }


def obstacle(trials: Sequence[Trial], numeric: Sequence[str]) -> str | None:
    """Why no tolerance follows from trials; None where one does.

    Args:
        trials: Of one run.
        numeric: Stages that may differ within a tolerance; of any other a difference is none of size but of kind.
    """
    for trial in trials:
        if trial.reasons:
            return f"{trial.variant.name} did not come to its end: {'; '.join(trial.reasons)}"
        other = [asset for asset in trial.moved if asset not in numeric]
        if other:
            return f"{trial.variant.name} changes {', '.join(other)}, which no tolerance covers"
        if trial.uncovered:
            return f"{trial.variant.name}: {'; '.join(trial.uncovered)}, which no tolerance covers"
        if trial.probability is None or trial.score is None:
            return f"{trial.variant.name}: how far the predictions lie apart can't be told"
    return None if trials else "nothing was tried"


def tolerance_document(
    record: RunRecord,
    trials: Sequence[Trial],
    *,
    date: str,
    before: Sequence[Mapping[str, Any]] = (),
    previous: str | None = None,
) -> dict[str, Any]:
    """What a tolerance file says: the bound, and the data it came from.

    A distance is that of a variant from the run itself. `EQUIVALENT` compares any two circumstances, though, and by the
    triangle inequality two variants lie apart by at most the sum of their distances: the bound is the sum of the two
    largest, of probabilities and of scores alike.

    Args:
        record: The run that was repeated.
        trials: All of them, without an obstacle.
        date: Of the measurement, `YYYY-MM-DD`.
        before: The documents of all files until now, the newest last; what they saw is part of the new bound.
        previous: Name of the newest.
    """
    compute = record.compute
    return {
        "schema": SCHEMA,
        "family": family_of(record.parameters),
        "lock": lock_of(record),
        **_bounds(before, trials),
        "bound": BOUND,
        "includes": previous,
        "date": date,
        "run": {
            "mlflow_run_id": record.mlflow_run_id,
            "data_version": record.data_version,
            "fingerprints": {table: pin.rows.fingerprint for table, pin in record.data.items()},
            "rows": {table: pin.rows.rows for table, pin in record.data.items()},
            "parameters": {asset: dict(own) for asset, own in record.parameters.items() if own},
            "cluster": compute["declared"]["name"],
            "cpu": compute["effective"]["cpu"]["model"],
            "digests": {asset: stage.output_digest for asset, stage in record.stages.items()},
        },
        "variants": [trial.as_document() for trial in trials],
    }


def _bounds(before: Sequence[Mapping[str, Any]], trials: Sequence[Trial]) -> dict[str, float]:
    """Both bounds after these trials, never narrower than before; a variant tried twice counts once, at its farthest."""
    seen = [*(variant for document in before for variant in document["variants"])]
    seen += [trial.as_document() for trial in trials]
    bounds = {}
    for kind in _KINDS:
        farthest: dict[str, float] = {}
        for variant in seen:
            farthest[variant["name"]] = max(farthest.get(variant["name"], 0.0), variant[kind] or 0.0)
        floor = max((float(document[kind]) for document in before), default=0.0)
        bounds[kind] = max(floor, sum(sorted(farthest.values())[-2:], 0.0))
    return bounds


def parse_tolerance(content: bytes, where: str) -> dict[str, Any]:
    """Read a tolerance file.

    Raises:
        BadInput: It is none, or a bound is no number from 0.
    """
    try:
        document = json.loads(content)
        known = document["schema"] == SCHEMA
        bounds = [float(document[name]) for name in _KINDS]
    except (ValueError, KeyError, TypeError) as error:
        raise BadInput("a tolerance file can't be read", where=where, stored=str(error), expected=SCHEMA) from error
    if not known or not all(math.isfinite(bound) and bound >= 0 for bound in bounds):
        raise BadInput(
            "a tolerance file can't be used", where=where, stored=bounds, expected=f"{SCHEMA}, bounds from 0"
        )
    return document


def stated(document: Mapping[str, Any], file: str) -> dict[str, Any]:
    """What a manifest says of a measured tolerance."""
    return {
        "probability": float(document["probability"]),
        "score": float(document["score"]),
        "source": "measured",
        "file": f"{FOLDER}/{file}",
    }


def covers(documents: Sequence[Mapping[str, Any]], trials: Sequence[Trial]) -> bool:
    """Whether files, the newest last, already say what these trials would: as wide, and every variant tried."""
    if not documents:
        return False
    tried = {variant["name"] for document in documents for variant in document["variants"]}
    bounds = _bounds(documents, trials)
    return all(trial.variant.name in tried for trial in trials) and all(
        bounds[kind] <= documents[-1][kind] for kind in _KINDS
    )


def files_of(names: Iterable[str], family: str, lock: str) -> list[str]:
    """The files of a family under a lock, by name, the newest last."""
    found = {number: name for name in names if (number := _number(name, family, lock)) is not None}
    return [found[number] for number in sorted(found)]


def newest(names: Iterable[str], family: str, lock: str) -> str | None:
    """The file that counts for a family under a lock, by name; None where there is none."""
    return next(reversed(files_of(names, family, lock)), None)


def next_name(names: Iterable[str], family: str, lock: str) -> str:
    """Name of the next file: one that stands is never written again."""
    numbers = [number for name in names if (number := _number(name, family, lock)) is not None]
    suffix = f"--v{max(numbers) + 1}" if numbers else ""
    return f"{family}--{lock}{suffix}.json"


def family_of(parameters: Mapping[str, Mapping[str, Any]]) -> str | None:
    """Family of the model, by a run's parameters; None where none was made."""
    family = parameters.get("model", {}).get("family")
    return None if family is None else str(family)


def uses_champion(parameters: Mapping[str, Mapping[str, Any]]) -> bool:
    """Whether the registry's champion predicts: what its predictions rest on is another run's."""
    return bool(parameters.get("predictions", {}).get("use_champion", False))


def lock_of(record: RunRecord) -> dict[str, str]:
    """Name and digest of the lock that a run declared, as a tolerance file names it."""
    declared = record.environment["declared"]
    return {"name": str(declared["name"]), "sha256": str(declared["lock_sha256"])}


def unmeasurable(record: RunRecord) -> str | None:
    """Why repeating this run measures nothing of its family and lock; None where it does."""
    if family_of(record.parameters) is None:
        return "the run made no model"
    if not record.enforced:
        return "the run's environment was written down and not enforced, so nothing says that it was the lock's"
    if record.champion is not None or uses_champion(record.parameters):
        return "the run predicted with the champion, whose fit is not repeated"
    return None


def _number(name: str, family: str, lock: str) -> int | None:
    """Which file of its family and lock; a lock's own name ends in a number as well, so it is compared whole."""
    stem = f"{family}--{lock}"
    if name == f"{stem}.json":
        return 1
    match = re.fullmatch(rf"{re.escape(stem)}--v([2-9]|[1-9]\d+)\.json", name)
    return int(match[1]) if match else None
