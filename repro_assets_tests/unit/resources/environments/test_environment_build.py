"""Environments are made whole or not at all, once, from content that is proved, with the real uv and no network."""

from __future__ import annotations

import dataclasses
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from repro_assets.errors import BadInput, EnvironmentUnavailable, Outside
from repro_assets.resources.environments import uv_tool
from repro_assets.resources.environments.built_environments import MadeEnvironment, check, find, made_environments
from repro_assets.resources.environments.environment_build import Readiness, make, readiness
from repro_assets.settings import Settings, load
from repro_assets_tests.unit.resources.environments.tiny_wheels import YAML, Order, Wheels, order

PROJECT = Path(__file__).parents[4]
MINOR = f"3.{sys.version_info[1]}"
UNKNOWN = "f" * 64
MAKER = """
import sys
from pathlib import Path
from repro_assets import settings
from repro_assets.resources.environments.environment_build import make
from repro_assets_tests.unit.resources.environments.tiny_wheels import order
wanted = order(Path(sys.argv[1]).read_text(), python=sys.argv[2])
made = make(wanted.pin, wanted.yaml, wanted.lock, settings.load(), lambda line: print(line, flush=True))
print(made.python, flush=True)
"""


@pytest.fixture(scope="session")
def uv() -> Path:
    """The real uv."""
    found = uv_tool.find_uv(PROJECT)
    if found is None:
        pytest.skip("uv is neither on PATH nor in .tools: `make setup` installs it")
    return found


@pytest.fixture
def wheels(uv, tmp_path, monkeypatch) -> Wheels:
    """An empty folder of wheels, the only place that uv may take packages from; a cache of its own."""
    (tmp_path / "wheels").mkdir()
    for name, value in only_from(tmp_path).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("PATH", str(uv.parent), prepend=os.pathsep)
    return Wheels(tmp_path / "wheels")


@pytest.fixture(scope="session")
def template(uv, tmp_path_factory) -> Path:
    """A state with one environment, of `alpha` and `beta`, made once for all tests that only look at one."""
    folder = tmp_path_factory.mktemp("template")
    (folder / "wheels").mkdir()
    make_java(folder / "jdk")
    wheels = Wheels(folder / "wheels")
    state = load({"REPRO_VAR": str(folder / "var")})
    with pytest.MonkeyPatch.context() as patch:
        for name, value in {**only_from(folder), "JAVA_HOME": str(folder / "jdk")}.items():
            patch.setenv(name, value)
        patch.setenv("PATH", str(uv.parent), prepend=os.pathsep)
        made_from(order(wheels.add("alpha") + wheels.add("beta"), python=MINOR), state)
    return state.var


@pytest.fixture
def made(template, state) -> MadeEnvironment:
    """That environment, moved into this test's state."""
    shutil.copytree(template / "envs", state.var / "envs", symlinks=True)
    (found,) = made_environments(state)
    return found


def only_from(folder: Path) -> dict[str, str]:
    return {"UV_FIND_LINKS": str(folder / "wheels"), "UV_NO_INDEX": "1", "UV_CACHE_DIR": str(folder / "cache")}


def make_java(home: Path) -> None:
    (home / "bin").mkdir(parents=True)
    (home / "bin/java").write_text("#!/bin/sh\nexit 9\n")
    (home / "bin/java").chmod(0o755)
    (home / "release").write_text('JAVA_VERSION="17.0.1"\n')


@pytest.fixture(autouse=True)
def java(tmp_path, monkeypatch) -> None:
    """A folder that looks like a Java home of version 17."""
    make_java(tmp_path / "jdk")
    monkeypatch.setenv("JAVA_HOME", str(tmp_path / "jdk"))


def made_from(wanted: Order, state: Settings, said: list[str] | None = None):
    return make(wanted.pin, wanted.yaml, wanted.lock, state, (said if said is not None else []).append)


def asked(wanted: Order, state: Settings) -> Readiness:
    return readiness(wanted.pin, wanted.yaml, wanted.lock, state)


