"""Where the demo takes its published files from."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from repro_assets.errors import BadInput
from repro_assets.verbs.demo import DemoPlan, plan

JOBS = [Path(__file__), Path(__file__).with_name("__init__.py")]  # any files that are there


def touch(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).write_bytes(b"")


def test_without_options_the_sample_is_used() -> None:
    assert plan(None, []) == DemoPlan()
    assert plan(None, []).is_sample


@pytest.mark.parametrize(
    ("covid", "jobs"),
    [pytest.param(Path("."), [], id="without jobs"), pytest.param(None, JOBS, id="without cases")],
)
def test_real_files_of_one_kind_alone_are_refused(covid, jobs) -> None:
    with pytest.raises(BadInput, match=r"both.*--covid DIR_OR_GIT --jobs"):
        plan(covid, jobs)


def test_the_case_files_of_a_folder_are_taken_in_the_order_of_their_names(tmp_path) -> None:
    touch(tmp_path, "03_2020-06-13.csv.gz", "01_2020-06-11.csv.gz", "02_2020-06-12.csv")

    found = plan(tmp_path, JOBS)

    assert [path.name for path in found.cases] == ["01_2020-06-11.csv.gz", "02_2020-06-12.csv", "03_2020-06-13.csv.gz"]
    assert found.jobs == tuple(JOBS)
    assert not found.is_sample


def test_files_that_are_no_case_files_are_left_out(tmp_path) -> None:
    touch(tmp_path, "01.csv", "time_series_COVID19_confirmed_US.csv", "README.md", "counts.csv", "02.csv.bak")

    assert [path.name for path in plan(tmp_path, JOBS).cases] == ["01.csv", "time_series_COVID19_confirmed_US.csv"]


@pytest.mark.parametrize("bare", [False, True], ids=["clone", "bare clone"])
def test_a_git_clone_is_taken_as_one(tmp_path, bare) -> None:
    subprocess.run(["git", "init", "--quiet", *(["--bare"] if bare else []), str(tmp_path)], check=True)
    touch(tmp_path, "01.csv")

    found = plan(tmp_path, JOBS)

    assert (found.repository, found.cases) == (tmp_path, ())
    assert not found.is_sample


def test_a_folder_without_case_files_is_refused(tmp_path) -> None:
    touch(tmp_path, "README.md")

    with pytest.raises(BadInput, match=r"no case files.*\*\.csv"):
        plan(tmp_path, JOBS)


@pytest.mark.parametrize("name", ["missing", "file.csv"])
def test_what_is_no_folder_is_refused(tmp_path, name) -> None:
    touch(tmp_path, "file.csv")

    with pytest.raises(BadInput, match="no such folder or git clone"):
        plan(tmp_path / name, JOBS)


def test_a_job_file_that_is_not_there_is_refused_before_anything_is_read(tmp_path) -> None:
    touch(tmp_path, "01.csv")

    with pytest.raises(BadInput, match=r"no such job file \[nowhere.csv\]"):
        plan(tmp_path, [*JOBS, Path("nowhere.csv")])
