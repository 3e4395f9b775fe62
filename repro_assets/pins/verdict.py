"""The verdict of a reproduction: what the evidence allows to say, and never a better word.

`IDENTICAL`: every output digest and every metric bit is equal, and nothing was left uncompared.
`EQUIVALENT`: data, split and features are identical; predictions and metrics lie within the manifest's tolerance.
`DIVERGED`: a stage differs; the first one is named, and how.
`BLOCKED`: something that the result needs is gone or is not what was recorded; all reasons are named.

Here belongs what follows from evidence. Gathering it does not (`resources.verdict_evidence`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from repro_assets.pins.closeness import Closeness
from repro_assets.pins.contract import Result
from repro_assets.pins.run_record import RunRecord, StageRecord
from repro_assets.pins.table_difference import TableDifference

SCHEMA = "repro-reproduce/1"
Word = Literal["IDENTICAL", "EQUIVALENT", "DIVERGED", "BLOCKED"]
PASSING: tuple[Word, ...] = ("IDENTICAL", "EQUIVALENT")


@dataclass(frozen=True)
class StageComparison:
    """One stage next to its original.

    Attributes:
        asset: Its name.
        expected: Output digest of the original.
        found: Output digest of the reproduction; None where the stage was not reached.
        metrics: Expected and found value of every metric that differs in a bit.
    """

    asset: str
    expected: str
    found: str | None
    metrics: Mapping[str, tuple[float | None, float | None]] = field(default_factory=dict)

    @property
    def equal(self) -> bool:
        """Whether digest and metrics are equal, bit for bit."""
        return self.expected == self.found and not self.metrics

    def as_document(self) -> dict[str, Any]:
        """The comparison as JSON values."""
        metrics = {name: {"expected": one, "found": other} for name, (one, other) in self.metrics.items()}
        return {
            "asset": self.asset,
            "expected": self.expected,
            "found": self.found,
            "equal": self.equal,
            **({"metrics": metrics} if metrics else {}),
        }


@dataclass(frozen=True)
class Component:
    """One of the four things that make a result, of the original and of the reproduction.

    Attributes:
        name: `data`, `code`, `environment` or `compute`; `parameters` only where they were replaced.
        expected: What names it: digests, by what they are of.
        found: The same of the reproduction; None where it was not reached.
        swapped: Whether another one was asked for.
    """

    name: str
    expected: Mapping[str, Any]
    found: Mapping[str, Any] | None
    swapped: bool = False

    @property
    def equal(self) -> bool:
        """Whether both are the same."""
        return self.found is not None and dict(self.expected) == dict(self.found)

    def as_document(self) -> dict[str, Any]:
        """The component as JSON values."""
        found = None if self.found is None else dict(self.found)
        return {"expected": dict(self.expected), "found": found, "equal": self.equal, "swapped": self.swapped}


@dataclass(frozen=True)
class Evidence:
    """What was gathered beyond the digests.

    Attributes:
        differences: What differs in the tables of the first stage that differs, by part.
        closeness: How far the predictions lie from the original's; None where they were not compared.
        not_compared: What could not be compared, and why, a sentence each.
        swapped: Components that were replaced on purpose.
        changes: What differs in each of those: rows, files, packages, settings, values.
    """

    differences: Mapping[str, TableDifference] = field(default_factory=dict)
    closeness: Closeness | None = None
    not_compared: Sequence[str] = ()
    swapped: Sequence[str] = ()
    changes: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Verdict:
    """The answer of a reproduction, with its evidence.

    Attributes:
        word: The answer.
        run: MLflow run that was reproduced.
        data_version: Its key.
        stages: Every stage next to its original, upstream first.
        components: Data, code, environment and compute of both.
        circumstances: What else was different: CPU, Python, Java, libraries; by name, expected and found.
        differences: Of the first stage that differs, by part.
        closeness: Distance of the predictions, where they were compared.
        not_compared: What could not be compared.
        reasons: Why it is blocked, or why a stage was not reached.
        swapped: Components that were replaced on purpose: then it says nothing about the original.
        changes: What differs in each of those: rows, files, packages, settings, values.
        seconds: What the reproduction took.
    """

    word: Word
    run: str
    data_version: str
    stages: tuple[StageComparison, ...] = ()
    components: tuple[Component, ...] = ()
    circumstances: Mapping[str, tuple[Any, Any]] = field(default_factory=dict)
    differences: Mapping[str, TableDifference] = field(default_factory=dict)
    closeness: Closeness | None = None
    not_compared: tuple[str, ...] = ()
    reasons: tuple[str, ...] = ()
    swapped: tuple[str, ...] = ()
    changes: Mapping[str, Any] = field(default_factory=dict)
    seconds: float = 0.0

    @property
    def passes(self) -> bool:
        """Whether the result was got again."""
        return self.word in PASSING

    @property
    def first_difference(self) -> str | None:
        """The first stage that differs."""
        return next((stage.asset for stage in self.stages if not stage.equal), None)

    @property
    def largest_difference(self) -> float | None:
        """Largest absolute difference of a number: of the predictions, else of the first stage that differs."""
        if self.word == "IDENTICAL":
            return 0.0
        if self.closeness is not None:
            return self.closeness.probability
        known = [difference.largest for difference in self.differences.values() if difference.largest is not None]
        return max(known, default=None)

    def as_document(self) -> dict[str, Any]:
        """The verdict as JSON values."""
        return {
            "schema": SCHEMA,
            "verdict": self.word,
            "run": self.run,
            "data_version": self.data_version,
            "stages": [stage.as_document() for stage in self.stages],
            "first_difference": self.first_difference,
            "components": {component.name: component.as_document() for component in self.components},
            "swapped": list(self.swapped),
            "changes": dict(self.changes),
            "circumstances": {
                name: {"expected": one, "found": other} for name, (one, other) in self.circumstances.items()
            },
            "differences": {part: difference.as_document() for part, difference in self.differences.items()},
            "closeness": self.closeness.as_document() if self.closeness else None,
            "largest_difference": self.largest_difference,
            "not_compared": list(self.not_compared),
            "reasons": list(self.reasons),
            "seconds": self.seconds,
        }


def blocked(
    run: str, data_version: str, reasons: Sequence[str], *, swapped: Sequence[str] = (), seconds: float = 0.0
) -> Verdict:
    """The verdict on a run that can't be tried, as it was or with components replaced."""
    return Verdict("BLOCKED", run, data_version, reasons=tuple(reasons), swapped=tuple(swapped), seconds=seconds)