def imported(python: Path, *packages: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(python), "-I", "-c", f"import {', '.join(packages)}"], capture_output=True, text=True, check=False
    )


def folders(state: Settings) -> list[str]:
    return sorted(path.name for path in (state.var / "envs").glob("*"))


def test_a_made_environment_holds_what_its_lock_lists_and_this_project_not(wheels, state) -> None:
    wanted = order(wheels.add("alpha") + wheels.add("beta"), python=MINOR)

    made = made_from(wanted, state)

    assert imported(made.python, "alpha", "beta").returncode == 0
    assert imported(made.python, "repro_assets").returncode == 1
    assert (made.packages, check(made)) == (2, [])
    assert folders(state) == [f"tiny-{wanted.pin.digest[:16]}"]


def test_an_environment_is_made_once_and_found_by_its_digest(wheels, state) -> None:
    wanted, said = order(wheels.add("alpha"), python=MINOR), []
    assert find(wanted.pin, state) is None
    first = made_from(wanted, state)

    again = made_from(wanted, state, said)

    assert (first, said) == (again, [])
    assert find(dataclasses.replace(wanted.pin, name="another-name"), state) == first
    assert made_environments(state) == [first]
    assert find(dataclasses.replace(wanted.pin, java_major=21), state) is None


def test_only_the_entries_that_apply_to_the_interpreter_are_installed(wheels, state) -> None:
    lock = wheels.add("alpha") + wheels.add("beta").replace(" --hash", " ; python_version < '3' --hash")

    made = made_from(order(lock, python=MINOR), state)

    assert made.packages == 1
    assert imported(made.python, "beta").returncode == 1


@pytest.mark.parametrize("changed", ["lock", "yaml"])
def test_content_that_is_not_what_the_pin_names_makes_nothing(wheels, state, changed) -> None:
    wanted = order(wheels.add("alpha"), python=MINOR)
    other = dataclasses.replace(wanted, **{changed: getattr(wanted, changed) + b"# edited\n"})

    with pytest.raises(EnvironmentUnavailable, match=rf"not what its pin names \[tiny\.{changed}\]"):
        made_from(other, state)

    assert folders(state) == []
    assert "not what its pin names" in asked(other, state).reasons[0]


def test_a_package_with_another_hash_is_refused_by_its_name_whatever_uv_was_told(wheels, state, monkeypatch) -> None:
    monkeypatch.setenv("UV_NO_VERIFY_HASHES", "1")
    lock = wheels.add("alpha") + wheels.add("beta").split("sha256:")[0] + f"sha256:{UNKNOWN}\n"

    with pytest.raises(EnvironmentUnavailable, match=r"\[beta==1\.0\]") as refused:
        made_from(order(lock, python=MINOR), state)

    assert refused.value.exit_code == 3
    assert "\n" not in str(refused.value)
    assert folders(state) == []


def test_a_package_whose_version_is_gone_is_refused_though_another_version_is_there(wheels, state) -> None:
    wheels.add("alpha", "1.1")

    with pytest.raises(EnvironmentUnavailable, match=r"\[alpha==1\.0\]"):
        made_from(order(f"alpha==1.0 --hash=sha256:{UNKNOWN}\n", python=MINOR), state)

    assert folders(state) == []


def test_an_index_that_does_not_answer_is_a_failure_outside(wheels, state, monkeypatch) -> None:
    monkeypatch.delenv("UV_NO_INDEX")
    monkeypatch.setenv("UV_DEFAULT_INDEX", "http://127.0.0.1:9/simple")
    monkeypatch.setenv("UV_HTTP_RETRIES", "0")

    with pytest.raises(Outside, match="`uv pip sync` failed"):
        made_from(order(f"alpha==1.0 --hash=sha256:{UNKNOWN}\n", python=MINOR), state)


