"""`python -m repro_assets.contract REQUEST RESULT`: what an old capsule is asked to do.

The current code starts this module of the *capsule*, with the run's own environment, state folders of its own
(`REPRO_VAR`, `DAGSTER_HOME`, `MLFLOW_TRACKING_URI`) and the live lake to read raw rows from (`REPRO_RAW`). It computes
the stages that the request names, as the capsule's own assets do, and writes down the manifests that came of them.
Whatever it finds, it writes a result; a process that ends without one has failed outside of what can be judged.

Progress goes to stderr, a line per stage.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from repro_assets import settings as settings_module
from repro_assets.errors import BadInput, ReproError
from repro_assets.pins.contract import Failure, Request, Result
from repro_assets.pins.data_version import decode
from repro_assets.resources.known_secrets import clean
from repro_assets.resources.progress import show_progress

if TYPE_CHECKING:
    import dagster as dg

    from repro_assets.pins.run_record import StageRecord
    from repro_assets.settings import Settings

_USAGE = 2


def fulfil(request: Request, settings: Settings) -> Result:
    """Compute what is asked for, in this process and below the state of `settings`.

    Returns:
        The result; what went wrong is in it and not raised.
    """
    from repro_assets.resources.code.source_tree import capture
    from repro_assets.resources.dagster_home import open_instance

    started, failure = time.monotonic(), None
    instance = open_instance(settings)
    capsule = None
    try:
        capsule = capture(settings.project, settings.capsules).capsule
        _compute(request, instance)
    except ReproError as error:
        failure = Failure(type(error).__name__, clean(str(error)), error.exit_code)
    stages = _manifests(settings, instance)
    return Result(stages, capsule, round(time.monotonic() - started, 3), failure)


def _compute(request: Request, instance: dg.DagsterInstance) -> None:
    from repro_assets.definitions import defs
    from repro_assets.defs.chain_run import run_chain, run_config_of
    from repro_assets.defs.jobs import CHAIN
    from repro_assets.defs.parameters import config_of
    from repro_assets.experiment import EXPERIMENT

    decode(request.data_version, EXPERIMENT.table_names)
    config = config_of(request.parameters)
    unknown = [stage for stage in request.stages if stage not in config]
    if unknown:
        raise BadInput("the capsule has no such asset", stored=", ".join(unknown), expected=", ".join(config))
    run_config = run_config_of(
        {stage: config[stage] for stage in request.stages},
        force=False,
        environment=request.environment,
        cluster=request.cluster,
        record=request.record,
    )
    if request.champion is not None:
        run_config["resources"]["champion"] = {"config": {"given": json.dumps(request.champion)}}
    instance.add_dynamic_partitions("data_version", [request.data_version])
    run_chain(defs.resolve_job_def(CHAIN), request.data_version, run_config, instance, request.stages)


def _manifests(settings: Settings, instance: dg.DagsterInstance) -> dict[str, StageRecord]:
    """Manifests of the stages that were computed; fewer than asked for where one of them failed."""
    from repro_assets.experiment import EXPERIMENT
    from repro_assets.resources.tracking.run_lookup import find_parent
    from repro_assets.resources.tracking.run_records import load_record
    from repro_assets.resources.tracking.store import connect, initialise

    runs = instance.get_runs(limit=1)
    if not runs:
        return {}
    experiment = initialise(settings, EXPERIMENT.name)
    client = connect(settings.mlflow_tracking_uri)
    try:
        record = load_record(client, find_parent(client, experiment, runs[0].run_id, instance))
    except BadInput:  # no stage came as far as its manifest
        return {}
    return dict(record.stages)


def main(arguments: list[str]) -> int:
    """Read the request, fulfil it, write the result whole or not at all."""
    if len(arguments) != 2:
        sys.stderr.write("usage: python -m repro_assets.contract REQUEST RESULT\n")
        return _USAGE
    os.environ.update(settings_module.load().variables())
    source, target = Path(arguments[0]), Path(arguments[1])
    try:
        request = Request.from_document(json.loads(source.read_text(encoding="utf-8")), str(source))
    except (OSError, ValueError, RecursionError) as error:
        sys.stderr.write(f"the request can't be read [{source}]: {error}\n")
        return _USAGE
    except ReproError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    show_progress()
    result = fulfil(request, settings_module.load())
    partial = target.with_suffix(".partial")
    partial.write_text(json.dumps(result.as_document(), sort_keys=True, indent=1), encoding="utf-8")
    partial.replace(target)
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
