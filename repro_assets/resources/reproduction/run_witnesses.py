"""Who got a run's result again: every recomputation and every reproduction, by anybody on any host with the same stores."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from repro_assets.pins.run_record import RunRecord
from repro_assets.pins.verdict import PASSING
from repro_assets.resources.reproduction.verdict_runs import verdicts_on
from repro_assets.resources.tracking.confirmations import CONFIRMATIONS, CONFLICTS, witnesses_on

if TYPE_CHECKING:
    from mlflow import MlflowClient

RECOMPUTED, DIFFERENT = "recomputed equal", "recomputed different"


@dataclass(frozen=True)
class Witness:
    """One time that somebody tried for the result again.

    Attributes:
        said: A verdict of a reproduction, else `recomputed equal` or `recomputed different` (`--force`).
        user: Who.
        host: Where.
        time: When, ISO 8601 in UTC.
        cpu: Model of the CPU.
        assets: Stages that were computed again; all of them in a reproduction.
        swapped: Components that were replaced on purpose.
        mlflow_run_id: Run that holds the verdict, or the last stage that was computed again.
    """

    said: str
    user: str | None
    host: str | None
    time: str | None
    cpu: str | None
    assets: tuple[str, ...]
    swapped: tuple[str, ...]
    mlflow_run_id: str

    @property
    def confirms(self) -> bool:
        """Whether the result was got again, as it was, with nothing replaced."""
        return not self.swapped and self.said in (RECOMPUTED, *PASSING)

    def as_document(self) -> dict[str, Any]:
        """The witness as JSON values."""
        return {**asdict(self), "assets": list(self.assets), "swapped": list(self.swapped)}


def witnesses_of(client: MlflowClient, record: RunRecord) -> list[Witness]:
    """Everybody who tried for a run's result again, oldest first.

    Args:
        client: Bound to the store.
        record: The run; a stage that it reused has its witnesses on the run that computed it.

    Raises:
        Outside: The store failed.
    """
    found = [*_recomputations(client, record), *_reproductions(client, record)]
    return sorted(found, key=lambda one: one.time or "")


def _reproductions(client: MlflowClient, record: RunRecord) -> list[Witness]:
    return [
        Witness(
            said=one["verdict"],
            user=one["user"],
            host=one["host"],
            time=_when(one["time"]),
            cpu=one["cpu"],
            assets=tuple(record.stages),
            swapped=tuple(one["swapped"]),
            mlflow_run_id=one["run"],
        )
        for one in verdicts_on(client, record.mlflow_run_id)
    ]


def _recomputations(client: MlflowClient, record: RunRecord) -> list[Witness]:
    """One per Dagster run, whatever number of stages it computed again."""
    runs: dict[tuple[str, str], list[Mapping[str, Any]]] = {}
    for stage in record.stages.values():
        for folder, said in ((CONFIRMATIONS, RECOMPUTED), (CONFLICTS, DIFFERENT)):
            for one in witnesses_on(client, stage.mlflow_run_id, folder):
                runs.setdefault((said, one["dagster_run_id"]), []).append(one)
    return [
        Witness(
            said=said,
            user=stages[-1].get("user"),
            host=stages[-1].get("host"),
            time=_when(stages[-1].get("time")),
            cpu=stages[-1]["compute"]["cpu"]["model"],
            assets=tuple(one["asset"] for one in stages),
            swapped=(),
            mlflow_run_id=stages[-1]["mlflow_run_id"],
        )
        for (said, _), stages in runs.items()
    ]


def _when(milliseconds: int | None) -> str | None:
    if milliseconds is None:
        return None
    return datetime.fromtimestamp(milliseconds / 1000, UTC).isoformat(timespec="seconds")
