"""`--set ASSET.NAME=VALUE`: the same parameters as on the launchpad, read and checked before a run starts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import yaml
from pydantic import ValidationError

from repro_assets.defs.assets.model import ModelConfig
from repro_assets.defs.assets.predictions import PredictionsConfig
from repro_assets.defs.assets.train_test_snapshot import SnapshotConfig
from repro_assets.defs.stage_config import StageConfig
from repro_assets.errors import BadInput
from repro_assets.experiment import EXPERIMENT
from repro_assets.pins.secret_rules import find_secret

_CONFIGS: dict[str, type[StageConfig]] = {
    **dict.fromkeys(EXPERIMENT.table_names, StageConfig),
    "train_test_snapshot": SnapshotConfig,
    "features": StageConfig,
    "model": ModelConfig,
    "predictions": PredictionsConfig,
}
_SPELLING = "`--set ASSET.NAME=VALUE`, e.g. `--set model.family=random_forest`"


def read_parameters(assignments: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Configuration of every asset, what was assigned checked against its declaration.

    A name that the model itself does not declare is a hyperparameter of its family.

    Raises:
        BadInput: A spelling, asset, name or value that there isn't.
    """
    return _by_asset(_parse(assignment) for assignment in assignments)


def config_of(parameters: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """Configuration of every asset from the parameters that a manifest names.

    It is what made that result, whatever the defaults are by now.

    Raises:
        BadInput: An asset, name or value that there isn't.
    """
    unknown = sorted(set(parameters) - set(_CONFIGS))
    if unknown:
        raise BadInput("no such asset", stored=", ".join(unknown)[:80], expected=", ".join(_CONFIGS))
    return _by_asset((asset, name, value) for asset, own in parameters.items() for name, value in own.items())


def _by_asset(values: Iterable[tuple[str, str, Any]]) -> dict[str, dict[str, Any]]:
    given: dict[str, dict[str, Any]] = {asset: {} for asset in _CONFIGS}
    for asset, name, value in values:
        target = given[asset]
        if name not in _CONFIGS[asset].model_fields:
            if asset != "model":
                raise BadInput(
                    f"{asset} has no parameter of this name",
                    stored=repr(name)[:80],
                    expected=", ".join(_names(asset)) or "none",
                )
            target = target.setdefault("hyperparameters", {})
        if name in target:
            raise BadInput("a parameter is set twice", where=asset, stored=name)
        target[name] = value
    return {asset: _checked(asset, own) for asset, own in given.items()}


def _parse(assignment: str) -> tuple[str, str, Any]:
    if find_secret(assignment.encode("utf-8", "replace")):
        raise BadInput(
            "a parameter holds what looks like a secret, and parameters are written down",
            stored=repr(assignment.partition("=")[0])[:80],
        )
    target, equals, text = assignment.partition("=")
    asset, dot, name = target.partition(".")
    if not (equals and dot and name and text):
        raise BadInput("not a parameter", stored=repr(assignment)[:80], expected=_SPELLING)
    if asset not in _CONFIGS:
        raise BadInput("no such asset", stored=repr(asset)[:80], expected=", ".join(_CONFIGS))
    if name in ("force", "hyperparameters"):
        raise BadInput(
            "this parameter has a spelling of its own", stored=name, expected="`--force`, `model.NAME=VALUE`"
        )
    declared = _CONFIGS[asset].model_fields.get(name)
    if declared is not None and declared.annotation is str:
        return asset, name, text
    try:
        value = yaml.safe_load(text)
    except (yaml.YAMLError, ValueError, RecursionError) as error:  # a day that is none, 5,000 digits: a ValueError
        raise BadInput("not a value", where=target, stored=repr(text)[:80]) from error
    if declared is not None and declared.annotation is bool:
        if not isinstance(value, bool):
            raise BadInput("a parameter's value is true or false", where=target, stored=repr(text)[:80])
    elif not isinstance(value, (str, int, float)) or isinstance(value, bool):
        raise BadInput("a parameter's value is a number or text", where=target, stored=repr(text)[:80])
    return asset, name, value


def _checked(asset: str, values: dict[str, Any]) -> dict[str, Any]:
    try:
        config = _CONFIGS[asset](**values)
    except ValidationError as error:
        first = error.errors()[0]
        raise BadInput(
            "a parameter has a value of another type",
            where=".".join([asset, *(str(part) for part in first["loc"])]),
            stored=repr(first["input"])[:80],
            expected=first["msg"],
        ) from error
    if isinstance(config, (SnapshotConfig, ModelConfig, PredictionsConfig)):
        config.params()
    # As pydantic read them: Dagster's own check takes neither "1e-3" for a number nor 7.0 for an integer.
    return config.model_dump(include=set(values))


def _names(asset: str) -> list[str]:
    return [name for name in _CONFIGS[asset].model_fields if name != "force"]
