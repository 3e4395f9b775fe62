"""Paths of a Delta log, as files are found."""

from __future__ import annotations

import pytest

from repro_assets.resources.raw.table_vacuum import inside


@pytest.mark.parametrize("path", ["d=1/a.parquet", "/l/raw/t/d=1/a.parquet", "file:/l/raw/t/d=1/a.parquet"])
def test_a_path_inside_the_table_is_relative_however_the_log_writes_it(path) -> None:
    assert inside("file:///l/raw/t", path) == "d=1/a.parquet"


def test_a_file_of_another_table_stays_elsewhere() -> None:
    assert inside("file:///l/raw/t", "file:///l/raw/t2/a.parquet") == "/l/raw/t2/a.parquet"
