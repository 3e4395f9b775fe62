"""The MLflow runs of one Dagster run: one parent, one nested run per asset, opened and closed through the client.

Nothing is touched before the first run is needed, so a Dagster run that reuses everything leaves no trace in MLflow.
How a run ends is read from Dagster's event log (`tracking_outcome`). What is written to the runs is in `tracking`.
"""

from __future__ import annotations

import json
import logging
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from repro_assets.errors import BadInput
from repro_assets.resources.process_owner import current_owner, user_name
from repro_assets.resources.tracking.outcome import RunOutcome, read_outcome, running_step
from repro_assets.resources.tracking.records import checked_tags
from repro_assets.resources.tracking.store import connect, initialise, speaking_of

if TYPE_CHECKING:
    import dagster as dg
    from mlflow import MlflowClient

    from repro_assets.settings import Settings


_RUN_ID = re.compile(r"[A-Za-z0-9-]{1,64}")


@dataclass
class NestedRun:
    """One asset's MLflow run.

    Attributes:
        run_id: MLflow run.
        step: Dagster step that it was opened in, if any.
        assets: Keys of the assets it stands for.
        data_version: Data version key, once known.
        ended: Milliseconds since the epoch at which `finish_asset` was called.
    """

    run_id: str
    step: str | None
    assets: tuple[str, ...]
    data_version: str | None = None
    ended: int | None = None


@dataclass
class _Book:
    """What this tracker has opened so far."""

    parent: str | None = None
    nested: dict[str, NestedRun] = field(default_factory=dict)
    reused: dict[str, str] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    current: str | None = None
    closed: bool = False


