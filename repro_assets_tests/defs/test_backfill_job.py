"""The job `backfill_warm` around a chain of one small asset: a Dagster run per key, on a real instance."""

# No `from __future__ import annotations`: Dagster reads the annotation of an asset's `context` as it is.

import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import dagster as dg
import pytest

from repro_assets.definitions import defs
from repro_assets.defs.backfill import BACKFILL, BACKFILL_TAG, OP, backfill_job
from repro_assets.defs.chain_run import attempt_chain
from repro_assets.defs.partitions import DATA_VERSIONS
from repro_assets.defs.run_pins import OWNER_TAG
from repro_assets.errors import BadInput, DataDamaged
from repro_assets_tests.unit.delta_log import write_table

KEYS = [f"covid_cases-v{number:06d}--job_changes-v000000" for number in range(3)]
QUIET = {"console": {"config": {"log_level": "CRITICAL"}}}


@pytest.fixture
def instance(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[dg.DagsterInstance]:
    """An instance of its own, over a lake with three data versions."""
    monkeypatch.setenv("REPRO_VAR", str(tmp_path / "var"))
    for name in ("REPRO_LAKE", "DAGSTER_HOME", "MLFLOW_TRACKING_URI"):
        monkeypatch.delenv(name, raising=False)
    write_table(tmp_path / "var" / "lake", "covid_cases", 20, 30, 40)
    write_table(tmp_path / "var" / "lake", "job_changes", 10)
    with dg.instance_for_test(temp_dir=str(tmp_path)) as made:
        yield made


def chain_of(work: Callable[[str], None]) -> dg.JobDefinition:
    """A chain whose one asset does `work` for its key; it takes the configuration of the real one."""

    @dg.asset(partitions_def=DATA_VERSIONS)
    def predictions(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
        work(context.partition_key)
        return dg.MaterializeResult(metadata={"state": "computed", "identity": "i", "output_digest": "d"})

    return dg.Definitions(assets=[predictions], jobs=[dg.define_asset_job("chain")]).resolve_job_def("chain")


@pytest.fixture
def backfill(instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Execute the job around a chain that does `work`."""
    # The small chain has none of the real one's assets and resources to configure.
    monkeypatch.setattr("repro_assets.defs.backfill.chain_config", lambda *_, **__: {"loggers": QUIET})

    def execute(work: Callable[[str], None], **config: object) -> None:
        backfill_job(lambda: chain_of(work)).execute_in_process(
            instance=instance, run_config={"ops": {OP: {"config": config}}, "loggers": QUIET}
        )

    return execute


def runs(instance: dg.DagsterInstance, job: str) -> dict[str, dg.DagsterRun]:
    found = reversed(instance.get_runs(dg.RunsFilter(job_name=job)))
    return {run.tags.get("dagster/partition", job): run for run in found}


def test_without_keys_all_data_versions_are_registered_and_run_in_order(instance, backfill) -> None:
    done: list[str] = []

    backfill(done.append)

    assert done == KEYS == list(instance.get_dynamic_partitions("data_version"))
    assert {run.status for run in runs(instance, "chain").values()} == {dg.DagsterRunStatus.SUCCESS}


def test_the_keys_that_are_named_are_run_in_the_order_given(instance, backfill) -> None:
    done: list[str] = []

    backfill(done.append, keys=[KEYS[2], KEYS[0], KEYS[2]])

    assert done == [KEYS[2], KEYS[0]]


def test_each_run_of_the_chain_names_the_run_that_started_it(instance, backfill) -> None:
    backfill(lambda key: None)

    parent = runs(instance, BACKFILL)[BACKFILL]
    assert OWNER_TAG in parent.tags
    for run in runs(instance, "chain").values():
        assert run.tags["dagster/parent_run_id"] == run.tags[BACKFILL_TAG] == parent.run_id


@pytest.mark.parametrize(
    "error", [DataDamaged("rows are gone"), ValueError("nobody foresaw")], ids=lambda error: type(error).__name__
)
def test_a_version_that_fails_does_so_alone_and_the_backfill_is_red_with_its_reason(instance, backfill, error) -> None:
    def work(key: str) -> None:
        if key == KEYS[1]:
            raise error

    with pytest.raises(dg.Failure, match="1 of 3 data versions failed") as failed:
        backfill(work)

    assert str(error) in failed.value.metadata["data versions"].value
    assert [run.status.value for run in runs(instance, "chain").values()] == ["SUCCESS", "FAILURE", "SUCCESS"]
    assert runs(instance, BACKFILL)[BACKFILL].status == dg.DagsterRunStatus.FAILURE


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM], ids=["SIGINT", "SIGTERM"])
def test_an_interrupt_ends_the_version_that_runs_and_starts_no_other(instance, backfill, sent) -> None:
    def work(key: str) -> None:
        if key == KEYS[1]:
            os.kill(os.getpid(), sent)

    with pytest.raises((KeyboardInterrupt, dg.DagsterExecutionInterruptedError)):
        backfill(work)

    assert list(runs(instance, "chain")) == KEYS[:2]
    assert runs(instance, "chain")[KEYS[1]].status == dg.DagsterRunStatus.FAILURE


def test_an_interrupt_that_looks_like_an_error_of_the_version_stops_too(instance, backfill) -> None:
    def work(key: str) -> None:
        try:
            os.kill(os.getpid(), signal.SIGINT)
        except BaseException as error:
            raise ValueError("Job cancelled") from error

    with pytest.raises((KeyboardInterrupt, dg.DagsterExecutionInterruptedError)):
        backfill(work)

    assert list(runs(instance, "chain")) == KEYS[:1]


class InterruptedEarly:
    """A chain whose interrupt comes after its run was created and before it was started."""

    def execute_in_process(self, *, instance, run_id, tags, **rest) -> None:
        instance.create_run_for_job(chain_of(lambda key: None), run_id=run_id, tags=tags)
        raise KeyboardInterrupt


def test_an_interrupt_before_a_run_starts_leaves_no_run_open(instance) -> None:
    with pytest.raises(KeyboardInterrupt):
        attempt_chain(InterruptedEarly(), KEYS[0], {}, instance, {})

    assert [run.status for run in instance.get_runs()] == [dg.DagsterRunStatus.FAILURE]


def test_a_run_that_was_cancelled_on_the_page_starts_no_other(instance, backfill) -> None:
    def work(key: str) -> None:
        instance.report_run_canceling(runs(instance, BACKFILL)[BACKFILL])

    with pytest.raises((KeyboardInterrupt, dg.DagsterExecutionInterruptedError)):
        backfill(work)

    assert list(runs(instance, "chain")) == KEYS[:1]


def test_a_key_that_is_none_stops_the_backfill_before_anything_runs(instance, backfill) -> None:
    with pytest.raises(BadInput, match="not a data version key"):
        backfill(lambda key: None, keys=["../x"])

    assert runs(instance, "chain") == {}


def test_partitions_that_are_no_key_are_passed_by(instance, backfill) -> None:
    instance.add_dynamic_partitions("data_version", ["added by hand"])
    done: list[str] = []

    backfill(done.append)

    assert done == KEYS


def test_the_job_can_be_launched_from_the_page_with_the_parameters_of_run() -> None:
    job = defs.resolve_job_def(BACKFILL)
    assert job.executor_def is dg.in_process_executor
    names = set(job.graph.node_named(OP).definition.config_schema.config_type.fields)
    assert names == {"keys", "parameters", "force", "environment", "cluster", "record"}
