"""The files of `envs/tolerances`: taken for a family and a lock, checked by digest, written once and registered."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import pytest

from repro_assets import settings as settings_module
from repro_assets.errors import BadInput, EditedUnderOldName
from repro_assets.pins import version_file
from repro_assets.pins.manifest import ASSUMED_TOLERANCE
from repro_assets.pins.run_record import RunRecord
from repro_assets.pins.tolerance import Trial, Variant, newest
from repro_assets.pins.version_file import read_digests, register
from repro_assets.resources.reproduction.tolerances import tolerance_of, write_tolerance
from repro_assets.settings import Settings
from repro_assets.steps.model_params import DEFAULT_FAMILY
from repro_assets_tests.unit.pins.run_records import manifest, run_record

PARAMETERS = {"model": {"family": "random_forest"}}
STILL = Trial(Variant("one core"), {})
MOVED = Trial(Variant("one core"), {}, ("model", "predictions"), probability=2e-16, score=1e-16)


LOCK = {"name": "ml-v1", "sha256": "1" * 64}
COMPUTE = {"declared": {"name": "local-v1", "sha256": "d" * 64}, "effective": {"cpu": {"model": "a CPU"}}}
PINS = {**manifest("model")["pins"], "compute": COMPUTE}
RECORDED = {**PINS["environment"], "effective": {"mode": "record"}}


def measured(**changes: Any) -> RunRecord:
    return run_record(**{"parameters": {"family": "random_forest"}, "pins": PINS, **changes})


def said(here: Settings, parameters: Any = PARAMETERS, lock: Any = LOCK, *, enforced: bool = True) -> dict[str, Any]:
    return tolerance_of(here, parameters, lock, enforced=enforced)


@pytest.fixture
def here(tmp_path: Path) -> Settings:
    return settings_module.load({"REPRO_VAR": str(tmp_path / "var"), "REPRO_ENVS": str(tmp_path / "envs")})


def written(here: Settings, trial: Trial = STILL) -> tuple[str, dict[str, Any], bool]:
    return write_tolerance(here, measured(), [trial], date="2026-11-23")


def test_until_one_is_measured_the_tolerance_is_assumed(here) -> None:
    assert said(here) == ASSUMED_TOLERANCE
    assert said(here, {}) == ASSUMED_TOLERANCE


def test_a_measured_tolerance_counts_for_its_family_and_lock_alone(here) -> None:
    name, _, is_new = written(here, MOVED)

    assert (name, is_new) == ("random_forest--ml-v1.json", True)
    assert said(here) == {
        "probability": 2e-16,
        "score": 1e-16,
        "source": "measured",
        "file": f"tolerances/{name}",
    }
    assert said(here, lock={"name": "ml-v2", "sha256": "1" * 64}) == ASSUMED_TOLERANCE
    assert said(here, {"model": {"family": "logistic_regression"}}) == ASSUMED_TOLERANCE


@pytest.mark.parametrize(
    ("parameters", "enforced"),
    [
        pytest.param(PARAMETERS, False, id="environment only written down"),
        pytest.param({**PARAMETERS, "predictions": {"use_champion": True}}, True, id="the champion predicts"),
    ],
)
def test_what_was_not_measured_like_this_states_the_assumed_tolerance(here, parameters, enforced) -> None:
    written(here, MOVED)

    assert said(here, parameters, enforced=enforced) == ASSUMED_TOLERANCE


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"parameters": {}}, id="no model"),
        pytest.param({"pins": {**PINS, "environment": RECORDED}}, id="environment only written down"),
        pytest.param({"champion": {"digest": "c"}}, id="the champion predicted"),
    ],
)
def test_nothing_is_written_of_a_run_that_measures_nothing(here, changes) -> None:
    with pytest.raises(BadInput, match="no tolerance can be measured"):
        write_tolerance(here, measured(**changes), [MOVED], date="2026-11-23")

    assert not (here.envs / "tolerances").exists()


def test_a_file_of_another_lock_than_its_name_says_is_refused(here) -> None:
    written(here, MOVED)

    with pytest.raises(BadInput, match="of another family or lock"):
        said(here, lock={"name": "ml-v1", "sha256": "2" * 64})


def test_a_written_file_is_registered(here) -> None:
    name, _, _ = written(here)

    assert f"tolerances/{name}" in read_digests(here.envs)


def test_what_a_file_says_already_is_not_written_again(here) -> None:
    name, document, _ = written(here, MOVED)

    assert written(here, STILL) == (name, document, False)


def test_a_wider_measurement_is_a_new_file(here) -> None:
    written(here, STILL)

    name, document, is_new = written(here, MOVED)

    assert (name, is_new) == ("random_forest--ml-v1--v2.json", True)
    assert document["includes"] == "random_forest--ml-v1.json"
    assert said(here)["probability"] == 2e-16


def test_an_edited_file_is_refused(here) -> None:
    name, _, _ = written(here)
    path = here.envs / "tolerances" / name
    path.write_text(path.read_text().replace('"score": 0.0', '"score": 1.0', 1))

    with pytest.raises(EditedUnderOldName):
        said(here)


def test_a_file_that_nobody_registered_is_refused(here) -> None:
    folder = here.envs / "tolerances"
    folder.mkdir(parents=True)
    (folder / "random_forest--ml-v1.json").write_text('{"schema": "repro-tolerance/1", "probability": 1, "score": 1}')

    with pytest.raises(BadInput, match="not registered"):
        said(here)


def test_the_default_family_is_measured_under_the_default_lock() -> None:
    envs = settings_module.load({}).envs / "tolerances"

    assert newest([path.name for path in envs.glob("*.json")], DEFAULT_FAMILY, settings_module.DEFAULT_ENVIRONMENT)


def test_no_other_file_is_registered_beside_it(here) -> None:
    folder = here.envs / "tolerances"
    folder.mkdir(parents=True)
    (folder / "somebody-else-s.json").write_text("{}")

    name, _, _ = written(here)

    assert list(read_digests(here.envs)) == [f"tolerances/{name}"]


class Killed(BaseException):
    """Stands for the end of a process."""


@pytest.mark.parametrize("number", [1, 2, 3, 4], ids=["file aside", "lines aside", "lines in place", "file in place"])
def test_a_process_killed_before_any_step_leaves_the_file_registered_or_nothing(here, monkeypatch, number) -> None:
    steps = itertools.count(1)

    def mortal(act):
        def step(*given):
            if next(steps) == number:
                raise Killed
            return act(*given)

        return step

    monkeypatch.setattr(version_file, "_write", mortal(version_file._write))
    monkeypatch.setattr(Path, "replace", mortal(Path.replace))
    with pytest.raises(Killed):
        written(here, MOVED)
    monkeypatch.undo()

    # What reads meanwhile knows nothing of it; what writes next finishes it or begins anew.
    assert said(here) == ASSUMED_TOLERANCE
    name, document, _ = written(here, MOVED)
    assert (name, document["probability"]) == ("random_forest--ml-v1.json", 2e-16)
    assert said(here)["source"] == "measured"
    assert not list(here.envs.rglob("*.partial"))
    assert register(here.envs) == []
