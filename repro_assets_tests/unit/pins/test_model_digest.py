"""Fitted models with equal state have equal digests, wherever they were fitted, stored or loaded."""

from __future__ import annotations

import collections
import enum
import functools
import operator
import os
import pickle
import subprocess
import sys
import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
import skops.io
from scipy import sparse
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from repro_assets.errors import BadInput
from repro_assets.pins.model_digest import model_digest

CLASSIFIERS: dict[str, Callable[[], Any]] = {
    "logistic": lambda: LogisticRegression(C=0.5, max_iter=500),
    "forest": lambda: RandomForestClassifier(n_estimators=5, max_leaf_nodes=8, random_state=7),
    "boosting": lambda: HistGradientBoostingClassifier(
        max_iter=5, max_leaf_nodes=8, random_state=7, early_stopping=True
    ),
}
KINDS = [f"{name}{calibrated}" for name in CLASSIFIERS for calibrated in ("", "-calibrated")]


def training_data() -> tuple[pd.DataFrame, np.ndarray]:
    generator = np.random.default_rng(11)
    city = generator.choice(np.array(["city_1", "city_2", "city_3"], object), 240)
    rate = generator.normal(size=240)
    frame = pd.DataFrame({"city": city, "rate": rate, "hours": generator.integers(1, 300, 240)})
    return frame, (rate + (city == "city_2") + generator.normal(size=240) > 0.4).astype(int)


def fitted(kind: str) -> Pipeline:
    name, _, calibrated = kind.partition("-")
    columns = ColumnTransformer(
        [
            ("city", OneHotEncoder(handle_unknown="ignore", sparse_output=False), ["city"]),
            ("numbers", StandardScaler(), ["rate", "hours"]),
        ]
    )
    pipeline = Pipeline([("columns", columns), ("classifier", CLASSIFIERS[name]())])
    features, target = training_data()
    return (CalibratedClassifierCV(pipeline, cv=3) if calibrated else pipeline).fit(features, target)


@functools.cache
def stored(kind: str) -> bytes:
    """A fitted model as pickle, so that each test can change its own."""
    return pickle.dumps(fitted(kind))


def loaded(kind: str) -> Any:
    return pickle.loads(stored(kind))


@functools.cache
def digest_of(kind: str) -> str:
    return model_digest(fitted(kind))


@pytest.mark.parametrize("kind", KINDS)
def test_pickling_a_model_does_not_change_its_digest(kind: str) -> None:
    assert model_digest(loaded(kind)) == digest_of(kind)


@pytest.mark.parametrize("kind", KINDS)
def test_skops_does_not_change_the_digest_of_a_model(kind: str) -> None:
    content = skops.io.dumps(loaded(kind))
    again = skops.io.loads(content, trusted=skops.io.get_untrusted_types(data=content))

    assert model_digest(again) == digest_of(kind)


def test_skops_does_not_change_the_digest_of_a_random_state() -> None:
    model = LogisticRegression(random_state=np.random.RandomState(3))

    assert model_digest(skops.io.loads(skops.io.dumps(model))) == model_digest(model)


@pytest.mark.parametrize("kind", KINDS)
def test_fitting_again_and_predicting_do_not_change_the_digest(kind: str) -> None:
    model = fitted(kind)
    model.predict_proba(training_data()[0])

    assert model_digest(model) == digest_of(kind)


def test_another_process_with_another_hash_seed_gives_the_same_digests() -> None:
    code = (
        "from repro_assets_tests.unit.pins.test_model_digest import KINDS, fitted\n"
        "from repro_assets.pins.model_digest import model_digest\n"
        "print(*[model_digest(fitted(kind)) for kind in KINDS])"
    )
    environment = {**os.environ, "PYTHONHASHSEED": "12345"}
    run = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)

    assert run.stdout.split() == [digest_of(kind) for kind in KINDS]


def change_coefficient(model: Any) -> None:
    coefficients = model[-1].coef_
    coefficients[0, 0] = np.nextafter(coefficients[0, 0], np.inf)


