"""The job `reproduce`: runs a past result again and says whether it came out the same.

It works from the launchpad as from the command line: `run` is an MLflow run id, a Dagster run id, or a data version.
The op succeeds whatever the verdict is: the verdict is its answer, and the asset check `reproduces` shows it on the
original's partition. It fails where there is none, with the one line that says why.
https://docs.dagster.io/guides/build/jobs
"""

# No `from __future__ import annotations`: Dagster reads the annotation of an op's `config` as it is.

from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import dagster as dg
from pydantic import Field

from repro_assets.defs.checks import JUDGED_DIGEST, REPRODUCES, VERDICT
from repro_assets.defs.page_links import mlflow_link
from repro_assets.defs.partitions import is_key
from repro_assets.defs.run_pins import owner_tag
from repro_assets.errors import ReproError
from repro_assets.experiment import EXPERIMENT
from repro_assets.pins.run_name import check_run_name
from repro_assets.pins.run_record import RunRecord
from repro_assets.pins.swap import parse_swaps
from repro_assets.pins.verdict import Verdict
from repro_assets.resources.known_secrets import call_cleanly
from repro_assets.resources.raw.raw_tables import RawTables
from repro_assets.resources.reproduction.preflight import Surroundings
from repro_assets.resources.reproduction.reproducing import Reproduction, Way
from repro_assets.settings import load as load_settings

if TYPE_CHECKING:
    from mlflow import MlflowClient

REPRODUCE = "reproduce"
OP = "run_again"
_CHECKED = "predictions"
_SHORT = 12

Told = Callable[[Verdict, str], None]


class ReproduceConfig(dg.Config):
    """Which result, and how."""

    run: str = Field(description="MLflow run id, Dagster run id, or a data version for its newest run.")
    keep: bool = Field(default=False, description="Leave the workspace below var/reproductions, to look at.")
    replace: list[str] = Field(
        default=[],
        description=(
            "Components to replace on purpose: data=KEY, code=current or a commit, environment=NAME, cluster=NAME, "
            "ASSET.NAME=VALUE, or COMPONENT=@RUN for that of another run."
        ),
    )
    force: bool = Field(default=False, description="With components replaced: compute what is known already, too.")


def reproduce_job(told: Told | None = None, report: Callable[[str], None] | None = None) -> dg.JobDefinition:
    """Build the job.

    Args:
        told: Hears the verdict and the MLflow run that holds it. Whoever listens is told of a refusal by its own
            class; on the page, where nobody does, it becomes the failure of the step.
        report: Hears a line per step, beside Dagster's event log.
    """

    @dg.op(name=OP, description="Runs the capsule of a past run in isolation, compares, and gives the verdict.")
    def run_again(context: dg.OpExecutionContext, config: ReproduceConfig) -> None:
        context.instance.add_run_tags(context.run.run_id, owner_tag())

        def say(line: str) -> None:
            context.log.info(line)
            if report is not None:
                report(line)

        try:
            found, run_id = call_cleanly(_reproduce, context, config, say)
        except ReproError as refusal:
            if told is not None:
                raise
            # The page begins with this line; of any other exception it would show Dagster's words about the op first.
            raise dg.Failure(str(refusal), allow_retries=False) from refusal
        verdict = found.verdict
        if report is not None:
            report(f"{verdict.word}: {verdict.run}")
        # The run is green whatever the verdict is: one that does not pass stands out in its log.
        (context.log.info if verdict.passes else context.log.error)(in_a_line(verdict))
        _log_check(context, found, run_id)
        context.add_output_metadata(_metadata(verdict, run_id))
        if told is not None:
            told(verdict, run_id)

    @dg.job(
        name=REPRODUCE,
        executor_def=dg.in_process_executor,
        description=(
            "Runs a past result again, with its own code and environment, on the rows it had, and judges it: IDENTICAL, "
            "EQUIVALENT, DIVERGED or BLOCKED. In the launchpad, `run` is what to reproduce."
        ),
    )
    def reproduce() -> None:
        run_again()

    return reproduce


def _reproduce(
    context: dg.OpExecutionContext, config: ReproduceConfig, say: Callable[[str], None]
) -> tuple[Reproduction, str]:
    from repro_assets.resources.reproduction.reproducing import reproduce
    from repro_assets.resources.reproduction.verdict_runs import log_verdict
    from repro_assets.resources.tracking.run_lookup import find_parent
    from repro_assets.resources.tracking.store import connect, initialise, speaking_of

    check_run_name(config.run)
    here = load_settings()
    experiment = initialise(here, EXPERIMENT.name)
    client = connect(here.mlflow_tracking_uri)
    with speaking_of(here.mlflow_tracking_uri):
        parent = find_parent(client, experiment, config.run, context.instance)
    found = reproduce(client, parent, _way(context, config, say, client, experiment))
    run_id = log_verdict(client, parent, found, dagster_run_id=context.run.run_id)
    return found, run_id


