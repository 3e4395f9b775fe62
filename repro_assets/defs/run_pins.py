"""What the stages of one Dagster run share: the proof of environment, process and code, and the record of the stages so far."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import dagster as dg

import repro_assets
from repro_assets.errors import CapsuleRefused
from repro_assets.pins import closure
from repro_assets.resources.process_owner import current_owner

# Tag of a Dagster run: host, process and start, for the reaper.
OWNER_TAG = "repro/owner"
PACKAGE_FOLDER = Path(repro_assets.__file__).parent


class RunPins:
    """State of one Dagster run; made fresh for each."""

    def __init__(self) -> None:
        self.stages: dict[str, Mapping[str, Any]] = {}
        self._proved = False
        self._owned = False

    def own(self, context: dg.AssetExecutionContext) -> None:
        """Write on the Dagster run which process executes it, once per run."""
        if not self._owned:
            context.instance.add_run_tags(context.run.run_id, owner_tag())
            self._owned = True

    def closure(self, assets: dg.AssetsDefinition, key: dg.AssetKey) -> str:
        """The code version that Dagster loaded for an asset.

        Raises:
            CapsuleRefused: Its files changed since: what would run is not what would be captured.
        """
        loaded = assets.code_versions_by_key[key]
        now = code_version_of(assets)
        if loaded != now:
            raise CapsuleRefused(
                f"the code of {key.to_user_string()} changed since this process loaded it",
                stored=now[:12],
                expected=(loaded or "")[:12],
                fix="Reload the code location, or start the command again",
            )
        return now

    def prove(self, context: dg.AssetExecutionContext) -> None:
        """Check environment and process and capture the code, once per run and before anything computes.

        The process too: a model is fitted without a session where its features are reused, and by as many threads as
        the process has.
        """
        if self._proved:
            return
        context.resources.conda_env.check()
        context.resources.spark_cluster.require_process()
        pin = context.resources.source_tree.pin()
        self._proved = True
        if pin.commit:
            context.resources.mlflow.describe({"mlflow.source.git.commit": pin.commit})


def owner_tag() -> dict[str, str]:
    """The tag that names this process as the owner of a Dagster run."""
    return {OWNER_TAG: json.dumps(current_owner())}


def code_version_of(assets: dg.AssetsDefinition) -> str:
    """Digest over the static import closure of the module that an asset is defined in."""
    module = sys.modules[_module_of(assets)]
    return closure.code_version(module.__name__, PACKAGE_FOLDER)


def _module_of(assets: dg.AssetsDefinition) -> str:
    return str(assets.op.tags["repro/module"])
