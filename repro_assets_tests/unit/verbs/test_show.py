"""What a run's tree was edited by is found by its code pin."""

from __future__ import annotations

import pytest

from repro_assets.resources.code.capsule_store import patch_path
from repro_assets.verbs.show import patch_of

CODE = {"capsule": "a" * 64, "commit": "b" * 40, "dirty": True}


def test_the_patch_of_an_edited_tree_is_named(tmp_path):
    path = patch_path(tmp_path, CODE["capsule"], CODE["commit"])
    path.write_text("")

    assert patch_of(CODE, tmp_path) == str(path)


@pytest.mark.parametrize(
    ("code", "stored"),
    [(CODE | {"dirty": False}, True), (CODE | {"commit": None}, False), (CODE, False)],
    ids=["clean", "no commit", "the patch is gone"],
)
def test_where_there_is_nothing_to_read_no_patch_is_named(tmp_path, code, stored):
    if stored:
        patch_path(tmp_path, CODE["capsule"], CODE["commit"]).write_text("")

    assert patch_of(code, tmp_path) is None