def _way(
    context: dg.OpExecutionContext,
    config: ReproduceConfig,
    say: Callable[[str], None],
    client: "MlflowClient",
    experiment: str,
) -> Way:
    from repro_assets.resources.reproduction.known_results import of_a_run
    from repro_assets.resources.reproduction.recipes import Pantry
    from repro_assets.resources.tracking.run_lookup import find_parent

    here = load_settings()
    around = Surroundings(here, RawTables(), client, datetime.now(UTC))
    pantry = Pantry(client, here, lambda run: find_parent(client, experiment, run, context.instance))
    return Way(
        here,
        say,
        lambda record, replaced: around.judge(record, replaced).reasons,
        swaps=parse_swaps(config.replace),
        find=pantry.find,
        known=(lambda _: None) if config.force else (lambda recipe: of_a_run(pantry, experiment, recipe)),
        keep=config.keep,
    )


def _log_check(context: dg.OpExecutionContext, found: Reproduction, run_id: str) -> None:
    """Show the verdict on the original's partition; one about a swapped component says nothing about the original."""
    record, verdict = found.record, found.verdict
    reached = record is None or _CHECKED in record.stages
    if not reached or verdict.swapped or not is_key(verdict.data_version):
        return
    evaluation = dg.AssetCheckEvaluation(
        asset_key=dg.AssetKey(_CHECKED),
        check_name=REPRODUCES,
        passed=verdict.passes,
        severity=dg.AssetCheckSeverity.ERROR,
        blocking=False,
        partition=verdict.data_version,
        description=in_a_line(verdict),
        metadata=_check_metadata(record, verdict, run_id),
    )
    context.log_event(evaluation)  # type: ignore[arg-type] # Dagster takes it at run time; its annotation lags behind


def _check_metadata(record: RunRecord | None, verdict: Verdict, run_id: str) -> dict[str, Any]:
    # Where the manifests can't be believed there is no digest to speak of, and later materializations hand nothing on.
    judged = {JUDGED_DIGEST: record.stages[_CHECKED].output_digest} if record else {}
    return {
        VERDICT: verdict.word,
        **judged,
        "run": verdict.run,
        "reproduction_run": run_id,
        "mlflow": mlflow_link(load_settings(), run_id),
        **({"first_difference": verdict.first_difference} if verdict.word == "DIVERGED" else {}),
        **({"reasons": "\n".join(verdict.reasons)} if verdict.reasons else {}),
    }


def in_a_line(verdict: Verdict) -> str:
    """A verdict as a sentence."""
    if verdict.word == "IDENTICAL":
        return f"IDENTICAL: all {len(verdict.stages)} outputs came out with the same digests"
    if verdict.word == "EQUIVALENT" and verdict.first_difference is None:
        return f"EQUIVALENT: nothing that was compared differs; not compared: {'; '.join(verdict.not_compared)}"
    if verdict.word == "EQUIVALENT":
        return f"EQUIVALENT: largest difference {verdict.largest_difference or 0.0:.3g}, within the tolerance"
    if verdict.word == "DIVERGED":
        return f"DIVERGED: {verdict.first_difference} is the first stage that differs"
    # A reason begins with its class, which for the plainest one is the verdict's word again.
    return f"BLOCKED: {'; '.join(reason.removeprefix('Blocked: ') for reason in verdict.reasons)}"


def _metadata(verdict: Verdict, run_id: str) -> dict[str, Any]:
    return {
        "verdict": verdict.word,
        "said": in_a_line(verdict),
        **({"not_compared": "\n".join(verdict.not_compared)} if verdict.not_compared else {}),
        "run": verdict.run,
        "reproduction_run": run_id,
        "mlflow": mlflow_link(load_settings(), run_id),
        **({"stages": _stages(verdict)} if verdict.stages else {}),
        "document": dg.MetadataValue.json(verdict.as_document()),
    }


def _stages(verdict: Verdict) -> dg.MarkdownMetadataValue:
    rows = [
        f"| {stage.asset} | {'equal' if stage.equal else 'not reached' if stage.found is None else '**differs**'} "
        f"| `{stage.expected[:_SHORT]}` | `{(stage.found or '-')[:_SHORT]}` |"
        for stage in verdict.stages
    ]
    return dg.MetadataValue.md("\n".join(["| stage | | expected | found |", "| --- | --- | --- | --- |", *rows]))
