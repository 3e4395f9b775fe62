"""`repro reproduce`: run a past result again, and give the verdict.

The work is the Dagster job `reproduce`; here are what is asked of it, how the verdict is printed, and the exit code.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from repro_assets.defs.chain_run import QUIET_LOGGERS, as_repro_error
from repro_assets.defs.launch import execute_owned
from repro_assets.defs.reproduction import OP, reproduce_job
from repro_assets.errors import Outside, ReproError
from repro_assets.pins.swap import parse_swaps
from repro_assets.pins.verdict import Verdict

if TYPE_CHECKING:
    import dagster as dg


class NotReproduced(ReproError):
    """The result was not got again."""

    exit_code = 1


class NotReproducible(ReproError):
    """Something that the result needs is gone."""

    exit_code = 3


@dataclass(frozen=True)
class Answer:
    """A verdict and where it is kept.

    Attributes:
        verdict: What was found.
        mlflow_run_id: Run of the reproduction.
        dagster_run_id: Run of the job.
    """

    verdict: Verdict
    mlflow_run_id: str
    dagster_run_id: str

    def as_document(self) -> dict[str, Any]:
        """The `reproduce` document."""
        return {
            **self.verdict.as_document(),
            "reproduction_run": self.mlflow_run_id,
            "dagster_run_id": self.dagster_run_id,
        }


def reproduce(
    run: str,
    instance: dg.DagsterInstance,
    report: Callable[[str], None],
    *,
    keep: bool = False,
    replace: Sequence[str] = (),
    force: bool = False,
) -> Answer:
    """Execute the job in this process on the persistent instance.

    Args:
        run: MLflow run id, Dagster run id, or a data version for its newest run.
        instance: Dagster's history.
        report: Hears a line per step.
        keep: Leave the workspace there, to look at.
        replace: Components to replace on purpose, as `pins.swap` reads them.
        force: With components replaced: compute what is known already, too.

    Raises:
        BadInput: There is no such run, or it ended before its first stage did.
        Outside: The reproduction failed for a reason that says nothing about the result.
        KeyboardInterrupt: Ctrl-C or SIGTERM.
    """
    import dagster as dg

    parse_swaps(replace)
    answers: list[tuple[Verdict, str]] = []
    run_id = str(uuid.uuid4())
    job = reproduce_job(lambda verdict, mlflow_run: answers.append((verdict, mlflow_run)), report)
    asked = {"run": run, "keep": keep, "replace": list(replace), "force": force}
    config = {"ops": {OP: {"config": asked}}, "loggers": QUIET_LOGGERS}
    try:
        execute_owned(job, instance, run_id=run_id, run_config=config)
    except dg.DagsterExecutionInterruptedError as interrupt:
        raise KeyboardInterrupt from interrupt
    except ReproError:
        raise
    except Exception as error:
        # Dagster hands on what an op raised as it is, whatever it is.
        raise as_repro_error(error) from error
    if not answers:
        raise Outside("the reproduction gave no verdict", where=f"Dagster run {run_id}")
    verdict, mlflow_run = answers[0]
    return Answer(verdict, mlflow_run, run_id)


def require_passing(answer: Answer, *, strict: bool = False) -> None:
    """Turn the verdict into the exit code.

    Raises:
        NotReproduced: It is `DIVERGED`, or with `strict` anything but `IDENTICAL`.
        NotReproducible: It is `BLOCKED`.
    """
    verdict = answer.verdict
    if verdict.word == "BLOCKED":
        raise NotReproducible(f"BLOCKED: {'; '.join(verdict.reasons)}", where=verdict.run)
    if verdict.word == "DIVERGED":
        raise NotReproduced("DIVERGED", where=verdict.run, stored=f"{verdict.first_difference} differs first")
    if strict and verdict.word != "IDENTICAL":
        raise NotReproduced(
            f"{verdict.word} is not IDENTICAL", where=verdict.run, fix="Without --strict it is accepted"
        )
