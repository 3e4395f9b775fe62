"""A log's actions lead to the files of a version, deletion vectors included."""

from __future__ import annotations

from typing import Any

import pytest

from repro_assets.errors import DataDamaged
from repro_assets.pins.table_files import LiveFile, change_files, is_elsewhere, live_files, vector_location

# The example of the protocol's section "Deletion Vector Descriptor Schema".
EXAMPLE = {"storageType": "u", "pathOrInlineDv": "ab^-aqEH.-t@S}K{vb[*k^", "offset": 4}
EXAMPLE_FILE = "ab/deletion_vector_d2c639aa-8816-431a-aaf6-d3fe2512ff61.bin"


def add(path: str, size: int = 1, **more: Any) -> dict[str, Any]:
    return {"add": {"path": path, "size": size, **more}}


def remove(path: str, **more: Any) -> dict[str, Any]:
    return {"remove": {"path": path, **more}}


def test_what_was_added_and_not_removed_is_left() -> None:
    actions = [{"commitInfo": {}}, add("b"), add("a"), remove("b"), add("c", 7)]

    assert live_files(actions, "t") == [LiveFile("a", 1), LiveFile("c", 7)]


def test_paths_are_decoded() -> None:
    assert live_files([add("county=St.%20Mary's/a.parquet")], "t")[0].path == "county=St. Mary's/a.parquet"


def test_a_file_that_gets_a_deletion_vector_is_the_file_with_it() -> None:
    actions = [add("a"), add("a", deletionVector=EXAMPLE), remove("a")]

    assert live_files(actions, "t") == [LiveFile("a", 1, "uab^-aqEH.-t@S}K{vb[*k^@4", EXAMPLE_FILE)]


def test_a_deletion_vector_that_replaces_another_leaves_the_new_one() -> None:
    other = {**EXAMPLE, "offset": 90}
    actions = [
        add("a", deletionVector=EXAMPLE),
        remove("a", deletionVector=EXAMPLE),
        add("a", deletionVector=other),
    ]

    assert [file.vector for file in live_files(actions, "t")] == ["uab^-aqEH.-t@S}K{vb[*k^@90"]


@pytest.mark.parametrize(
    ("vector", "expected"),
    [
        pytest.param(None, None, id="none"),
        pytest.param({"storageType": "i", "pathOrInlineDv": "wi5b=000010000siXQKl0rr91000f55c8Xg0"}, None, id="inline"),
        pytest.param(EXAMPLE, EXAMPLE_FILE, id="a file of the table"),
        pytest.param(
            {"storageType": "p", "pathOrInlineDv": "s3://mytable/deletion%20vector.bin"},
            "s3://mytable/deletion vector.bin",
            id="a file elsewhere",
        ),
    ],
)
def test_a_deletion_vector_lies_where_its_descriptor_says(vector, expected) -> None:
    assert vector_location(vector) == expected


@pytest.mark.parametrize(
    "action",
    [
        pytest.param({"add": {"size": 1}}, id="no path"),
        pytest.param({"add": {"path": "a"}}, id="no size"),
        pytest.param({"add": {"path": 3, "size": 1}}, id="a path that is none"),
        pytest.param(add("a", deletionVector={"storageType": "x", "pathOrInlineDv": "?"}), id="another storage"),
    ],
)
def test_an_action_of_another_form_is_damage(action) -> None:
    with pytest.raises(DataDamaged, match="in another form"):
        live_files([action], "the table")


def test_change_data_files_are_named_by_their_commit() -> None:
    assert change_files([add("a"), {"cdc": {"path": "_change_data/c%201.parquet"}}]) == ["_change_data/c 1.parquet"]


@pytest.mark.parametrize(
    ("path", "expected"), [("a/b.parquet", False), ("/a/b.parquet", True), ("s3://a/b", True), ("file:/a/b", True)]
)
def test_only_relative_paths_lie_below_the_table(path, expected) -> None:
    assert is_elsewhere(path) is expected