class RunLifecycle:
    """Opens, finds and ends the MLflow runs of one Dagster run.

    Args:
        settings: Names the store.
        experiment_name: MLflow experiment; never one that dagster-mlflow's stock resource writes to, which finds its
            runs by the same tag.
        run: The Dagster run, None outside of one (then runs end as `close` is told).
        instance: Where the Dagster run's events are.
        log: Dagster's logger, or any other.
    """

    def __init__(
        self,
        settings: Settings,
        experiment_name: str,
        *,
        run: dg.DagsterRun | None = None,
        instance: dg.DagsterInstance | None = None,
        log: logging.Logger | None = None,
    ) -> None:
        self.experiment_name = experiment_name
        self.tracking_uri = settings.mlflow_tracking_uri
        self.dagster_run_id = run.run_id if run else None
        self.log = log or logging.getLogger(__name__)
        self._settings = settings
        self._run = run
        self._instance = instance
        self._client: MlflowClient | None = None
        self._experiment_id: str | None = None
        self._book = _Book()

    @property
    def tracking_client(self) -> MlflowClient:
        """The client of this store; the first use connects and sets up a fresh database.

        Raises:
            TrackingUnreachable: The store does not answer.
            Outside: The store can't be used.
        """
        if self._client is None:
            self._experiment_id = initialise(self._settings, self.experiment_name)
            self._client = connect(self.tracking_uri)
        return self._client

    @property
    def experiment_id(self) -> str:
        """Id of the experiment; the first use connects."""
        if self._experiment_id is None:
            self._experiment_id = initialise(self._settings, self.experiment_name)
        return self._experiment_id

    @property
    def parent_run_id(self) -> str | None:
        """MLflow run of this Dagster run; None as long as nothing was computed."""
        return self._book.parent

    def nested(self, asset: str, data_version: str | None = None, *, tags: Mapping[str, Any] | None = None) -> str:
        """The asset's nested run, opened (with the parent) on the first call.

        Args:
            asset: Asset key (`folder/name`), or a name of one's own inside a plain op.
            data_version: Key of the data version; recorded on the nested and the parent run.
            tags: Further tags of the nested run.

        Returns:
            MLflow run id.

        Raises:
            BadInput: The tracker was closed, or a tag is too long.
            TrackingUnreachable: The store does not answer.
        """
        self._refuse_closed()
        self._book.current = asset
        wanted = {**self._described(asset, data_version), **(tags or {})}
        checked = checked_tags(wanted)
        known = self._book.nested.get(asset)
        with speaking_of(self.tracking_uri):
            if known is not None:
                if data_version is not None or tags:
                    self.tracking_client.log_batch(known.run_id, tags=checked)
                    known.data_version = data_version or known.data_version
                return known.run_id
            parent = self._open_parent(data_version)
            run_id = self._create(asset, {**{tag.key: tag.value for tag in checked}, "mlflow.parentRunId": parent})
        self._book.nested[asset] = self._placed(asset, run_id, data_version)
        return run_id

    def current_run(self) -> str:
        """The nested run of the asset that is being computed, opened on demand.

        Raises:
            BadInput: No asset is being computed and none was opened by `nested`.
        """
        step = running_step()
        if step is not None:
            opened = self._book.nested.get(self._book.current or "")
            if opened is not None and opened.step == step.step:
                return opened.run_id
            return self.nested(step.name, step.data_version)
        if self._book.current is None:
            raise BadInput(
                "no asset is being computed, so there is no MLflow run to log to",
                fix="Log from inside an asset, or open a run with `nested(asset)` first",
            )
        return self.nested(self._book.current)

    def describe(self, tags: Mapping[str, Any]) -> None:
        """Tags for the parent and every nested run, those to come included (`mlflow.source.git.commit`, …).

        Raises:
            BadInput: A value is longer than MLflow keeps.
        """
        checked = checked_tags(tags)
        self._book.tags.update({tag.key: tag.value for tag in checked})
        opened = [nested.run_id for nested in self._book.nested.values()]
        for run_id in [self._book.parent, *opened] if self._book.parent else []:
            with speaking_of(self.tracking_uri):
                self.tracking_client.log_batch(run_id, tags=checked)

    def reuse(self, asset: str, mlflow_run_id_of_origin: str) -> None:
        """Record that an asset was not computed but taken from an earlier run.

        The parent run gets the tag `repro.reused.ASSET`; without a parent nothing is written, now or ever.
        """
        self._refuse_closed()
        self._book.reused[asset] = mlflow_run_id_of_origin
        if self._book.parent is not None:
            with speaking_of(self.tracking_uri):
                self.tracking_client.set_tag(self._book.parent, f"repro.reused.{asset}", mlflow_run_id_of_origin)

    def finish_asset(self, run_id: str) -> None:
        """Note that the work of a nested run ends now; its state is decided in `close`, once Dagster's event exists.

        Raises:
            BadInput: This tracker opened no such run.
        """
        for nested in self._book.nested.values():
            if nested.run_id == run_id:
                nested.ended = _now()
                return
        raise BadInput("not a nested run of this tracker", stored=run_id, expected="an id that `nested` returned")

    def close(self, error: BaseException | None = None) -> None:
        """End every run: FINISHED where Dagster has the materialization, else FAILED, or KILLED after an interrupt.

        Args:
            error: What ended the work, where the caller saw it.

        Raises:
            Outside: The store failed; the runs stay RUNNING until the reaper finds them.
        """
        book = self._book
        if book.closed or book.parent is None:
            book.closed = True
            return
        book.closed = True
        outcome = self._outcome(error)
        now = _now()
        states = []
        with speaking_of(self.tracking_uri):
            for nested in book.nested.values():
                states.append(outcome.state_of(nested.step, nested.assets))
                self.tracking_client.set_terminated(nested.run_id, states[-1], nested.ended or now)
            self.tracking_client.set_terminated(book.parent, outcome.state_of_run(states), now)

    def _outcome(self, error: BaseException | None) -> RunOutcome:
        steps = frozenset(nested.step or "" for nested in self._book.nested.values())
        assets = frozenset(key for nested in self._book.nested.values() for key in nested.assets)
        interrupted = isinstance(error, KeyboardInterrupt)
        if self._run is not None and self._instance is not None:
            read = read_outcome(self._instance, self._run.run_id)
            return RunOutcome(read.materialized, read.succeeded, read.failed, read.interrupted or interrupted)
        if error is None:
            return RunOutcome(assets, steps, frozenset(), interrupted=False)
        return RunOutcome(frozenset(), frozenset(), frozenset() if interrupted else steps, interrupted)

    def _placed(self, asset: str, run_id: str, data_version: str | None) -> NestedRun:
        step = running_step()
        if step is None:
            return NestedRun(run_id, None if self._run else "", (asset,), data_version)
        if asset in step.assets:
            return NestedRun(run_id, step.step, (asset,), data_version)
        return NestedRun(run_id, step.step, step.assets if asset == step.name else (), data_version)

    def _open_parent(self, data_version: str | None) -> str:
        book = self._book
        if book.parent is None:
            tags = {f"repro.reused.{asset}": origin for asset, origin in book.reused.items()}
            attempt = self._attempt_before()
            if attempt is not None:
                tags["repro.reexecution_of"] = attempt
            if data_version is not None:
                tags["repro.data_version"] = data_version
            name = data_version or (self._run.job_name if self._run else self.experiment_name)
            book.parent = self._create(name, {**self._common(), **tags})
        elif data_version is not None:
            self.tracking_client.set_tag(book.parent, "repro.data_version", data_version)
        return book.parent

    def _create(self, name: str, tags: Mapping[str, str]) -> str:
        run = self.tracking_client.create_run(
            self.experiment_id, start_time=_now(), tags={**tags, "mlflow.runName": name}, run_name=name
        )
        return run.info.run_id

    def _described(self, asset: str, data_version: str | None) -> dict[str, str]:
        versions = {} if data_version is None else {"repro.data_version": data_version}
        return {**self._common(), "repro.asset": asset, **versions}

    def _common(self) -> dict[str, str]:
        tags = {"repro.owner": json.dumps(current_owner()), "mlflow.user": user_name(), "mlflow.source.type": "JOB"}
        if self._run is not None:
            tags["dagster_run_id"] = self._run.run_id
            tags["mlflow.source.name"] = self._run.job_name
        return {**tags, **self._book.tags}

    def _attempt_before(self) -> str | None:
        """The parent run of the Dagster run that this one executes again; where that reused all, of the first one."""
        if self._run is None:
            return None
        tags = self._run.tags
        attempts = (tags.get("dagster/parent_run_id"), tags.get("dagster/root_run_id"))
        # Whoever launches a run may give it any tag: what is no id must not get into a query.
        for earlier in dict.fromkeys(attempt for attempt in attempts if attempt and _RUN_ID.fullmatch(attempt)):
            runs = self.tracking_client.search_runs(
                [self.experiment_id],
                filter_string=f"tags.dagster_run_id = '{earlier}'",
                order_by=["attributes.start_time DESC"],
            )
            for run in runs:
                if "mlflow.parentRunId" not in run.data.tags:
                    return run.info.run_id
        return None

    def _refuse_closed(self) -> None:
        if self._book.closed:
            raise BadInput("the tracker is closed: its Dagster run has ended", where=self.dagster_run_id)


def _now() -> int:
    return int(time.time() * 1000)
