"""Dagster's home and `.env`: made once, whoever comes first."""

from __future__ import annotations

import dataclasses
import os
import subprocess
import sys
from pathlib import Path

import pytest

from repro_assets import settings as settings_module
from repro_assets.errors import Outside
from repro_assets.resources.dagster_home import open_instance, write_dotenv
from repro_assets.settings import Settings


@pytest.fixture
def fresh(state: Settings, tmp_path: Path, monkeypatch) -> Settings:
    """An installation with a project folder of its own; `DAGSTER_HOME` is as before afterwards."""
    monkeypatch.setenv("DAGSTER_HOME", "unset")
    project = tmp_path / "project"
    project.mkdir()
    (project / "dagster.yaml").write_text("telemetry:\n  enabled: false\n")
    return dataclasses.replace(state, project=project)


def test_dotenv_holds_every_location_as_an_absolute_one(fresh) -> None:
    lines = write_dotenv(fresh).read_text().splitlines()

    assert lines[0].startswith("# Generated")
    values = dict(line.split("=", 1) for line in lines[1:])
    assert values == fresh.variables()
    for name in ("REPRO_VAR", "REPRO_CAPSULES", "REPRO_ENVS", "DAGSTER_HOME"):
        assert Path(values[name]).is_absolute()


def test_dotenv_gives_back_the_same_settings(fresh) -> None:
    lines = write_dotenv(fresh).read_text().splitlines()[1:]
    environment = {"REPRO_PROJECT": str(fresh.project), **dict(line.split("=", 1) for line in lines)}

    assert settings_module.load(environment) == fresh


def test_dotenv_stands_beside_the_project_s_declaration(fresh) -> None:
    assert write_dotenv(fresh) == fresh.project / ".env"


def test_dotenv_is_not_touched_where_it_says_the_same(fresh) -> None:
    path = write_dotenv(fresh)
    os.utime(path, (1, 1))

    write_dotenv(fresh)

    assert path.stat().st_mtime == 1


def test_dotenv_follows_settings_that_moved(fresh, tmp_path) -> None:
    write_dotenv(fresh)

    moved = write_dotenv(dataclasses.replace(fresh, lake="s3://bucket/lake"))

    assert "REPRO_LAKE=s3://bucket/lake" in moved.read_text().splitlines()


def test_a_home_is_made_on_first_use_with_the_project_s_configuration(fresh) -> None:
    with open_instance(fresh) as instance:
        assert instance.get_runs_count() == 0
        assert instance.telemetry_enabled is False

    link = fresh.dagster_home / "dagster.yaml"
    assert link.resolve() == (fresh.project / "dagster.yaml").resolve()


def test_what_is_written_to_a_home_is_there_the_next_time(fresh) -> None:
    with open_instance(fresh) as instance:
        instance.add_dynamic_partitions("data_version", ["a-v000000"])

    with open_instance(fresh) as instance:
        assert instance.get_dynamic_partitions("data_version") == ["a-v000000"]


def test_a_link_to_a_project_that_is_gone_is_replaced(fresh) -> None:
    fresh.dagster_home.mkdir(parents=True)
    (fresh.dagster_home / "dagster.yaml").symlink_to(fresh.project / "gone.yaml")

    open_instance(fresh).dispose()

    assert (fresh.dagster_home / "dagster.yaml").resolve() == (fresh.project / "dagster.yaml").resolve()


def test_somebody_s_own_configuration_is_left_alone(fresh) -> None:
    fresh.dagster_home.mkdir(parents=True)
    (fresh.dagster_home / "dagster.yaml").write_text("telemetry:\n  enabled: true\n")

    open_instance(fresh).dispose()

    assert "true" in (fresh.dagster_home / "dagster.yaml").read_text()


def test_a_home_that_is_a_file_is_refused_by_its_place(fresh) -> None:
    fresh.dagster_home.parent.mkdir(parents=True, exist_ok=True)
    fresh.dagster_home.write_bytes(b"")

    with pytest.raises(Outside, match="home can't be used") as refused:
        open_instance(fresh)
    assert str(fresh.dagster_home) in str(refused.value)


_FIRST_TOUCH = """
import sys
from repro_assets import settings
from repro_assets.resources.dagster_home import open_instance

with open_instance(settings.load()) as instance:
    instance.add_dynamic_partitions("data_version", [sys.argv[1]])
"""


def test_two_processes_that_first_touch_a_fresh_home_at_once_both_succeed(fresh) -> None:
    environment = {**os.environ, **fresh.variables(), "REPRO_PROJECT": str(fresh.project)}
    processes = [
        subprocess.Popen([sys.executable, "-c", _FIRST_TOUCH, key], env=environment, stderr=subprocess.PIPE, text=True)
        for key in ("first", "second")
    ]
    errors = [process.communicate()[1] for process in processes]

    assert [process.returncode for process in processes] == [0, 0], errors
    with open_instance(fresh) as instance:
        assert sorted(instance.get_dynamic_partitions("data_version")) == ["first", "second"]


def test_dotenv_is_for_its_owner_alone_also_where_it_stood_open(fresh) -> None:
    path = fresh.project / ".env"
    path.write_text("old")
    path.chmod(0o644)

    assert write_dotenv(fresh).stat().st_mode & 0o777 == 0o600
