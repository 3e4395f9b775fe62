"""Retention from the command line, on one installation: verify, unpin, vacuum, gc, forget, in the order of a life."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from deltalake import DeltaTable

from repro_assets.sample.generate import generate
from repro_assets_tests.installation import Installation, java_that_refuses

pytestmark = [pytest.mark.spark, pytest.mark.long]


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> tuple[Installation, list[str]]:
    """Three data versions; the first two are run."""
    folder = tmp_path_factory.mktemp("kept")
    installation = Installation.make(folder)
    feed = generate(folder / "feed", versions=3)
    installation.json("ingest", "covid_cases", *map(str, feed.covid_files))
    installation.json("ingest", "job_changes", *map(str, feed.job_files))
    keys = [version["key"] for version in installation.json("versions")["versions"]]
    installation.json("backfill", *keys[:2])
    return installation, keys


def raw(installation: Installation, table: str) -> Path:
    return installation.var / "lake" / "raw" / table


def some_person(installation: Installation) -> int:
    """The largest id: Delta's log would have it as a file's largest value."""
    return pc.max(DeltaTable(raw(installation, "job_changes")).to_pyarrow_table()["enrollee_id"]).as_py()


def naming(installation: Installation, person: int) -> set[Path]:
    """Every file but Parquet whose bytes hold the id's digits in a row; what the command does is not asked."""
    files = [path for path in installation.var.rglob("*") if path.is_file() and path.suffix != ".parquet"]
    digits = re.compile(rf"(?<!\d){person}(?!\d)".encode())
    return {path for path in files if "jars" not in path.parts and digits.search(path.read_bytes())}


def files_with(installation: Installation, person: int) -> list[Path]:
    """Every Parquet file of the lake that has a row of a person; what the command does is not asked."""
    found = []
    for path in (installation.var / "lake").rglob("*.parquet"):
        if "_delta_log" in path.parts or "enrollee_id" not in pq.read_schema(path).names:
            continue
        ids = pq.ParquetFile(path).read(columns=["enrollee_id"])["enrollee_id"]
        if pc.any(pc.equal(ids, pa.scalar(person, ids.type))).as_py():
            found.append(path)
    return found


def test_everything_that_was_just_made_is_proved(kept) -> None:
    installation, _ = kept
    found = installation.json("verify", "--all")
    assert found["damaged"] == []
    assert found["not_checked"] == []
    assert len(found["checked"]) > 15


def test_pins_name_the_digest_of_their_files(kept) -> None:
    installation, keys = kept
    stages = installation.json("show", keys[0])["stages"]
    pins = stages["predictions"]["pins"]["data"]
    assert all(re.fullmatch("[0-9a-f]{64}", pin["files_sha256"]) for pin in pins.values())


def test_damage_is_an_exit_code_of_1_with_the_file(kept) -> None:
    installation, keys = kept
    file = next(raw(installation, "job_changes").glob("*.parquet"))
    whole = file.read_bytes()
    file.write_bytes(whole[:50] + bytes([whole[50] ^ 4]) + whole[51:])
    done = installation.repro("verify", keys[0])
    file.write_bytes(whole)
    assert done.returncode == 1
    assert file.name in done.stderr
    assert "Traceback" not in done.stderr


def test_what_somebody_elses_vacuum_took_blocks_before_a_jvm_starts(kept, tmp_path) -> None:
    installation, keys = kept
    table = raw(installation, "covid_cases")
    backup = tmp_path / "covid_cases"
    shutil.copytree(table, backup)
    DeltaTable(table).vacuum(retention_hours=0, enforce_retention_duration=False, dry_run=False)
    no_java = java_that_refuses(tmp_path)
    reproduced = installation.repro("reproduce", keys[0], env=no_java)
    run = installation.repro("run", keys[0], "--force", env=no_java)
    shutil.rmtree(table)
    shutil.copytree(backup, table)
    for done in (reproduced, run):
        assert done.returncode == 3
        assert "VersionExpired" in done.stderr or "are gone" in done.stderr
        assert "VACUUM removed them on" in done.stderr
    assert "BLOCKED: VersionExpired" in reproduced.stderr
    assert not (tmp_path / "a-jvm-was-started").exists()


def test_a_version_given_up_goes_and_the_others_stay(kept) -> None:
    installation, keys = kept
    before = installation.json("vacuum", "covid_cases", "--dry-run")
    assert [one["version"] for one in before["kept"]] == [0, 1, 2]
    installation.json("unpin", keys[0], "--why", "not needed any more")
    preflight = installation.repro("preflight", keys[0])
    assert preflight.returncode == 0
    assert "was given up by" in preflight.stderr

    done = installation.json("vacuum", "covid_cases")
    assert (done["expired"], done["removed"]["files"] > 0) == ([0], True)
    gone = installation.json("gc")["removed"]
    assert {one["why"] for one in gone} == {"its data version was given up"}
    assert all(keys[0] in one["uri"] for one in gone)
    blocked = installation.repro("preflight", keys[0])
    assert blocked.returncode == 3
    assert "`repro vacuum` by" in blocked.stderr
    assert installation.json("verify", "--all")["damaged"] == []
    states = {version["key"]: version["given_up"] for version in installation.json("versions")["versions"]}
    assert states[keys[0]]["why"] == "not needed any more"
    assert states[keys[1]] is None


def test_a_person_is_forgotten_everywhere_and_the_runs_that_are_lost_are_listed(kept) -> None:
    installation, keys = kept
    person = some_person(installation)
    assert {path.relative_to(installation.var / "lake").parts[0] for path in files_with(installation, person)} >= {
        "raw",
        "train_test_snapshot",
        "features",
    }
    planned = installation.json("forget", "job_changes", str(person), "--why", "asked", "--dry-run")
    assert files_with(installation, person)
    assert not {path for path in naming(installation, person) if "raw" in path.parts}
    named_before = naming(installation, person)
    nobody = installation.repro("forget", "job_changes", "987654321", "--why", "asked")
    indiscreet = installation.repro("forget", "job_changes", str(person), "--why", f"asked by {person}")
    respelt = installation.repro("forget", "job_changes", f"0{person}", "--why", f"asked by {person}")
    assert (nobody.returncode, indiscreet.returncode, respelt.returncode) == (2, 2, 2)
    assert "not spelt as its column has it" in respelt.stderr
    assert "nobody of that id is found" in nobody.stderr
    assert "the reason names the person" in indiscreet.stderr
    assert (naming(installation, person), bool(files_with(installation, person))) == (named_before, True)

    done = installation.json("forget", "job_changes", str(person), "--why", "asked")

    assert files_with(installation, person) == []
    assert (done["keys"], done["runs"]) == (planned["keys"], planned["runs"])
    assert keys[1] in done["keys"]
    assert any(one.startswith("run ") for one in done["runs"])
    assert naming(installation, person) <= named_before
    blocked = installation.repro("preflight", keys[1])
    assert blocked.returncode == 3
    assert "`repro forget` by" in blocked.stderr
    assert "`repro pin` takes it back" not in blocked.stderr
    key = installation.json("versions")["versions"][-1]["key"]
    assert key not in keys
    assert installation.repro("run", key).returncode == 0
    assert files_with(installation, person) == []
