"""What others may have written into a manifest, a marker or a lock: refused by the project's own error, in one line."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import pytest

from repro_assets.errors import BadInput, DataDamaged, ReproError
from repro_assets.pins.environment import LockedPackage, applicable, parse_lock
from repro_assets.pins.output import Output, Part, StoredFile, is_inside
from repro_assets.pins.run_record import stage_record
from repro_assets_tests.unit.hostile import HOSTILE
from repro_assets_tests.unit.pins.run_records import manifest

LEADING_OUT = {"a way up", "a way up in another spelling", "an absolute path", "NUL", "nothing", "a line break"}


def made(run: Any) -> dict[str, Any]:
    """What a manifest says of an output upstream."""
    return {"identity": "i", "digest": "d", "mlflow_run_id": run}


PLACES: dict[str, Callable[[dict[str, Any], str], object]] = {
    "data version": lambda document, name: document.update(data_version=name),
    "identity": lambda document, name: document["identity"].update(digest=name),
    "output digest": lambda document, name: document["output"].update(digest=name),
    "part": lambda document, name: document["output"]["parts"].append({"name": name, "digest": "d"}),
    "environment": lambda document, name: document["pins"]["environment"]["declared"].update(name=name),
    "cluster": lambda document, name: document["pins"]["compute"]["declared"].update(name=name),
    "capsule": lambda document, name: document["pins"]["code"].update(capsule=name),
    "table": lambda document, name: document["pins"]["data"]["covid_cases"].update(table=name),
    "upstream asset": lambda document, name: document["inputs"].update({name: made("r")}),
    "upstream run": lambda document, name: document["inputs"].update(model=made(name)),
}


def refusal(error: ReproError) -> str:
    message = str(error)
    assert message.isprintable()
    return message


@pytest.mark.parametrize("value", HOSTILE.values(), ids=list(HOSTILE))
@pytest.mark.parametrize("place", PLACES.values(), ids=list(PLACES))
def test_a_manifest_with_a_hostile_name_is_refused(place, value) -> None:
    document = manifest("features")
    place(document, value)

    with pytest.raises(DataDamaged) as refused:
        stage_record("features", "a" * 32, document)

    assert "a name that can't be one" in refusal(refused.value)


@pytest.mark.parametrize("value", [None, 1], ids=repr)
@pytest.mark.parametrize("place", PLACES.values(), ids=list(PLACES))
def test_a_manifest_with_something_else_than_a_name_is_refused(place, value) -> None:
    document = manifest("features")
    place(document, value)

    with pytest.raises(DataDamaged) as refused:
        stage_record("features", "a" * 32, document)

    refusal(refused.value)


def marker(path: str) -> bytes:
    part = Part("train", "table", "d", 1, (StoredFile(path, 1, "0" * 64),))
    output = Output("features", "k", "i", "d", (part,), {}, {}, "r", "p", "g", "m")
    return json.dumps({"schema": "repro-output/1", **asdict(output)}).encode()


@pytest.mark.parametrize("name", sorted(LEADING_OUT))
def test_a_marker_whose_file_lies_elsewhere_is_refused(name) -> None:
    with pytest.raises(DataDamaged, match="leads out of its folder") as refused:
        Output.from_json(marker(HOSTILE[name]), "file:///lake/features/_COMPLETE.json")

    refusal(refused.value)


@pytest.mark.parametrize("path", ["attempt-1/train/part-0.parquet", "attempt-1/a b/größe.parquet"])
def test_a_file_below_its_folder_is_taken(path) -> None:
    assert Output.from_json(marker(path), "x").parts[0].files[0].path == path


@pytest.mark.parametrize("path", ["", ".", "..", "a/..", "a//b", "/a", "a/../b", "a\\b", "a\nb", "a/", None, 1])
def test_what_is_not_below_a_folder_is_told(path) -> None:
    assert not is_inside(path)


@pytest.mark.parametrize("content", [b"[" * 100_000, b'{"a":' * 50_000, b"", b"\xff", b"null", b"1"])
def test_a_marker_that_is_no_document_is_refused(content) -> None:
    with pytest.raises(DataDamaged) as refused:
        Output.from_json(content, "marker")

    refusal(refused.value)


HASH = "--hash=sha256:" + "0" * 64
LOCKS = {
    "a form feed, which ends a line for some": f"# a comment\x0cevil==1 {HASH}",
    "a separator of lines": f"# a comment\u2028evil==1 {HASH}",
    "a carriage return inside": f"a==1 {HASH} # x\revil==1 {HASH}",
    "a blank that is none": f"a==1\u00a0# x {HASH}",
    "an escape sequence": f"a==1 {HASH} # \x1b[2J",
    "NUL": f"a==1\x00 {HASH}",
    "an address": f"a @ https://host/a.whl {HASH}",
    "an index": f"--index-url https://host {HASH}",
    "a file": f"-r ../../other.lock {HASH}",
    "a path": f"../../evil {HASH}",
    "a name with a quote": f"a'b==1 {HASH}",
    "an emoji": f"🙂==1 {HASH}",
}


@pytest.mark.parametrize("text", LOCKS.values(), ids=list(LOCKS))
def test_a_lock_that_two_readers_could_read_in_two_ways_is_refused(text) -> None:
    with pytest.raises(BadInput) as refused:
        parse_lock(text)

    assert "line 1" in refusal(refused.value)


def test_a_lock_with_windows_line_ends_and_tabs_is_read() -> None:
    assert [package.name for package in parse_lock(f"a==1 \\\r\n\t{HASH}\r\nb==2 {HASH}\r\n")] == ["a", "b"]


def test_a_marker_that_has_no_answer_is_refused() -> None:
    with pytest.raises(BadInput, match="can't be evaluated") as refused:
        applicable([LockedPackage("a", "1", (), "python_version ~= 'x'")])

    refusal(refused.value)
