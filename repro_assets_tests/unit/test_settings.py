"""Where state lives: defaults, what moves it, and that every tool is told the same."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from repro_assets import settings as settings_module
from repro_assets.errors import BadInput
from repro_assets.resources import storage
from repro_assets.settings import kernel_variables, load

PROJECT = Path(__file__).resolve().parents[2]


def test_without_variables_everything_is_below_the_project() -> None:
    here = load({})

    assert here.project == PROJECT
    assert here.var == PROJECT / "var"
    assert here.lake == f"file://{PROJECT / 'var' / 'lake'}"
    assert here.capsules == PROJECT / "var" / "capsules"
    assert here.mlflow_tracking_uri == f"sqlite:///{PROJECT / 'var' / 'mlflow' / 'mlflow.db'}"
    assert here.dagster_home == PROJECT / "var" / "dagster"
    assert here.envs == PROJECT / "envs"


def test_one_variable_moves_all_state() -> None:
    here = load({"REPRO_VAR": "/state"})

    assert here.lake == "file:///state/lake"
    assert here.capsules == Path("/state/capsules")
    assert here.mlflow_tracking_uri == "sqlite:////state/mlflow/mlflow.db"
    assert here.dagster_home == Path("/state/dagster")
    assert here.mlflow_artifacts == Path("/state/mlflow/artifacts")
    assert here.envs == PROJECT / "envs"


def test_a_state_without_jars_of_its_own_shares_those_of_the_project(tmp_path) -> None:
    here = load({"REPRO_VAR": str(tmp_path)})
    assert here.jars == PROJECT / "var" / "jars"
    (tmp_path / "jars").mkdir()
    assert here.jars == tmp_path / "jars"


@pytest.mark.parametrize(
    ("variable", "value", "attribute", "expected"),
    [
        ("REPRO_LAKE", "s3://bucket/lake", "lake", "s3://bucket/lake"),
        ("REPRO_LAKE", "s3://bucket/lake/", "lake", "s3://bucket/lake"),
        ("REPRO_LAKE", "/shared/lake", "lake", "file:///shared/lake"),
        ("REPRO_CAPSULES", "/shared/capsules", "capsules", Path("/shared/capsules")),
        ("MLFLOW_TRACKING_URI", "http://mlflow:5000", "mlflow_tracking_uri", "http://mlflow:5000"),
        ("DAGSTER_HOME", "/shared/dagster", "dagster_home", Path("/shared/dagster")),
        ("REPRO_ENVS", "/shared/envs", "envs", Path("/shared/envs")),
    ],
)
def test_each_location_can_be_moved_alone(variable, value, attribute, expected) -> None:
    moved, default = load({variable: value}), load({})

    assert getattr(moved, attribute) == expected
    others = {"var", "lake", "capsules", "mlflow_tracking_uri", "dagster_home", "envs"} - {attribute}
    assert all(getattr(moved, other) == getattr(default, other) for other in others)


def test_a_relative_location_is_made_absolute(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)

    here = load({"REPRO_VAR": "state", "REPRO_LAKE": "lake", "DAGSTER_HOME": "home"})

    assert here.var == tmp_path / "state"
    assert here.lake == f"file://{tmp_path / 'lake'}"
    assert here.dagster_home == tmp_path / "home"


@pytest.mark.parametrize(
    "variable", ["REPRO_VAR", "REPRO_LAKE", "REPRO_CAPSULES", "MLFLOW_TRACKING_URI", "DAGSTER_HOME", "REPRO_ENVS"]
)
def test_an_empty_variable_is_an_unset_one(variable) -> None:
    assert load({variable: ""}) == load({})


def test_nothing_is_created_by_reading(tmp_path) -> None:
    load({"REPRO_VAR": str(tmp_path / "var")})

    assert list(tmp_path.iterdir()) == []


def test_the_variables_given_to_other_tools_lead_to_the_same_settings(tmp_path, monkeypatch) -> None:
    here = load({"REPRO_VAR": str(tmp_path / "var"), "REPRO_LAKE": "s3://bucket/lake"})
    monkeypatch.chdir(tmp_path)

    assert load(here.variables()) == here


@pytest.mark.parametrize("name", ["with space", "per%20cent", "ünï", "a#b"])
def test_a_lake_stands_in_the_folder_that_was_named(tmp_path, name) -> None:
    here = load({"REPRO_VAR": str(tmp_path / name)})

    storage.write_bytes(storage.join(here.lake, "marker"), b"")

    assert (tmp_path / name / "lake" / "marker").exists()
    assert urlsplit(here.lake).scheme == "file"


def test_thread_variables_are_one_where_unset_and_otherwise_stay() -> None:
    assert kernel_variables({"OMP_NUM_THREADS": "4"}) == {
        "OMP_NUM_THREADS": "4",
        "OPENBLAS_NUM_THREADS": "1",
        "MKL_NUM_THREADS": "1",
    }


def test_a_dead_tracking_server_is_not_waited_for_long() -> None:
    variables = load({}).variables()

    assert variables["MLFLOW_HTTP_REQUEST_MAX_RETRIES"] == "1"
    assert int(variables["MLFLOW_HTTP_REQUEST_TIMEOUT"]) <= 7


def test_the_module_lists_every_variable_it_reads() -> None:
    source = Path(settings_module.__file__).read_text()
    read = set(re.findall(r'values\.get\("([A-Z_]+)"\)', source))

    assert read
    assert all(f"| `{name}` |" in (settings_module.__doc__ or "") for name in read), sorted(read)


LOCATIONS = ["REPRO_PROJECT", "REPRO_VAR", "REPRO_LAKE", "REPRO_RAW", "REPRO_CAPSULES", "REPRO_ENVS", "DAGSTER_HOME"]
LOCATIONS += ["MLFLOW_TRACKING_URI", "REPRO_MLFLOW_PAGE"]


@pytest.mark.parametrize("variable", LOCATIONS)
@pytest.mark.parametrize(
    "value",
    ["/a\nREPRO_LAKE=/b", "/a\x1b[31m", "/a\u202eb", "/a\x00b", "/" + "x" * 300, "/x" * 2_000, "/a\udcff"],
    ids=["a line break", "an escape", "a turned direction", "NUL", "a long name", "a long path", "no text"],
)
def test_a_location_that_would_break_a_file_or_a_terminal_is_refused(variable, value) -> None:
    with pytest.raises(BadInput, match=rf"not a location \[{variable}\]") as refused:
        load({variable: value})

    assert str(refused.value).isprintable()


@pytest.mark.parametrize("variable", [name for name in LOCATIONS if name != "MLFLOW_TRACKING_URI"])
@pytest.mark.parametrize("user", ["key:hunter2-planted", "hunter2-planted"])
def test_a_location_with_a_password_is_refused_without_it(variable, user) -> None:
    with pytest.raises(BadInput, match=rf"a user or a password.*\[{variable}\].*s3://\*\*\*@bucket/lake") as refused:
        load({variable: f"s3://{user}@bucket/lake"})

    assert "hunter2" not in str(refused.value)


@pytest.mark.parametrize("value", ["/größe/日本語/🙂", "/with spaces/and 'quotes'", "/with@sign/x", "../relative"])
def test_a_folder_that_people_have_is_taken(value) -> None:
    assert load({"REPRO_VAR": value}).var == Path(value).absolute()


def test_a_tracking_server_may_need_a_password() -> None:
    address = "http://me:secret@mlflow:5000"

    assert load({"MLFLOW_TRACKING_URI": address}).mlflow_tracking_uri == address


TOKEN = "ghp_" + "aB3d" * 9


@pytest.mark.parametrize("variable", [name for name in LOCATIONS if not name.startswith("MLFLOW")])
def test_a_location_that_is_called_like_a_token_is_refused_without_it(variable) -> None:
    with pytest.raises(BadInput, match=rf"looks like a secret.*\[{variable}\].*\(redacted\)/x") as refused:
        load({variable: f"/data/{TOKEN}/x"})

    assert TOKEN not in str(refused.value)