def test_of_two_processes_at_once_one_makes_it_and_both_have_it(wheels, state, tmp_path) -> None:
    lock = tmp_path / "wanted.lock"
    lock.write_text(wheels.add("alpha"))
    makers = [start(lock, state) for _ in range(2)]

    outputs = [maker.communicate()[0].splitlines() for maker in makers]

    assert [maker.returncode for maker in makers] == [0, 0]
    assert outputs[0][-1] == outputs[1][-1]
    assert sum("making it with" in line for lines in outputs for line in lines) == 1


def test_one_that_is_killed_half_way_counts_for_nothing_and_the_next_cleans_up(uv, wheels, state, tmp_path) -> None:
    lock = tmp_path / "wanted.lock"
    lock.write_text(wheels.add("alpha"))
    wanted = order(lock.read_text(), python=MINOR)
    halting = tmp_path / "halting"
    halting.mkdir()
    (halting / "uv").write_text(
        f'#!/bin/sh\n[ "$1" != pip ] || {{ echo halted >&2; exec sleep 600; }}\nexec {uv} "$@"\n'
    )
    (halting / "uv").chmod(0o755)
    maker = start(lock, state, PATH=f"{halting}{os.pathsep}{os.environ['PATH']}")
    while "halted" not in maker.stdout.readline():
        assert maker.poll() is None
    os.killpg(maker.pid, signal.SIGKILL)
    maker.communicate()
    assert (find(wanted.pin, state), made_environments(state)) == (None, [])
    assert [name.startswith(".making-") for name in folders(state)] == [True]

    made = made_from(wanted, state)

    assert check(made) == []
    assert folders(state) == [made.home.name]