def change_parameter(model: Any) -> None:
    model[-1].set_params(C=0.25)


def change_category(model: Any) -> None:
    model[0].named_transformers_["city"].categories_[0][1] = "city_9"


def change_mean(model: Any) -> None:
    model[0].named_transformers_["numbers"].mean_[0] += 1e-9


def change_threshold_of_a_tree(model: Any) -> None:
    threshold = model[-1].estimators_[3].tree_.threshold
    threshold[0] = np.nextafter(threshold[0], np.inf)


def change_leaf_of_a_tree(model: Any) -> None:
    model[-1].estimators_[4].tree_.value[-1, 0, 0] += 1e-9


def change_order_of_trees(model: Any) -> None:
    model[-1].estimators_.reverse()


def change_value_of_a_predictor(model: Any) -> None:
    nodes = model[-1]._predictors[2][0].nodes
    nodes["value"][-1] = np.nextafter(nodes["value"][-1], np.inf)


def change_bin(model: Any) -> None:
    model[-1]._bin_mapper.bin_thresholds_[3][0] += 1e-9


def change_calibration(model: Any) -> None:
    model.calibrated_classifiers_[1].calibrators[0].a_ += 1e-9


@pytest.mark.parametrize(
    ("kind", "change"),
    [
        pytest.param("logistic", change_coefficient, id="coefficient"),
        pytest.param("logistic", change_parameter, id="parameter"),
        pytest.param("logistic", change_category, id="category"),
        pytest.param("logistic", change_mean, id="mean-of-a-scaler"),
        pytest.param("forest", change_threshold_of_a_tree, id="threshold-of-one-tree"),
        pytest.param("forest", change_leaf_of_a_tree, id="leaf-of-one-tree"),
        pytest.param("forest", change_order_of_trees, id="order-of-trees"),
        pytest.param("boosting", change_value_of_a_predictor, id="value-of-one-predictor"),
        pytest.param("boosting", change_bin, id="one-bin"),
        pytest.param("forest-calibrated", change_calibration, id="calibration"),
    ],
)
def test_a_model_changed_in_one_place_has_another_digest(kind: str, change: Callable[[Any], None]) -> None:
    model = loaded(kind)
    change(model)

    assert model_digest(model) != digest_of(kind)


class Model:
    """Something with attributes."""

    def __init__(self, **attributes: object) -> None:
        self.__dict__.update(attributes)


class Slotted:
    """Something without `__dict__`."""

    __slots__ = ("a",)

    def __init__(self, a: object) -> None:
        self.a = a


class Names(set[str]):
    """A set of its own class."""


class Colour(enum.Enum):
    RED = 1
    GREEN = 2


def padded(padding: int) -> np.ndarray:
    dtype = np.dtype({"names": ["a", "b"], "formats": ["u1", "<f8"], "offsets": [0, 8], "itemsize": 16})
    array = np.frombuffer(bytes([padding]) * 32, dtype).copy()
    array["a"], array["b"] = [1, 2], [0.5, 1.5]
    return array


def drawn(generator: Any, times: int) -> Any:
    for _ in range(times):
        generator.random()
    return generator


def csr(*, sorted_indices: bool) -> sparse.csr_matrix:
    columns, values = ([0, 2], [1.0, 2.0]) if sorted_indices else ([2, 0], [2.0, 1.0])
    return sparse.csr_matrix((values, columns, [0, 2, 2]), shape=(2, 3))


def checked(matrix: sparse.csr_matrix) -> sparse.csr_matrix:
    assert matrix.has_canonical_format  # scipy remembers the answer as an attribute
    return matrix


def cycle_of(length: int) -> Model:
    models = [Model() for _ in range(length)]
    for model, following in zip(models, [*models[1:], models[0]], strict=True):
        model.next = following
    return models[0]


