"""What is wrong with an installation is named with what to do about it."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest
from deltalake import write_deltalake

from repro_assets import settings as settings_module
from repro_assets.errors import Outside
from repro_assets.resources.raw.raw_tables import RawTables
from repro_assets.settings import Settings
from repro_assets.verbs import doctor
from repro_assets.verbs.doctor import CHECKS, Complaint, Diagnosis, document, examine, require_well, retention_statement

PROJECT = Path(__file__).parents[3]
DECADE = {
    "delta.logRetentionDuration": "interval 3650 days",
    "delta.deletedFileRetentionDuration": "interval 3650 days",
}


@pytest.fixture
def here(tmp_path: Path) -> Settings:
    shutil.copytree(PROJECT / "envs", tmp_path / "envs")
    return settings_module.load({"REPRO_VAR": str(tmp_path / "var"), "REPRO_ENVS": str(tmp_path / "envs")})


def only(name: str, here: Settings) -> tuple[Complaint, ...]:
    (found,) = examine(here, RawTables(lake=here.lake), {name: CHECKS[name]})
    return found.complaints


def raw_table(here: Settings, properties: dict[str, str], name: str = "covid_cases") -> None:
    folder = Path(here.lake.removeprefix("file://")) / "raw" / name
    write_deltalake(folder, pa.table({"a": [1]}), configuration=properties)


def test_a_raw_table_without_the_properties_gets_the_statement_that_sets_them(here) -> None:
    raw_table(here, {})

    (complaint,) = only("raw tables", here)

    assert "covid_cases keeps old versions for Delta's default time only" in complaint.what
    assert complaint.fix.startswith("ALTER TABLE delta.`/")
    assert complaint.fix.endswith(
        "SET TBLPROPERTIES ('delta.logRetentionDuration' = 'interval 3650 days', "
        "'delta.deletedFileRetentionDuration' = 'interval 3650 days');"
    )


def test_a_raw_table_with_one_of_the_two_is_wrong_too(here) -> None:
    raw_table(here, {"delta.logRetentionDuration": "interval 3650 days"})

    (complaint,) = only("raw tables", here)
    assert "delta.deletedFileRetentionDuration not set" in complaint.what


@pytest.mark.parametrize("short", DECADE)
@pytest.mark.parametrize("value", ["interval 1 day", "interval 3649 days", "interval 52 weeks"])
def test_a_raw_table_that_keeps_too_little_is_wrong_and_gets_the_statement(here, short, value) -> None:
    raw_table(here, {**DECADE, short: value})

    (complaint,) = only("raw tables", here)
    assert "covid_cases keeps old versions for less than 3650 days" in complaint.what
    assert f"{short} is {value!r}" in complaint.what
    assert complaint.fix.endswith(f"SET TBLPROPERTIES ('{short}' = 'interval 3650 days');")


@pytest.mark.parametrize(
    "other", [{}, {"delta.deletedFileRetentionDuration": "interval 1 day"}], ids=["unset", "short"]
)
def test_a_longer_retention_than_ours_is_never_shortened(here, other) -> None:
    raw_table(here, {"delta.logRetentionDuration": "interval 7300 days", **other})

    (complaint,) = only("raw tables", here)
    assert "logRetentionDuration" not in complaint.what + complaint.fix


def test_a_raw_table_with_both_is_well(here) -> None:
    raw_table(here, DECADE)

    assert only("raw tables", here) == ()


@pytest.mark.parametrize("stored", [{}, {"delta.dataSkippingNumIndexedCols": "32"}], ids=["unset", "another"])
def test_a_table_of_persons_whose_log_keeps_ids_gets_the_statement(here, stored) -> None:
    raw_table(here, stored, "job_changes")

    (complaint,) = only("persons", here)
    assert "the log of job_changes keeps the smallest and the largest id" in complaint.what
    assert complaint.fix.endswith("/raw/job_changes` SET TBLPROPERTIES ('delta.dataSkippingNumIndexedCols' = '0');")


def test_a_table_of_persons_whose_log_keeps_no_ids_is_well_and_so_is_one_of_no_persons(here) -> None:
    raw_table(here, {"delta.dataSkippingNumIndexedCols": "0"}, "job_changes")
    raw_table(here, {})

    assert only("persons", here) == ()


def test_the_statement_of_a_table_in_an_object_store_names_its_uri() -> None:
    assert "delta.`s3://bucket/raw/t`" in retention_statement("s3://bucket/raw/t", ["a"])
    assert "delta.`/a``b`" in retention_statement("file:///a`b", ["a"])


def edit(here: Settings) -> None:
    with open(here.envs / "clusters" / "local-v1.json", "a") as file:
        file.write("\n")


BREAKS: dict[str, tuple[str, Callable[[Settings], object], str]] = {
    "an edited file": ("envs", edit, "edited under its old name"),
    "a file that is gone": ("envs", lambda here: (here.envs / "conda" / "ml-v1.lock").unlink(), "is gone"),
    "no environments": ("envs", lambda here: shutil.rmtree(here.envs), "no environment ml-v1"),
    "a jar of other bytes": (
        "jars",
        lambda here: (
            (here.var / "jars").mkdir(parents=True),
            [
                (here.var / "jars" / name).write_bytes(b"x")
                for name in ("io.delta_delta-spark_4.2_2.13-4.4.0.jar", "io.delta_delta-storage-4.4.0.jar")
            ],
        ),
        "a jar is not the one of the cluster file",
    ),
    "a broken database": (
        "databases",
        lambda here: (
            (here.var / "mlflow").mkdir(parents=True),
            (here.var / "mlflow" / "mlflow.db").write_bytes(b"not a database" * 100),
        ),
        "",
    ),
    "a full disk": ("state", lambda here: None, "GB are free"),
}


@pytest.mark.parametrize(("check", "break_it", "words"), BREAKS.values(), ids=BREAKS.keys())
def test_what_is_broken_is_said(here, monkeypatch, check, break_it, words) -> None:
    if check == "state":
        monkeypatch.setattr(doctor, "_ROOM", 10**18)
    break_it(here)

    complaints = only(check, here)
    assert complaints
    assert words in complaints[0].what
    assert all(complaint.fix for complaint in complaints)


@pytest.mark.parametrize("check", ["envs", "state"])
def test_what_is_whole_is_well(here, monkeypatch, check) -> None:
    monkeypatch.setattr(doctor, "_ROOM", 1)
    assert only(check, here) == ()


def test_a_check_that_can_not_be_made_is_said_and_the_others_are_made(here) -> None:
    def failing(*_: object):
        raise Outside("no answer", fix="Start it")
        yield

    found = examine(here, RawTables(lake=here.lake), {"first": failing, "second": lambda *_: iter(())})

    assert [len(one.complaints) for one in found] == [1, 0]
    assert found[0].complaints[0].fix == "Start it"


def test_anything_wrong_is_an_exit_code_of_1() -> None:
    well, wrong = Diagnosis("a", ()), Diagnosis("b", (Complaint("broken", "mend it"),))

    require_well([well])
    with pytest.raises(doctor.Unwell) as raised:
        require_well([well, wrong])
    assert raised.value.exit_code == 1
    assert document([well, wrong])["checks"][1] == {
        "name": "b",
        "ok": False,
        "wrong": [{"what": "broken", "fix": "mend it"}],
    }