def compare_stages(record: RunRecord, result: Result) -> tuple[StageComparison, ...]:
    """Every stage of the original next to what was found, upstream first."""
    return tuple(_stage(stage, result.stages.get(asset)) for asset, stage in record.stages.items())


def judge(
    record: RunRecord, result: Result, evidence: Evidence, *, blocking: Sequence[str], numeric: Sequence[str]
) -> Verdict:
    """Say what the evidence allows.

    Args:
        record: The original.
        result: What the capsule gave.
        evidence: What was gathered beyond the digests.
        blocking: Kinds of failure that mean that an input or pin is not there any more.
        numeric: Stages that may differ within the tolerance; all others have to be identical for `EQUIVALENT`.
    """
    stages = compare_stages(record, result)
    differing = [stage for stage in stages if not stage.equal and stage.found is not None]
    reasons = (_reason(result, stages),) if result.failure else ()
    components = _components(record, result, evidence.swapped)
    not_compared = (*evidence.not_compared, *_out_of_reach(record, result, components))
    return Verdict(
        word=_word(stages, differing, result, evidence, not_compared, components, blocking, numeric),
        run=record.mlflow_run_id,
        data_version=record.data_version,
        stages=stages,
        components=components,
        circumstances=_circumstances(record, result),
        differences=evidence.differences,
        closeness=evidence.closeness,
        not_compared=not_compared,
        reasons=reasons,
        swapped=tuple(evidence.swapped),
        changes=evidence.changes,
        seconds=result.seconds,
    )


def _word(
    stages: Sequence[StageComparison],
    differing: Sequence[StageComparison],
    result: Result,
    evidence: Evidence,
    not_compared: Sequence[str],
    components: Sequence[Component],
    blocking: Sequence[str],
    numeric: Sequence[str],
) -> Word:
    if result.failure is not None and not differing:
        return "BLOCKED" if result.failure.kind in blocking else "DIVERGED"
    unreached = [stage for stage in stages if stage.found is None]
    if not differing and not unreached:
        return "EQUIVALENT" if not_compared else "IDENTICAL"
    # The same data, code and parameters on another machine or other packages: a small change of those is no tolerance.
    same = all(component.equal for component in components if component.name in ("data", "code", "parameters"))
    within = not unreached and all(stage.asset in numeric for stage in differing)
    close = evidence.closeness is not None and evidence.closeness.is_within
    return "EQUIVALENT" if same and within and close else "DIVERGED"