SHARED = Model(weights=np.arange(3))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        pytest.param({"a": 1, "b": 2}, {"b": 2, "a": 1}, id="order-of-a-dict"),
        pytest.param({1: "x", "1": "y"}, {"1": "y", 1: "x"}, id="order-of-keys-that-do-not-compare"),
        pytest.param(Model(a=1, b=2), Model(b=2, a=1), id="order-of-attributes"),
        pytest.param(
            collections.OrderedDict(a=1, b=2), collections.OrderedDict(b=2, a=1), id="order-of-a-dict-of-another-class"
        ),
        pytest.param([SHARED, SHARED], [SHARED, Model(weights=np.arange(3))], id="shared-object"),
        pytest.param(np.arange(6).reshape(2, 3), np.asfortranarray(np.arange(6).reshape(2, 3)), id="memory-order"),
        pytest.param(np.arange(3), np.arange(6)[::2] // 2, id="strides"),
        pytest.param(np.arange(3, dtype="<i4"), np.arange(3, dtype=">i4"), id="byte-order"),
        pytest.param(padded(0), padded(255), id="padding-of-a-structured-array"),
        pytest.param(np.array(["a", None], object), np.array(["a", None], object), id="objects"),
        pytest.param(
            np.ma.masked_array([1, 2], [False, True]), np.ma.masked_array([1, 9], [False, True]), id="under-a-mask"
        ),
        pytest.param(csr(sorted_indices=True), csr(sorted_indices=False), id="order-of-entries"),
        pytest.param(csr(sorted_indices=True), checked(csr(sorted_indices=True)), id="remembered-by-scipy"),
        pytest.param(drawn(np.random.default_rng(3), 2), drawn(np.random.default_rng(3), 2), id="state-of-a-generator"),
        pytest.param(np.random.RandomState(3), np.random.RandomState(3), id="state-of-a-random-state"),
    ],
)
def test_how_a_part_is_held_does_not_count(one: object, other: object) -> None:
    assert model_digest(Model(part=one)) == model_digest(Model(part=other))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        pytest.param(1, 1.0, id="int-and-float"),
        pytest.param(1, True, id="int-and-bool"),
        pytest.param(0.0, -0.0, id="sign-of-zero"),
        pytest.param(0.1, np.float64(0.1), id="python-and-numpy"),
        pytest.param("1", 1, id="text-and-number"),
        pytest.param("a", b"a", id="text-and-bytes"),
        pytest.param(None, "None", id="none-and-text"),
        pytest.param([1], (1,), id="list-and-tuple"),
        pytest.param([1, 2], [2, 1], id="order-of-a-list"),
        pytest.param([[1], 2], [[1, 2]], id="boundary-of-a-list"),
        pytest.param(["ab", "c"], ["a", "bc"], id="boundary-of-text"),
        pytest.param({"a": 1, "b": 2}, {"a": 2, "b": 1}, id="values-of-a-dict"),
        pytest.param({"a"}, {"b"}, id="set"),
        pytest.param({"a"}, Names("a"), id="class-of-a-set"),
        pytest.param({"a": 1}, Model(a=1), id="class"),
        pytest.param(Slotted(1), Slotted(2), id="slot"),
        pytest.param(np.zeros(2, "i4"), np.zeros(1, "i8"), id="dtype"),
        pytest.param(np.zeros((2, 3)), np.zeros((3, 2)), id="shape"),
        pytest.param(np.array(1.0), np.float64(1.0), id="array-and-scalar"),
        pytest.param(np.array(["a", 1], object), np.array(["a", 2], object), id="object-array"),
        pytest.param(np.ma.masked_array([1], [False]), np.ma.masked_array([1], [True]), id="mask"),
        pytest.param(np.array([("a", 1)], "U1,i4"), np.array([("a", 2)], "U1,i4"), id="structured-array"),
        pytest.param(csr(sorted_indices=True), csr(sorted_indices=True) * 2, id="sparse-values"),
        pytest.param(csr(sorted_indices=True), csr(sorted_indices=True).T.tocsr(), id="sparse-shape"),
        pytest.param(np.random.default_rng(3), drawn(np.random.default_rng(3), 1), id="generator-that-drew"),
        pytest.param(np.random.RandomState(3), np.random.RandomState(4), id="random-state"),
        pytest.param(np.log1p, np.expm1, id="ufunc"),
        pytest.param(operator.add, operator.mul, id="builtin-function"),
        pytest.param(pickle.dumps, pickle.loads, id="function-of-a-c-module"),
        pytest.param(int, float, id="class-itself"),
        pytest.param(functools.partial(int, base=2), functools.partial(int, base=8), id="partial"),
        pytest.param(Colour.RED, Colour.GREEN, id="enum"),
        pytest.param(slice(0, 2), slice(0, 3), id="slice"),
        pytest.param(np.dtype("f4"), np.dtype("f8"), id="dtype-itself"),
        pytest.param(cycle_of(1), cycle_of(2), id="length-of-a-cycle"),
    ],
)
def test_different_parts_give_different_digests(one: object, other: object) -> None:
    assert model_digest(Model(part=one)) != model_digest(Model(part=other))


