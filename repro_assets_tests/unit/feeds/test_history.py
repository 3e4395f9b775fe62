"""The publications that a Delta log names, read without a JVM."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pytest
from deltalake import CommitProperties, DeltaTable, write_deltalake

from repro_assets.errors import DataDamaged
from repro_assets.feeds.history import TableHistory, note_unchanged, read_commit_info, read_history, read_on
from repro_assets.feeds.publication import Publication, to_user_metadata


def publication(name: str, published: str | None = None, part: str | None = None) -> Publication:
    return Publication(f"{name}.csv", f"sha of {name}", f"content of {name}", published, part)


def write_commit(table: Path, version: int, *publications: Publication, table_id: str | None = None) -> None:
    info = {"timestamp": version, "operation": "MERGE", "userMetadata": to_user_metadata(publications)}
    actions: list[dict[str, object]] = [{"commitInfo": info}]
    if table_id:
        actions.append({"metaData": {"id": table_id}})
    log = table / "_delta_log"
    log.mkdir(parents=True, exist_ok=True)
    (log / f"{version:020d}.json").write_text("\n".join(map(json.dumps, actions)))


@pytest.fixture
def table(tmp_path: Path) -> Path:
    folder = tmp_path / "raw" / "covid_cases"
    write_commit(folder, 0, publication("a", "2020-06-11"), table_id="first")
    write_commit(folder, 1, publication("b", "2020-06-12"))
    return folder


def test_a_place_without_a_table_has_no_history(tmp_path: Path) -> None:
    uri = (tmp_path / "nothing").as_uri()
    assert read_history(uri) == TableHistory(uri)


def test_every_commit_names_its_publications(table: Path) -> None:
    history = read_history(table.as_uri())
    assert [(item.version, item.publication.source) for item in history.recorded] == [(0, "a.csv"), (1, "b.csv")]
    assert (history.table_id, history.version) == ("first", 1)


def test_other_files_of_the_log_are_no_commits(table: Path) -> None:
    (table / "_delta_log" / "00000000000000000010.checkpoint.parquet").write_bytes(b"")
    (table / "_delta_log" / "_last_checkpoint").write_bytes(b"")
    (table / "_delta_log" / "00000000000000000007.crc").write_bytes(b"")
    assert read_history(table.as_uri()).version == 1


def test_a_known_publication_is_found_with_its_newest_version(table: Path) -> None:
    write_commit(table, 2, publication("a", "2020-06-13"))
    held = read_history(table.as_uri()).holding(publication("a"))
    assert held is not None
    assert held.version == 2


def test_an_earlier_content_at_a_later_time_is_not_known(table: Path) -> None:
    assert read_history(table.as_uri()).holding(publication("a", "2020-06-13")) is None


def test_reading_on_takes_only_the_commits_since(table: Path) -> None:
    history = read_history(table.as_uri())
    (table / "_delta_log" / f"{0:020d}.json").unlink()
    write_commit(table, 2, publication("c"))
    assert [item.version for item in read_on(history).recorded] == [0, 1, 2]


def test_the_newest_time_is_of_the_same_part(tmp_path: Path) -> None:
    write_commit(tmp_path, 0, publication("a", "2020-12-07", "labelled"), publication("b", "2020-12-01", "unlabelled"))
    assert read_history(tmp_path.as_uri()).newest_published("unlabelled") == "2020-12-01"


def test_a_publication_without_a_change_is_remembered(table: Path) -> None:
    noted = note_unchanged(read_history(table.as_uri()), [publication("c", "2020-06-13")])
    assert read_history(table.as_uri()) == noted
    assert noted.newest_published(None) == "2020-06-13"


def test_what_is_remembered_of_a_table_does_not_count_for_its_successor(table: Path) -> None:
    note_unchanged(read_history(table.as_uri()), [publication("c")])
    write_commit(table, 0, publication("a"), table_id="second")
    assert read_history(table.as_uri()).holding(publication("c")) is None


def sources(table: Path) -> list[str]:
    return [item.publication.source for item in read_history(table.as_uri()).recorded]


def restore(table: Path, version: int, parameters: dict[str, object]) -> None:
    info = {"timestamp": version, "operation": "RESTORE", "operationParameters": parameters}
    (table / "_delta_log" / f"{version:020d}.json").write_text(json.dumps({"commitInfo": info}))


@pytest.mark.parametrize("by", ["version", "time"])
def test_a_publication_that_delta_rs_restored_away_is_not_known(tmp_path: Path, by: str) -> None:
    table = tmp_path / "covid_cases"
    for number, name in enumerate("ab"):
        text = to_user_metadata([publication(name, f"2020-06-1{number + 1}")])
        properties = CommitProperties(custom_metadata={"userMetadata": text})
        write_deltalake(table, pa.table({"uid": [number]}), mode="append", commit_properties=properties)
    moment = DeltaTable(table).history()[-1]["timestamp"]
    DeltaTable(table).restore(0 if by == "version" else datetime.fromtimestamp(moment / 1000, UTC))
    history = read_history(table.as_uri())
    assert DeltaTable(table).to_pyarrow_table().num_rows == 1
    assert (history.holding(publication("b", "2020-06-12")), history.newest_published(None)) == (None, "2020-06-11")
    assert history.holding(publication("a", "2020-06-11")) is not None


@pytest.mark.parametrize(
    ("parameters", "left"),
    [
        pytest.param({"version": 0, "timestamp": None}, ["a.csv"], id="version"),
        pytest.param({"version": None, "timestamp": "1970-01-01 00:00:00.0"}, ["a.csv"], id="time"),
        pytest.param({"version": None, "timestamp": "1969-12-31 23:00:00.0"}, [], id="before all"),
    ],
)
def test_so_it_is_as_spark_writes_a_restore(table: Path, parameters: dict[str, object], left: list[str]) -> None:
    restore(table, 2, parameters)
    assert sources(table) == left
    write_commit(table, 3, publication("b", "2020-06-12"))
    assert sources(table) == [*left, "b.csv"]


def test_a_restore_that_is_taken_back_gives_back_what_was_known(table: Path) -> None:
    restore(table, 2, {"version": 0})
    restore(table, 3, {"version": 1})
    assert sources(table) == ["a.csv", "b.csv"]


def test_a_publication_without_a_change_goes_with_the_version_it_was_equal_to(table: Path) -> None:
    note_unchanged(read_history(table.as_uri()), [publication("c", "2020-06-13")])
    restore(table, 2, {"version": 1})
    assert sources(table) == ["a.csv", "b.csv", "c.csv"]
    restore(table, 3, {"version": 0})
    assert sources(table) == ["a.csv"]


def test_a_restore_that_does_not_say_where_to_is_damage(table: Path) -> None:
    restore(table, 2, {"timestamp": "yesterday"})
    with pytest.raises(DataDamaged, match="went back to"):
        read_history(table.as_uri())


@pytest.mark.parametrize("text", [pytest.param("{", id="cut"), pytest.param("[]", id="no object")])
def test_a_damaged_commit_is_reported_by_its_file(table: Path, text: str) -> None:
    (table / "_delta_log" / f"{2:020d}.json").write_text(text)
    with pytest.raises(DataDamaged, match=r"00000000000000000002\.json"):
        read_history(table.as_uri())


def test_a_commit_says_who_made_it(table: Path) -> None:
    assert read_commit_info(table.as_uri(), 1)["operation"] == "MERGE"


def test_a_commit_that_does_not_say_who_made_it_is_damage(table: Path) -> None:
    (table / "_delta_log" / f"{2:020d}.json").write_text('{"protocol": {}}')
    with pytest.raises(DataDamaged, match="who made it"):
        read_commit_info(table.as_uri(), 2)
