"""One materialization, from decoding the key to the `MaterializeResult`: the moves that all assets share.

Here belongs the order of things: pins first, reuse if the identity is known, capture before compute, marker last.
What a stage computes belongs to `steps`; how something is stored or logged belongs to `resources`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

import dagster as dg

from repro_assets.defs import checks, page_plots, stage_models, stage_record, stage_result
from repro_assets.defs.run_pins import RunPins
from repro_assets.defs.stage_config import StageConfig
from repro_assets.errors import BadInput, Blocked, DataDamaged, NotMaterialized, ReproError
from repro_assets.experiment import EXPERIMENT
from repro_assets.pins.champion import Champion
from repro_assets.pins.data import CommitPin, DataPin
from repro_assets.pins.data_history import data_versions
from repro_assets.pins.data_version import decode
from repro_assets.pins.identity import Identity
from repro_assets.pins.output import Output, Part, output_digest
from repro_assets.resources.known_secrets import call_cleanly
from repro_assets.resources.outputs.lake import Lake, new_attempt
from repro_assets.resources.progress import PROGRESS
from repro_assets.resources.raw.raw_tables import RawTables
from repro_assets.resources.raw.read_errors import cause

if TYPE_CHECKING:
    import pyarrow as pa
    from pyspark.sql import DataFrame, SparkSession


class Stages:
    """Opens the stage of an asset; one instance per Dagster run."""

    def __init__(self) -> None:
        self._run = RunPins()
        self._stage: Stage | None = None

    def attempt(self, body: Callable[..., Any], context: dg.AssetExecutionContext, config: StageConfig) -> Any:
        """Run the body of an asset; what it raises says what of its inputs can't be read, and shows no secret."""
        self._stage = None
        return call_cleanly(self._attempt, body, context, config)

    def _attempt(self, body: Callable[..., Any], context: dg.AssetExecutionContext, config: StageConfig) -> Any:
        from py4j.protocol import Py4JJavaError
        from pyspark.errors import PySparkException

        try:
            return body(context, config)
        except (Py4JJavaError, PySparkException) as error:
            # Frames are lazy: what was whole when it was checked may be gone when the rows are written.
            if self._stage and (why := self._stage.damaged_input(str(error))):
                raise why from error
            raise

    def open(
        self,
        context: dg.AssetExecutionContext,
        config: StageConfig,
        *,
        parameters: Mapping[str, Any] | None = None,
        upstream: Sequence[str] = (),
        on_compute: bool = True,
    ) -> Stage:
        """Begin one materialization: decode the key and read what stands upstream.

        Args:
            context: Of the asset.
            config: Of the asset.
            parameters: What else determines the result; JSON values.
            upstream: Assets whose output of this partition is read.
            on_compute: Whether environment and cluster are part of the identity. False where the result must come
                out the same under all of them.

        Raises:
            BadInput: The partition key is none.
            NotMaterialized: An upstream asset has no materialization of this key.
        """
        self._run.own(context)
        self._stage = Stage(self._run, context, config, dict(parameters or {}), upstream, on_compute)
        return self._stage


