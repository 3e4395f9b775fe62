"""An old capsule runs in isolation: what its process sees, what it may not, and how it ends."""

from __future__ import annotations

import json
import os
import sys
import textwrap
from collections.abc import Mapping
from pathlib import Path

import psutil
import pytest

from repro_assets.errors import DataDamaged, Outside
from repro_assets.pins.contract import Request, Result
from repro_assets.pins.version_file import read_digests
from repro_assets.resources.reproduction.capsule_process import run_capsule, write_envs
from repro_assets.resources.reproduction.workspaces import Workspace, workspace
from repro_assets.settings import Settings
from repro_assets.settings import load as load_settings
from repro_assets_tests.installation import wait_until

KEY = "covid_cases-v000003--job_changes-v000001"
REQUEST = Request(KEY, ("model",), {}, "ml-v1", False, "local-v1")
# What every capsule of these tests does first: write down what it sees.
SEES = "import json, os, pathlib, sys\nseen = {'env': dict(os.environ), 'cwd': os.getcwd(), 'argv': sys.argv}\n"
ANSWERS = f"""
result = {Result(seconds=2.0).as_document()!r}
pathlib.Path(sys.argv[2]).write_text(json.dumps(result))
"""


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return load_settings({"REPRO_VAR": str(tmp_path / "var"), "REPRO_RAW": "s3://bucket/lake"})


def _capsule(place: Workspace, body: str) -> None:
    package = place.code / "repro_assets"
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    (package / "contract.py").write_text(SEES + textwrap.dedent(body))


def _run(place: Workspace, settings: Settings, variables: Mapping[str, str] | None = None) -> tuple[Result, list[str]]:
    lines: list[str] = []
    result = run_capsule(
        REQUEST, place, python=Path(sys.executable), settings=settings, variables=variables or {}, progress=lines.append
    )
    return result, lines


# What would lead an old process to this installation, to other code, or to another Spark or JVM.
LIVE = (
    *("REPRO_LAKE", "REPRO_CAPSULES", "MLFLOW_TRACKING_URI", "DAGSTER_HOME", "PYTHONHOME", "GIT_DIR"),
    *("SPARK_CONF_DIR", "SPARK_HOME", "PYSPARK_SUBMIT_ARGS", "PYSPARK_PYTHON", "JAVA_TOOL_OPTIONS", "_JAVA_OPTIONS"),
    "HADOOP_CONF_DIR",
)


def _ends(pid: int) -> None:
    """A killed process is gone once somebody has asked how it ended; until then it is a zombie."""

    def gone() -> bool | None:
        try:
            return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE or None
        except psutil.NoSuchProcess:
            return True

    assert wait_until(gone, seconds=30)


def test_the_capsule_gets_the_request_and_its_answer_comes_back(settings: Settings) -> None:
    with workspace(settings, KEY) as place:
        _capsule(
            place,
            "request = json.loads(pathlib.Path(sys.argv[1]).read_text())\nprint(request['stages'], file=sys.stderr)"
            + ANSWERS,
        )
        result, lines = _run(place, settings)
    assert result.seconds == 2.0
    assert lines == ["['model']"]


def test_the_capsule_sees_its_own_state_and_of_the_live_one_the_raw_lake_only(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in LIVE:
        monkeypatch.setenv(name, "/live")
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    monkeypatch.setenv("AWS_PROFILE", "somebody")
    with workspace(settings, KEY) as place:
        _capsule(place, "print(json.dumps(seen), file=sys.stderr)" + ANSWERS)
        _, lines = _run(place, settings, {"OMP_NUM_THREADS": "1"})
        seen, env = json.loads(lines[0]), json.loads(lines[0])["env"]
        assert not [name for name, value in env.items() if value == "/live"]
        assert env["REPRO_RAW"] == "s3://bucket/lake"
        assert env["OMP_NUM_THREADS"] == "1"
        assert env["AWS_PROFILE"] == "somebody"
        for name in ("REPRO_VAR", "REPRO_ENVS", "PYTHONPATH"):
            assert Path(env[name]).is_relative_to(place.folder)
        assert Path(seen["cwd"]).is_relative_to(place.folder)


@pytest.mark.parametrize(
    ("body", "said"),
    [("print('out of memory', file=sys.stderr)\nraise SystemExit(1)", "out of memory"), ("", "nothing")],
    ids=["with a last word", "without"],
)
def test_a_capsule_that_ends_without_an_answer_is_outside_of_what_can_be_judged(
    settings: Settings, body: str, said: str
) -> None:
    with workspace(settings, KEY) as place:
        _capsule(place, body)
        with pytest.raises(Outside, match=f"ended without an answer .*{said}"):
            _run(place, settings)


def test_an_answer_of_another_form_is_refused(settings: Settings) -> None:
    with workspace(settings, KEY) as place:
        _capsule(place, "pathlib.Path(sys.argv[2]).write_text('{}')")
        with pytest.raises(DataDamaged, match="answered in another form"):
            _run(place, settings)


def test_what_the_capsule_started_ends_with_it(settings: Settings) -> None:
    body = """
    import subprocess
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    print(child.pid, file=sys.stderr)
    """
    with workspace(settings, KEY) as place:
        _capsule(place, textwrap.dedent(body) + ANSWERS)
        _, lines = _run(place, settings)
    _ends(int(lines[0]))


def test_an_interrupt_ends_the_capsule(settings: Settings) -> None:
    def interrupt(line: str) -> None:
        raise KeyboardInterrupt(line)

    here = Path(sys.executable)
    with workspace(settings, KEY) as place:
        _capsule(place, "import time\nprint(os.getpid(), file=sys.stderr, flush=True)\ntime.sleep(600)")
        with pytest.raises(KeyboardInterrupt) as raised:
            run_capsule(REQUEST, place, python=here, settings=settings, variables={}, progress=interrupt)
    _ends(int(str(raised.value)))


def test_an_answer_that_was_cut_is_refused(settings: Settings) -> None:
    with workspace(settings, KEY) as place:
        _capsule(place, "pathlib.Path(sys.argv[2]).write_text('{')")
        with pytest.raises(DataDamaged, match="can't be read"):
            _run(place, settings)


def test_environment_files_lie_where_the_capsule_looks_with_their_digests(settings: Settings) -> None:
    with workspace(settings, KEY) as place:
        write_envs(place, {"conda/ml-v1.lock": b"lock", "clusters/local-v1.json": b"{}"})
        assert set(read_digests(place.envs)) == {"conda/ml-v1.lock", "clusters/local-v1.json"}
        assert (place.envs / "conda" / "ml-v1.lock").read_bytes() == b"lock"


def test_the_history_of_a_clone_around_the_workspace_is_none_of_the_capsules(settings: Settings) -> None:
    with workspace(settings, KEY) as place:
        _capsule(place, "print(os.environ['GIT_CEILING_DIRECTORIES'], file=sys.stderr)" + ANSWERS)
        _, lines = _run(place, settings)
        assert lines == [os.path.realpath(place.folder)]
