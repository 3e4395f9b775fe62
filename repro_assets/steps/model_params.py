"""Parameters of a model: families, ranges, defaults, and the one dictionary form that identities are made of."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from repro_assets.errors import BadInput

Number = int | float


@dataclass(frozen=True)
class Range:
    """Allowed numbers of one parameter, both ends included; its type is that of `default`."""

    low: Number
    high: Number
    default: Number

    def read(self, name: str, value: object) -> Number:
        """A number or its text as the parameter's type.

        Raises:
            BadInput: Not a finite number of that type within the range.
        """
        kind = type(self.default)
        number = _number(value, kind)
        if number is None or not self.low <= number <= self.high:
            raise BadInput(
                "a parameter that can't be used",
                where=name,
                stored=repr(value)[:80],
                expected=f"{'an integer' if kind is int else 'a number'} from {self.low} to {self.high}",
            )
        return number


# Leaves and trees are bounded so that a fitted model stays below 30 MB, whatever the data.
# The experiment's answer depends on the family: docs/hyperparameters compares them.
FAMILIES: dict[str, dict[str, Range]] = {
    "logistic_regression": {
        "C": Range(1e-6, 1e6, 1.0),
        "max_iter": Range(10, 100_000, 1000),
    },
    "random_forest": {
        "n_estimators": Range(10, 500, 200),
        "max_leaf_nodes": Range(2, 256, 64),
        "min_samples_leaf": Range(1, 100_000, 10),
    },
    "hist_gradient_boosting": {
        "max_iter": Range(1, 500, 100),
        "learning_rate": Range(0.001, 1.0, 0.1),
        "max_leaf_nodes": Range(2, 64, 15),
        "min_samples_leaf": Range(1, 100_000, 20),
        "l2_regularization": Range(0.0, 1e6, 0.0),
    },
    "spark_logistic_regression": {
        "reg_param": Range(0.0, 1e6, 0.0),
        "elastic_net_param": Range(0.0, 1.0, 0.0),
        "max_iter": Range(10, 10_000, 200),
    },
    "spark_gbt": {
        "max_iter": Range(1, 100, 20),
        "max_depth": Range(1, 8, 4),
        "step_size": Range(0.001, 1.0, 0.1),
        "min_instances_per_node": Range(1, 100_000, 20),
    },
}
# Who fits them.
SPARK_FAMILIES = tuple(name for name in FAMILIES if name.startswith("spark_"))
SKLEARN_FAMILIES = tuple(name for name in FAMILIES if name not in SPARK_FAMILIES)
# The plainest of scikit-learn's three, chosen before any result was looked at.
DEFAULT_FAMILY = "logistic_regression"
CALIBRATIONS = ("sigmoid", "isotonic")
RANDOM_STATE = Range(0, 2**32 - 1, 20200611)
FOLDS = Range(2, 10, 5)


@dataclass(frozen=True)
class ModelParams:
    """What a model is fitted with.

    Attributes:
        family: A key of `FAMILIES`.
        random_state: Seed of every estimator that draws numbers.
        calibration_method: "sigmoid" or "isotonic".
        calibration_folds: Folds of the calibration.
        hyperparameters: The family's own parameters; those not given have their defaults.

    Raises:
        BadInput: A family, parameter or value that there isn't.
    """

    family: str = DEFAULT_FAMILY
    random_state: int = int(RANDOM_STATE.default)
    calibration_method: str = CALIBRATIONS[0]
    calibration_folds: int = int(FOLDS.default)
    hyperparameters: Mapping[str, Number] = field(default_factory=dict)

    def __post_init__(self) -> None:
        _one_of("family", self.family, tuple(FAMILIES))
        _one_of("calibration_method", self.calibration_method, CALIBRATIONS)
        ranges = FAMILIES[self.family]
        unknown = sorted(set(self.hyperparameters) - set(ranges))
        if unknown:
            raise BadInput(
                "no such model parameter",
                where=self.family,
                stored=", ".join(unknown)[:80],
                expected=", ".join((*_SHARED, *ranges)),
            )
        read = {
            "random_state": RANDOM_STATE.read("random_state", self.random_state),
            "calibration_folds": FOLDS.read("calibration_folds", self.calibration_folds),
            "hyperparameters": {
                name: allowed.read(name, self.hyperparameters.get(name, allowed.default))
                for name, allowed in ranges.items()
            },
        }
        for name, value in read.items():
            object.__setattr__(self, name, value)  # frozen for everybody else
        if self.on_spark:
            _refuse_calibration(self)

    @property
    def on_spark(self) -> bool:
        """Whether Spark ML fits this family, and not scikit-learn."""
        return self.family in SPARK_FAMILIES

    @classmethod
    def from_settings(cls, settings: Mapping[str, object]) -> ModelParams:
        """Read parameters by name, numbers or their text, as `--set NAME=VALUE` and run configuration give them.

        The inverse of `as_dict`.

        Raises:
            BadInput: A family, parameter or value that there isn't.
        """
        shared = {name: value for name, value in settings.items() if name in _SHARED}
        own = {name: value for name, value in settings.items() if name not in _SHARED}
        return cls(**shared, hyperparameters=own)  # type: ignore[arg-type]  # __post_init__ reads any type

    def as_dict(self) -> dict[str, str | int | float]:
        """Every parameter by name, defaults included, one level deep: the canonical form.

        A family without calibration has no parameters of it.
        """
        calibration: dict[str, str | int | float] = {
            "calibration_method": self.calibration_method,
            "calibration_folds": self.calibration_folds,
        }
        if self.on_spark:
            calibration.clear()
        return {
            "family": self.family,
            "random_state": self.random_state,
            **calibration,
            **self.hyperparameters,
        }


_SHARED = ("family", "random_state", "calibration_method", "calibration_folds")


def _refuse_calibration(params: ModelParams) -> None:
    """Spark ML has no calibration: a parameter of it that is not the default would be given for nothing."""
    given = {
        "calibration_method": (params.calibration_method, CALIBRATIONS[0]),
        "calibration_folds": (params.calibration_folds, FOLDS.default),
    }
    for name, (value, default) in given.items():
        if value != default:
            raise BadInput(
                "the family has no calibration",
                where=params.family,
                stored=f"{name} {value}",
                fix=f"Leave {name} out, or use a family of scikit-learn",
            )


def _number(value: object, kind: type) -> Number | None:
    """`value` as `kind`; None if it isn't one. True is no 1, 1.5 no integer, and nan no number.

    500.0 is the integer 500: run configuration holds hyperparameters of either type as floats.
    """
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        return None
    try:
        number = float(value)
        whole = int(value) if kind is int else 0
    except (ValueError, OverflowError):
        return None
    if not math.isfinite(number):
        return None
    if kind is int:
        return whole if whole == number else None
    return number + 0.0  # -0.0 and 0.0 are one parameter


def _one_of(name: str, value: object, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        raise BadInput(
            "a model parameter that can't be used", where=name, stored=repr(value)[:80], expected=" or ".join(allowed)
        )
