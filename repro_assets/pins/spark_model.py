"""A Spark ML pipeline as it is stored: which classes it would load, and the digest of its fitted state.

Read from the files alone, without a JVM. Spark stores a pipeline as a folder: `metadata/` with one line of JSON, and per
stage `stages/N_UID/` with `metadata/` and mostly tables of Parquet (coefficients, categories, nodes of trees).

What counts as state: classes, parameters, defaults, every other entry of the metadata, and the tables' rows by types
and bits. What does not: the time of saving, the ids that Spark makes up, the default of a seed that was given, and the order and
files of rows, which name their own place.
"""

from __future__ import annotations

import io
import json
import re
from collections.abc import Mapping
from typing import Any

from repro_assets.errors import BadInput
from repro_assets.pins.model_digest import model_digest

_METADATA = "metadata"
_UID = re.compile(r"[A-Za-z]\w*", re.ASCII)
_MADE_UP = ("timestamp", "uid", "sparkVersion")  # the environment pin holds the version


def stage_classes(files: Mapping[str, bytes], where: str) -> dict[str, str]:
    """Every class that loading the folder would build, by the stage's path; the pipeline's own path is empty.

    Args:
        files: Content by path relative to the model's folder, all files.
        where: The folder, for messages.

    Raises:
        BadInput: It is not a folder that Spark would read as it is read here: a stage that is not where the pipeline
            says, a second file of metadata, a pipeline of Python stages.
    """
    return {stage: str(document["class"]) for stage, document in _metadata(files, where).items()}


def spark_model_digest(files: Mapping[str, bytes], where: str) -> str:
    """Digest of the fitted state, 64 hexadecimal digits; for `files` and `where` see `stage_classes`."""
    state = []
    for stage, document in sorted(_metadata(files, where).items(), key=lambda item: _number(item[0])):
        kept = _lasting(document)
        if not stage:
            kept.pop("paramMap")  # the ids of the stages
        state.append({"metadata": kept, "tables": _tables(files, stage)})
    return model_digest(state)


def _metadata(files: Mapping[str, bytes], where: str) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    for path in sorted(files):
        folders, name = path.split("/")[:-1], path.split("/")[-1]
        if _METADATA not in folders or _is_hidden(name):
            continue
        stage = "/".join(folders[:-1])
        if folders[-1] != _METADATA or _METADATA in folders[:-1] or stage in found:
            raise _refused("metadata in more than one file", where, path)
        found[stage] = _document(files[path], where, path)
    _require_stages(found, where)
    return found


def _document(content: bytes, where: str, path: str) -> dict[str, Any]:
    try:
        document = json.loads(content)
    except ValueError as error:
        raise _refused("metadata that is no JSON", where, path) from error
    if not isinstance(document, dict) or not {"class", "uid", "paramMap"} <= document.keys():
        raise _refused("metadata without class, uid and paramMap", where, path)
    return document


def _require_stages(found: Mapping[str, Mapping[str, Any]], where: str) -> None:
    """The stages that the pipeline names are the ones that are there: Spark builds their paths from the names."""
    root = found.get("", {"paramMap": {}})["paramMap"]
    uids = root.get("stageUids")
    if not isinstance(uids, list) or "language" in root or not all(_UID.fullmatch(str(uid)) for uid in uids):
        raise _refused("no pipeline of Spark's own stages", where, str(root)[:200])
    digits = len(str(len(uids)))
    named = {f"stages/{place:0{digits}d}_{uid}" for place, uid in enumerate(uids)}
    if named != found.keys() - {""}:
        raise _refused("other stages than the pipeline names", where, ", ".join(sorted(named ^ (found.keys() - {""}))))


def _refused(what: str, where: str, stored: str) -> BadInput:
    return BadInput(f"a Spark model with {what}", where=where, stored=stored, expected="a folder as Spark ML saves it")


def _tables(files: Mapping[str, bytes], stage: str) -> dict[str, Any]:
    """Tables of a stage by folder: type of each column, and the digests of the rows as a set that may repeat."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    prefix = f"{stage}/" if stage else ""
    tables: dict[str, list[Any]] = {}
    for path, content in sorted(files.items()):
        folder = path.removeprefix(prefix).rsplit("/", 1)[0]
        if path.startswith(prefix) and "stages" not in folder and _is_table(path):
            tables.setdefault(folder, []).append(pq.ParquetFile(io.BytesIO(content)).read())
    state = {}
    for folder, parts in tables.items():
        table = pa.concat_tables(parts)
        types = {field.name: str(field.type) for field in table.schema}
        state[folder] = (types, sorted(model_digest(_plain(row)) for row in table.to_pylist()))
    return state


def _plain(value: Any) -> Any:
    """Numbers in a row as arrays, by dtype and bytes; metadata of a tree inside a table without what is made up."""
    import numpy as np

    if isinstance(value, dict):
        return {name: _plain(item) for name, item in value.items()}
    if isinstance(value, list):
        kinds = {type(item) for item in value}
        return np.array(value) if kinds in ({float}, {int}) else [_plain(item) for item in value]
    if isinstance(value, str) and value.startswith('{"class":'):
        return _lasting(json.loads(value))
    return value


def _lasting(document: Mapping[str, Any]) -> dict[str, Any]:
    """Metadata without what is made up: times, ids, and the default of a seed that was given.

    pyspark's default is Python's hash of the class's name, which is another in every process.
    """
    uid = str(document["uid"])
    kept = {name: _without(uid, value) for name, value in document.items() if name not in _MADE_UP}
    given, defaults = document.get("paramMap", {}), kept.get("defaultParamMap", {})
    if "seed" in given and "seed" in defaults:
        kept["defaultParamMap"] = {name: value for name, value in defaults.items() if name != "seed"}
    return kept


def _without(uid: str, value: Any) -> Any:
    """Defaults name columns by the stage's id; only its kind stays."""
    if isinstance(value, str):
        return value.replace(uid, uid.rsplit("_", 1)[0])
    if isinstance(value, list):
        return [_without(uid, item) for item in value]
    if isinstance(value, dict):
        return {name: _without(uid, item) for name, item in value.items()}
    return value


def _is_table(path: str) -> bool:
    return path.endswith(".parquet") and not _is_hidden(path.rsplit("/", 1)[-1])


def _is_hidden(name: str) -> bool:
    """Spark reads no file of such a name."""
    return name.startswith(("_", "."))


def _number(stage: str) -> int:
    """Place of a stage in the pipeline; the pipeline itself comes first."""
    return int(stage.removeprefix("stages/").split("_", 1)[0]) if stage else -1
