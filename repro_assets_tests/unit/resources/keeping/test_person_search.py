"""Parquet files with a person are found; one that can't be read stops the search."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from repro_assets.errors import BadInput, DataDamaged
from repro_assets.resources.keeping.person_search import files_with

PERSON = "4711"


def write(folder: Path, name: str, column: str = "enrollee_id", ids: tuple[object, ...] = (1, 4711)) -> Path:
    table = pa.table({column: list(ids), "city": ["city_1"] * len(ids)})
    plain = {"compression": "none", "use_dictionary": False, "write_statistics": False}
    pq.write_table(table, folder / name, write_page_checksum=True, **plain)
    return folder / name


def found(folder: Path, *columns: str) -> list[str]:
    paths = sorted(path.name for path in folder.iterdir())
    return files_with(folder.as_uri(), paths, set(columns or ("enrollee_id",)), PERSON)


def test_files_are_found_by_whichever_name_the_column_has_there(tmp_path) -> None:
    write(tmp_path, "a.parquet")
    write(tmp_path, "b.parquet", "col-1f")
    write(tmp_path, "c.parquet", "enrollee_id", (1, 2))
    write(tmp_path, "d.parquet", "other")
    assert found(tmp_path, "enrollee_id", "col-1f") == ["a.parquet", "b.parquet"]


def test_a_whole_file_that_a_killed_process_was_about_to_name_counts(tmp_path) -> None:
    name = f"part-0.parquet.{'0' * 32}.part"
    write(tmp_path, name)
    assert found(tmp_path) == [name]


def cut(content: bytes) -> bytes:
    return content[: len(content) // 2]


def without_footer(content: bytes) -> bytes:
    return content[:-60] + b"\xff" * 52 + content[-8:]


def other_value(content: bytes) -> bytes:
    return content.replace((4711).to_bytes(8, "little"), (4712).to_bytes(8, "little"), 1)


@pytest.mark.parametrize(
    "damage",
    [
        pytest.param(cut, id="cut"),
        pytest.param(without_footer, id="a footer of other bytes"),
        pytest.param(other_value, id="a flipped bit in the id"),
        pytest.param(lambda _: b"", id="empty"),
    ],
)
def test_a_file_that_can_not_be_read_is_damage_with_its_name(tmp_path, damage) -> None:
    path = write(tmp_path, "a.parquet")
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(
        DataDamaged, match=r"can't be searched for a person .*a\.parquet.*Nobody is known to be forgotten"
    ):
        found(tmp_path)


def test_an_id_of_another_type_is_refused(tmp_path) -> None:
    write(tmp_path, "a.parquet")
    with pytest.raises(BadInput, match="not an id of the table's type"):
        files_with(tmp_path.as_uri(), ["a.parquet"], {"enrollee_id"}, "ann")