class Stage:
    """One materialization of one asset at one data version."""

    def __init__(
        self,
        run: RunPins,
        context: dg.AssetExecutionContext,
        config: StageConfig,
        parameters: Mapping[str, Any],
        upstream: Sequence[str],
        on_compute: bool,
    ) -> None:
        self.run = run
        self.context = context
        self.force = config.force
        self.parameters = parameters
        self.on_compute = on_compute
        self.asset = context.asset_key.to_user_string()
        self.data_version = context.partition_key
        self.versions = decode(self.data_version, EXPERIMENT.table_names)
        self._inherited: dict[str, Any] = {}
        self.upstream = {name: self._upstream(name) for name in upstream}
        self.lineage = self._one_lineage()
        self.data: dict[str, DataPin] = {
            table: DataPin.from_document(document)
            for output in self.upstream.values()
            for table, document in output.data.items()
        }
        self.started = time.monotonic()
        self._inputs = {name: output.digest for name, output in self.upstream.items()}
        self.champion: Champion | None = None
        self._parts: list[Part] = []
        self._mlflow_run_id: str | None = None

    # --- where things are ---------------------------------------------------------------------------------------

    @property
    def lake(self) -> Lake:
        """Stored outputs."""
        return self.context.resources.lake

    @property
    def raw_tables(self) -> RawTables:
        """Raw Delta tables."""
        return self.context.resources.raw_tables

    @property
    def spark(self) -> SparkSession:
        """The session of the run's cluster file; the JVM starts on first use."""
        self.begin()
        return self.context.resources.spark_cluster.spark_session

    @cached_property
    def identity(self) -> Identity:
        """What determines this output; fixed on first use."""
        conda_env, cluster = self.context.resources.conda_env, self.context.resources.spark_cluster.cluster
        return Identity(
            asset=self.asset,
            inputs=self._inputs,
            code=self.run.closure(self.context.assets_def, self.context.asset_key),
            parameters=self.parameters,
            environment=conda_env.pin.digest if self.on_compute else None,
            cluster=cluster.sha256 if self.on_compute else None,
            receipt=conda_env.receipt_digest if self.on_compute else None,
        )

    @property
    def all_parameters(self) -> dict[str, Any]:
        """Parameters by asset: of this one, and of all upstream that have any."""
        own = {self.asset: dict(self.parameters)} if self.parameters else {}
        return {**self._inherited, **own}

    @property
    def descent(self) -> dict[str, Mapping[str, str]]:
        """`identity` and `digest` of everything upstream, and the identity of this output."""
        return {**self.lineage, self.asset: {"identity": self.identity.digest()}}

    @property
    def folder(self) -> str:
        """URI of this output."""
        return self.lake.folder(self.asset, self.data_version, self.identity.digest())

    @cached_property
    def attempt(self) -> str:
        """URI that this attempt's parts are written below."""
        return new_attempt(self.folder)

    @property
    def mlflow_run_id(self) -> str:
        """The nested MLflow run of this materialization; opened when computing begins."""
        if self._mlflow_run_id is None:
            self._mlflow_run_id = self.context.resources.mlflow.nested(self.asset, self.data_version)
        return self._mlflow_run_id

    # --- the moves ----------------------------------------------------------------------------------------------

    def reused(self) -> dg.MaterializeResult[Any] | None:
        """The result if this identity has a verified output, else None: then it is to be computed."""
        if self.force or not self.context.resources.conda_env.allows_reuse:
            return None
        output = self.lake.find(self.asset, self.data_version, self.identity.digest())
        if output is None:
            return None
        self.lake.verify(output)
        self._check_raw_tables()
        results = checks.evaluate(self, output, reused=True)
        self.context.resources.mlflow.reuse(self.asset, output.mlflow_run_id)
        state = stage_result.REFUSED if checks.stopping(self, results) else "reused"
        self._say(state, output)
        return stage_result.reused(self, output, state, page_plots.shown_before(self, output), results)

    def join(self, champion: Champion) -> None:
        """Let the champion determine this output too; before `identity` is first used."""
        self.champion = champion
        self._inputs = {**self._inputs, "champion": champion.digest}

    def begin(self) -> None:
        """Prove environment, process and code before anything computes; the first stage of a run does it for all."""
        self.run.prove(self.context)
        PROGRESS.debug("%s %s: computing", self.data_version, self.asset)

    def pin_rows(self, table: str) -> DataPin:
        """Pin a raw table at this data version: commit and rows. Rows that are known are not read again.

        Raises:
            Blocked, DataDamaged: What was pinned is not there any more; the check `pin_still_true` says so too.
        """
        try:
            commit = self._commit_pin(table)
            known = None if self.force else self.raw_tables.known_rows(commit)
            pin = DataPin(commit, known) if known else self.raw_tables.data_pin(commit, self.spark)
            pin = self.raw_tables.with_files(pin)
        except (Blocked, DataDamaged) as trouble:
            checks.log_broken_pin(self, trouble)
            raise
        self.data[table] = pin
        self._inputs = {table: pin.rows.fingerprint}
        return pin

    def read_raw(self, table: str) -> DataFrame:
        """Rows of a raw table at its pin; commit and fingerprint are checked before anything uses them."""
        self.begin()
        return self.raw_tables.read_verified(self.spark, self.data[table])

    def read_frame(self, asset: str, part: str) -> DataFrame:
        """A part of an upstream output through Spark, its files checked."""
        return self.lake.read_frame(self.spark, self.upstream[asset], part)

    def read_table(self, asset: str, part: str) -> pa.Table:
        """A part of an upstream output without Spark, its files and its rows' fingerprint checked."""
        from repro_assets.pins.fingerprint import fingerprint

        self.begin()
        output = self.upstream[asset]
        table = self.lake.read_table(output, part)
        found = fingerprint(table).digest
        if found != output.part(part).digest:
            raise DataDamaged(
                f"the rows of {asset}/{part} are not what was recorded",
                where=self.lake.folder(asset, self.data_version, output.identity),
                stored=found,
                expected=output.part(part).digest,
            )
        return table

    def read_model(self, asset: str, part: str) -> Any:
        """A model of an upstream output, the SHA-256 of its files checked before it is loaded."""
        self.begin()
        return stage_models.read(self, self.upstream[asset], part)

    def damaged_input(self, said: str) -> ReproError | None:
        """What of this stage's inputs can't be read any more, or None.

        Args:
            said: What the engine raised.
        """
        pins = [pin.commit for pin in self.data.values()]
        damaged = (wrong for output in self.upstream.values() for wrong in self.lake.wrong_files(output))
        return cause(self.raw_tables, pins, said) or next(damaged, None)

    def write_frame(self, part: str, frame: DataFrame) -> None:
        """Write a Spark frame as a part of the output."""
        self._parts.append(self.lake.write_table(self.attempt, part, frame))

    def write_table(self, part: str, table: pa.Table) -> None:
        """Write an Arrow table as a part of the output."""
        self._parts.append(self.lake.write_arrow(self.attempt, part, table))

    def write_model(self, part: str, model: Any) -> None:
        """Write a fitted estimator as a part of the output."""
        self._parts.append(stage_models.write(self, part, model))

    def finish(
        self,
        *,
        metrics: Mapping[str, float] | None = None,
        models: Mapping[str, Any] | None = None,
        model_columns: Mapping[str, str] | None = None,
        notes: Mapping[str, Any] | None = None,
    ) -> dg.MaterializeResult[Any]:
        """Log everything to MLflow, check what was stored, write the marker, and say so to Dagster.

        Where a blocking check is red there is no marker: nothing reuses such an output or is made of it.

        Args:
            metrics: Numbers that belong to the result.
            models: Fitted estimators to log and register, by part name.
            model_columns: Arrow type by column of what the estimators may take.
            notes: Further metadata for the page.
        """
        self.begin()
        parts = {part.name: part.digest for part in self._parts}
        found = output_digest(parts or self._inputs)
        logged = stage_models.log_models(self, models or {}, model_columns or {})
        manifest = stage_record.log(self, found, tuple(self._parts), dict(metrics or {}))
        output = stage_record.as_output(self, found, tuple(self._parts), dict(metrics or {}), manifest)
        results = checks.evaluate(self, output, reused=False)
        shown = {**page_plots.drawn(self, output, models or {}), **(notes or {})}
        if red := checks.stopping(self, results):
            self._say(stage_result.REFUSED, output)
            return stage_result.refused(self, output, red, shown, results)
        comparison = stage_result.compare(self, output)
        if comparison.stands:
            stage_models.register(self, logged)
        self._say("computed", output)
        return stage_result.computed(self, output, comparison, shown, results)

    # --- inside -------------------------------------------------------------------------------------------------

    def _upstream(self, asset: str) -> Output:
        """What this run made of an asset; in a run that does not make it, what was materialized last."""
        said = self._said_last(asset)
        mine = self.run.stages.get(asset)
        identity = mine["identity"] if mine else said.get("identity")
        output = self.lake.find(asset, self.data_version, str(identity)) if identity else None
        if output is None:
            raise NotMaterialized(
                f"{asset} has no materialization of this data version",
                where=self.data_version,
                fix=f"Materialize {asset} first, or the whole chain with `repro run {self.data_version}`",
            )
        self._inherited.update(said.get("parameters") or {})
        return output

    def _said_last(self, asset: str) -> dict[str, Any]:
        """Metadata of this partition's latest Dagster materialization; never "the newest folder".

        Raises:
            NotMaterialized: A check refused it.
        """
        records = self.context.instance.fetch_materializations(
            dg.AssetRecordsFilter(asset_key=dg.AssetKey(asset), asset_partitions=[self.data_version]), limit=1
        ).records
        materialization = records[0].asset_materialization if records else None
        said = {name: value.value for name, value in materialization.metadata.items()} if materialization else {}
        if said.get("state") == stage_result.REFUSED:
            raise NotMaterialized(
                f"{asset} of this data version was refused by a check",
                where=self.data_version,
                stored=said.get("refused_by"),
                fix=f"See its checks on the page, then materialize {asset} again",
            )
        return said

    def _one_lineage(self) -> dict[str, Mapping[str, str]]:
        """Everything upstream, with one digest each: a model must not meet features it was not fitted on.

        Raises:
            NotMaterialized: Two upstream outputs descend from different ones of the same asset.
        """
        found: dict[str, Mapping[str, str]] = {}
        for name, output in self.upstream.items():
            for asset, made in output.descent.items():
                if found.setdefault(asset, made)["digest"] != made["digest"]:
                    raise NotMaterialized(
                        f"what is upstream of {self.asset} was not made of the same {asset}",
                        where=self.data_version,
                        stored=f"{name} of {made['digest'][:12]}",
                        expected=found[asset]["digest"][:12],
                        fix=f"Materialize the whole chain with `repro run {self.data_version}`",
                    )
        return found

    def keys_in_order(self) -> list[str]:
        """Keys of all data versions in commit order."""
        return [version.key for version in data_versions(self.raw_tables.histories(EXPERIMENT.table_names))]

    def rank(self) -> int:
        """Place of this data version in commit order; -1 for an explicit pair that never stood together."""
        keys = self.keys_in_order()
        return keys.index(self.data_version) if self.data_version in keys else -1

    def _commit_pin(self, table: str) -> CommitPin:
        if table not in self.versions:
            raise BadInput("not a raw table of the experiment", stored=table, expected=", ".join(self.versions))
        return self.raw_tables.pin_of_key(self.data_version, table, self.versions[table])

    def _check_raw_tables(self) -> None:
        """What is reused must still be explained by its raw tables: same table, same commit."""
        for pin in self.data.values():
            self.raw_tables.check(pin.commit)

    def _say(self, state: str, output: Output) -> None:
        seconds = time.monotonic() - self.started
        PROGRESS.info("%s  %-20s %-8s %s  %5.1f s", self.data_version, self.asset, state, output.digest[:12], seconds)