def _stage(expected: StageRecord, found: StageRecord | None) -> StageComparison:
    if found is None:
        return StageComparison(expected.asset, expected.output_digest, None)
    names = {**expected.metrics, **found.metrics}
    pairs = {name: (expected.metrics.get(name), found.metrics.get(name)) for name in names}
    unequal = {name: pair for name, pair in pairs.items() if not _same_bits(*pair)}
    return StageComparison(expected.asset, expected.output_digest, found.output_digest, unequal)


def _same_bits(one: float | None, other: float | None) -> bool:
    if one is None or other is None:
        return one is other
    return float(one).hex() == float(other).hex()


def _reason(result: Result, stages: Sequence[StageComparison]) -> str:
    where = next((stage.asset for stage in stages if stage.found is None), None)
    failure = result.failure
    said = f"{failure.kind}: {failure.message}" if failure else ""
    return f"{where} was not reached: {said}" if where else said


def _out_of_reach(record: RunRecord, result: Result, components: Sequence[Component]) -> list[str]:
    """What makes `IDENTICAL` more than can be said, although nothing differs."""
    if set(record.stages) != set(result.stages):
        return []  # stages that were not reached say enough
    said = [
        f"{component.name}: what ran is not what was asked for"
        for component in components
        if not component.equal and not component.swapped
    ]
    if not any(component.swapped for component in components):
        said += [
            f"{asset}: made under another identity, of other code, environment, cluster or parameters than the run"
            for asset, stage in record.stages.items()
            if stage.identity != result.stages[asset].identity
            and stage.output_digest == result.stages[asset].output_digest
        ]
    if not record.enforced:
        said.append(
            "environment: the original's was written down and not enforced, so nothing says that it was this one"
        )
    return said


def _components(record: RunRecord, result: Result, swapped: Sequence[str]) -> tuple[Component, ...]:
    last = next(iter(reversed(list(result.stages.values()))), None)
    found = RunRecord(record.mlflow_run_id, record.dagster_run_id, record.data_version, result.stages)
    reached = last is not None
    pairs: dict[str, tuple[Mapping[str, Any], Mapping[str, Any] | None]] = {
        "data": (_data(record), _data(found) if reached else None),
        "code": (
            {"capsule": record.code["capsule"]},
            {"capsule": result.capsule} if result.capsule is not None else None,
        ),
        "environment": (_environment(record), _environment(found) if reached else None),
        "compute": (_compute(record), _compute(found) if reached else None),
    }
    if "parameters" in swapped:
        pairs["parameters"] = (record.parameters, found.parameters if reached else None)
    return tuple(Component(name, one, other, name in swapped) for name, (one, other) in pairs.items())


def _data(record: RunRecord) -> dict[str, Any]:
    return {
        table: {
            "table_id": pin.commit.table_id,
            "version": pin.commit.version,
            "commit_sha256": pin.commit.commit_sha256,
            "fingerprint": pin.rows.fingerprint,
        }
        for table, pin in record.data.items()
    }


def _environment(record: RunRecord) -> dict[str, Any]:
    declared = record.environment["declared"]
    return {"name": declared["name"], "digest": declared["digest"]}


def _compute(record: RunRecord) -> dict[str, Any]:
    declared = record.compute["declared"]
    return {"name": declared["name"], "sha256": declared["sha256"]}


# What a receipt holds that is worth a line where it differs; everything else changes from one start to the next.
_CIRCUMSTANCES: Mapping[str, tuple[str, ...]] = {
    "system": ("compute", "host", "system"),
    "machine": ("compute", "host", "machine"),
    "python": ("compute", "host", "python"),
    "CPU": ("compute", "cpu", "model"),
    "CPU flags": ("compute", "cpu", "flags_sha256"),
    "cores": ("compute", "cpu", "cores"),
    "numpy dispatch": ("compute", "cpu", "numpy_dispatch"),
    "number libraries": ("compute", "blas"),
    "threads": ("compute", "threads"),
    "java": ("compute", "spark", "java"),
    "spark": ("compute", "spark", "version"),
    "executors": ("compute", "spark", "executors"),
    "extra packages": ("environment", "extra_packages"),
}


def _circumstances(record: RunRecord, result: Result) -> dict[str, tuple[Any, Any]]:
    if record.last.asset not in result.stages:
        return {}
    one, other = record.last.manifest["pins"], result.stages[record.last.asset].manifest["pins"]
    pairs = {name: (_at(one, path), _at(other, path)) for name, path in _CIRCUMSTANCES.items()}
    return {name: pair for name, pair in pairs.items() if pair[0] != pair[1] and None not in pair}


def _at(pins: Mapping[str, Any], path: Sequence[str]) -> Any:
    pin, *names = path
    found: Any = pins[pin]["effective"]
    for name in names:
        found = found.get(name) if isinstance(found, Mapping) else None
    return found
