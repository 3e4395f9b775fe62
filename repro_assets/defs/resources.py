"""The resources that Dagster injects, and their names.

What they reach for is in `repro_assets.resources`; the classes here hold configuration and one run's findings.
https://docs.dagster.io/guides/build/external-resources
"""

from __future__ import annotations

import platform
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from typing import Any, Literal

import dagster as dg
from pydantic import Field, PrivateAttr

from repro_assets import settings as settings_module
from repro_assets.defs.champion import ChampionResource
from repro_assets.defs.partitions import is_key
from repro_assets.defs.stage import Stages
from repro_assets.experiment import EXPERIMENT
from repro_assets.pins.canonical import digest
from repro_assets.pins.capsule import CodePin
from repro_assets.pins.environment import EnvironmentPin, applicable
from repro_assets.resources.code import source_tree
from repro_assets.resources.environments import conda_env
from repro_assets.resources.environments.conda_env import EnvironmentFile, EnvironmentReceipt
from repro_assets.resources.key_lock import PATIENCE_SECONDS, hold_key
from repro_assets.resources.outputs.lake import Lake
from repro_assets.resources.progress import PROGRESS
from repro_assets.resources.raw.raw_tables import RawTables
from repro_assets.resources.spark.spark_cluster import SparkClusterResource
from repro_assets.resources.tracking.resource import TrackerFactory
from repro_assets.settings import DEFAULT_ENVIRONMENT


class SourceTree(dg.ConfigurableResource["SourceTree"]):
    """The source tree of this installation; captured at most once per run."""

    limit_megabytes: int = Field(default=50, description="Size of the tree above which it is refused.")
    _pin: CodePin | None = PrivateAttr(default=None)

    def pin(self) -> CodePin:
        """Capture the tree as it stands.

        Raises:
            CapsuleRefused: It can't be captured.
        """
        if self._pin is None:
            here = settings_module.load()
            self._pin = source_tree.capture(here.project, here.capsules, self.limit_megabytes * 1024 * 1024)
        return self._pin


class CondaEnv(dg.ConfigurableResource["CondaEnv"]):
    """A versioned environment, compared with the running interpreter."""

    name: str = Field(default=DEFAULT_ENVIRONMENT, description="A lock of envs/conda, without its suffix.")
    mode: Literal["enforce", "record"] = Field(
        default="enforce",
        description="enforce: another interpreter stops the run; record: it is written down and nothing is reused.",
    )
    _file: EnvironmentFile | None = PrivateAttr(default=None)
    _receipt: EnvironmentReceipt | None = PrivateAttr(default=None)

    @property
    def file(self) -> EnvironmentFile:
        """The declared environment."""
        if self._file is None:
            self._file = conda_env.load_environment(self.name, settings_module.load())
        return self._file

    @property
    def pin(self) -> EnvironmentPin:
        """Lock, Python's minor and Java's major version, as they would be used now."""
        return EnvironmentPin(
            name=self.file.name,
            lock_sha256=self.file.lock_sha256,
            yaml_sha256=self.file.yaml_sha256,
            python_minor=".".join(platform.python_version_tuple()[:2]),
            java_major=conda_env.java_major(),
        )

    @property
    def allows_reuse(self) -> bool:
        """Results of an environment that is not enforced are never reused."""
        return self.mode == "enforce"

    @property
    def receipt_digest(self) -> str | None:
        """What joins the identity where the environment is only recorded."""
        return None if self.allows_reuse else digest(asdict(self.check()))

    def requirements(self, names: Sequence[str]) -> list[str]:
        """Pip requirements of these packages as the lock has them, those that apply to this interpreter."""
        locked = applicable(self.file.packages)
        return [f"{name}=={locked[name].version}" for name in names if name in locked]

    def check(self) -> EnvironmentReceipt:
        """Compare the running interpreter with the lock, once per run.

        Raises:
            EnvironmentMismatch: They differ, and the mode is `enforce`.
        """
        if self._receipt is None:
            self._receipt = conda_env.check_running(self.file, self.mode, settings_module.load())
        return self._receipt


class StagesOfOneRun(dg.ConfigurableResource[Stages]):
    """Opens the stage of an asset; holds the lock of the run's data version as long as the run lasts."""

    patience_seconds: float = Field(
        default=PATIENCE_SECONDS,
        description="How long to wait for another run of the same data version before this one is refused.",
    )

    @contextmanager
    def yield_for_execution(self, context: dg.InitResourceContext) -> Iterator[Stages]:
        """Hand out the stages under the key's lock.

        Raises:
            Outside: Another run of the key does not end.
        """
        key = context.run.tags.get("dagster/partition") if context.run else None
        if context.run is None or key is None or not is_key(key):
            # No key, no lock: the stage refuses what it can't decode.
            yield Stages()
            return

        def report(line: str) -> None:
            PROGRESS.info(line)
            if context.log is not None:
                context.log.info(line)

        with hold_key(
            key,
            settings_module.load(),
            dagster_run_id=context.run.run_id,
            patience_seconds=self.patience_seconds,
            report=report,
        ):
            yield Stages()


def resources() -> dict[str, Any]:
    """All resources by the name under which assets ask for them."""
    return {
        "champion": ChampionResource.configure_at_launch(),
        "conda_env": CondaEnv.configure_at_launch(),
        "lake": Lake(),
        "mlflow": TrackerFactory(experiment_name=EXPERIMENT.name),
        "raw_tables": RawTables(),
        "source_tree": SourceTree(),
        "spark_cluster": SparkClusterResource.configure_at_launch(),
        "stages": StagesOfOneRun.configure_at_launch(),
    }