def test_a_cycle_has_one_digest_wherever_it_hangs() -> None:
    assert model_digest([[cycle_of(3)]]) == model_digest([[pickle.loads(pickle.dumps(cycle_of(3)))]])


def test_objects_on_a_cycle_that_are_met_twice_do_not_depend_on_what_came_first() -> None:
    parent = Model()
    parent.child = Model(parent=parent)

    assert model_digest({"a": parent, "b": parent.child}) == model_digest({"b": parent.child, "a": parent})


def test_objects_shared_many_times_over_are_walked_once() -> None:
    shared = Model()
    for _ in range(40):
        shared = Model(left=shared, right=shared)

    assert len(model_digest(shared)) == 64


def test_text_of_any_length_in_an_array_counts_by_its_content() -> None:
    def words(last: str) -> np.ndarray:
        return np.array(["a" * 40, last], np.dtypes.StringDType())

    assert model_digest(words("b" * 40)) == model_digest(words("b" * 40))
    assert model_digest(words("b" * 40)) != model_digest(words("c" * 40))


def test_the_version_that_scikit_learn_adds_does_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    before = model_digest(StandardScaler())
    monkeypatch.setattr("sklearn.base.__version__", "0.0")

    assert StandardScaler().__getstate__()["_sklearn_version"] == "0.0"
    assert model_digest(StandardScaler()) == before


@pytest.mark.parametrize(
    ("model", "path"),
    [
        pytest.param(Model(steps=[0, Model(loss=threading.Lock())]), "$.steps[1].loss", id="lock"),
        pytest.param(Model(link=lambda x: x), "$.link", id="lambda"),
        pytest.param({"rows": iter(()).__class__, "more": (i for i in ())}, "$['more']", id="generator"),
        pytest.param(Model(cells=np.zeros(1, np.longdouble)), "$.cells", id="extended-precision"),
        pytest.param(Model(cells=np.array([0, threading.Lock()], object)), "$.cells[1]", id="object-in-an-array"),
    ],
)
def test_a_part_without_readable_state_is_refused_with_its_path(model: object, path: str) -> None:
    with pytest.raises(BadInput) as refused:
        model_digest(model)

    assert refused.value.where == path


def test_a_model_nested_too_deeply_is_refused() -> None:
    nested: list[Any] = []
    for _ in range(100_000):
        nested = [nested]

    with pytest.raises(BadInput, match="nested too deeply"):
        model_digest(nested)


def test_the_digest_of_a_known_state_never_changes() -> None:
    state = {
        "classes": np.array(["no", "yes"], object),
        "coefficients": np.array([[0.5, -1.25]]),
        "count": 3,
        "names": ("a", "b"),
        "nodes": padded(0),
        "nothing": None,
        "seen": {"x", "y"},
    }

    assert model_digest(state) == "4aca3bf9d312f5ba432fe9b6d7223856614b9cf541de4b02e8368860cfae8302"


def test_importing_model_digests_loads_neither_numpy_nor_sklearn() -> None:
    code = (
        "import sys, repro_assets.pins.model_digest; sys.exit(bool({'numpy', 'sklearn', 'scipy'} & set(sys.modules)))"
    )

    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