def start(lock: Path, state: Settings, **environ: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", MAKER, str(lock), MINOR],
        env={**os.environ, "REPRO_VAR": str(state.var), **environ},
        cwd=PROJECT,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def test_a_folder_without_its_interpreter_is_not_made_and_is_made_again(wheels, state) -> None:
    wanted = order(wheels.add("alpha"), python=MINOR)
    made_from(wanted, state).python.unlink()

    assert find(wanted.pin, state) is None
    assert check(made_from(wanted, state)) == []


@pytest.mark.parametrize("text", [None, "", "[]", "{}", '{"schema": "repro-made-environment/1", "pin": {}}'])
def test_a_marker_that_is_gone_or_says_nothing_marks_nothing(made, state, text) -> None:
    marker = made.home / "made.json"
    marker.unlink() if text is None else marker.write_text(text)

    assert (find(made.pin, state), made_environments(state)) == (None, [])


def test_an_environment_works_after_it_was_moved(made) -> None:
    assert imported(made.python, "alpha", "beta").returncode == 0
    assert check(made) == []


def damage_file(packages: Path) -> None:
    (packages / "alpha.py").write_text("VALUE = 2\n")


def remove_package(packages: Path) -> None:
    shutil.rmtree(packages / "alpha-1.0.dist-info")


def exchange_version(packages: Path) -> None:
    metadata = packages / "alpha-1.0.dist-info/METADATA"
    metadata.write_text(metadata.read_text().replace("Version: 1.0", "Version: 1.1"))


@pytest.mark.parametrize(
    ("damage", "kind"),
    [(damage_file, "changed"), (remove_package, "missing"), (exchange_version, "version")],
    ids=["a changed file", "a removed package", "another version"],
)
def test_a_check_names_what_is_not_as_locked_any_more(made, damage, kind) -> None:
    assert check(made) == []

    damage(made.home / f"lib/python{MINOR}/site-packages")

    found = check(made)
    assert {one.package for one in found} == {"alpha"}
    assert kind in {one.kind for one in found}


def test_an_environment_whose_own_lock_was_changed_is_refused(made) -> None:
    with open(made.home / "environment.lock", "a") as lock:
        lock.write("# edited\n")

    with pytest.raises(EnvironmentUnavailable, match="not what its pin names"):
        check(made)


def test_a_file_changed_in_one_environment_is_the_same_in_the_next(wheels, state) -> None:
    alpha = wheels.add("alpha")
    first = made_from(order(alpha, python=MINOR), state)
    damage_file(first.home / f"lib/python{MINOR}/site-packages")

    second = made_from(order(alpha + wheels.add("beta"), python=MINOR), state)

    assert check(second) == []


def test_a_copy_that_was_changed_in_the_cache_of_uv_is_found(wheels, state, tmp_path) -> None:
    alpha = wheels.add("alpha")
    made_from(order(alpha, python=MINOR), state)
    (cached,) = (path for path in (tmp_path / "cache").rglob("alpha.py") if not path.is_symlink())
    cached.write_text("VALUE = 2\n")

    with pytest.raises(EnvironmentUnavailable, match=r"alpha\.py.*uv cache clean"):
        made_from(order(alpha + wheels.add("beta"), python=MINOR), state)

    assert len(made_environments(state)) == 1


def test_an_environment_is_ready_before_it_is_made_and_after(wheels, state) -> None:
    wanted = order(wheels.add("alpha"), python=MINOR)

    assert asked(wanted, state) == Readiness(None, ())
    made = made_from(wanted, state)
    assert asked(wanted, state) == Readiness(made, ())


def test_everything_that_is_missing_is_named_at_once(state, monkeypatch, tmp_path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    yaml = YAML.replace(b"<3.13", b"<4").replace(b"<22", b"<99")
    wanted = order(f"alpha==1.0 --hash=sha256:{UNKNOWN}\n", python="3.99", java=33, yaml=yaml)
    elsewhere = dataclasses.replace(state, project=tmp_path)

    found = asked(wanted, elsewhere)

    assert [any(word in one for one in found.reasons) for word in ("Java 33", "uv ", "Python 3.99")] == [True] * 3
    assert not found.is_ready
    with pytest.raises(EnvironmentUnavailable, match=r"Java 33.*uv is neither.*Python 3\.99"):
        made_from(wanted, elsewhere)


@pytest.mark.parametrize(
    ("python", "java", "reason"), [("3.9", 17, "made for Python"), (MINOR, 8, "made for Java")], ids=["Python", "Java"]
)
def test_a_pin_that_its_own_conda_file_excludes_is_not_ready(state, python, java, reason) -> None:
    found = asked(order(f"alpha==1.0 --hash=sha256:{UNKNOWN}\n", python=python, java=java), state)

    assert any(reason in one for one in found.reasons)


def test_a_lock_that_can_not_be_read_is_a_reason_and_an_error(state) -> None:
    wanted = order("alpha==1.0\n", python=MINOR)

    assert "can't be checked" in asked(wanted, state).reasons[0]
    with pytest.raises(BadInput, match="can't be checked"):
        made_from(wanted, state)


def test_the_project_finds_uv_on_path_and_then_where_setup_puts_it(tmp_path) -> None:
    own, path = tmp_path / ".tools/uv/bin/uv", tmp_path / "bin/uv"
    assert uv_tool.find_uv(tmp_path, {"PATH": str(path.parent)}) is None
    for program in (own, path):
        program.parent.mkdir(parents=True)
        program.touch(0o755)
    assert uv_tool.find_uv(tmp_path, {"PATH": str(path.parent)}) == path
    path.unlink()
    assert uv_tool.find_uv(tmp_path, {"PATH": str(path.parent)}) == own


def test_a_program_that_only_has_the_name_of_a_python_is_passed_by(tmp_path) -> None:
    script = '#!/bin/sh\necho "cpython 3.99 3.99.1"\n'
    for folder, text in (("broken", "#!/bin/sh\nexit 127\n"), ("right", script)):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "python3.99").write_text(text)
        (tmp_path / folder / "python3.99").chmod(0o755)
    path = os.pathsep.join(str(tmp_path / folder) for folder in ("broken", "right"))

    assert uv_tool.find_python("3.99", None, {"PATH": path}) == tmp_path / "right/python3.99"
    assert uv_tool.find_python("3.98", None, {"PATH": path}) is None
