"""What was proved becomes a report and an exit code."""

from __future__ import annotations

import pytest

from repro_assets.errors import DataDamaged, VersionExpired
from repro_assets.resources.keeping.proofs import Proved
from repro_assets.verbs.verify import report, require_whole

DAMAGE = DataDamaged("a file is damaged", where="file:///lake/a.parquet", stored="found", expected="expected")


def test_damage_has_file_expected_and_found() -> None:
    (damage,) = report([("features", Proved((DAMAGE,))), ("model", Proved())]).as_document()["damaged"]

    assert damage == {
        "what": "features",
        "error": "DataDamaged",
        "where": "file:///lake/a.parquet",
        "expected": "expected",
        "found": "found",
        "message": str(DAMAGE),
    }


def test_what_could_not_be_looked_at_is_said_and_is_no_damage() -> None:
    found = report([("raw a@1", Proved(notes=("deletion vectors",)))], ["run x: given up"])

    assert found.not_checked == ("run x: given up", "raw a@1: deletion vectors")
    require_whole(found)


@pytest.mark.parametrize("error", [DAMAGE, VersionExpired("gone")], ids=["damage", "gone"])
def test_anything_wrong_is_an_exit_code_of_1(error) -> None:
    with pytest.raises(DataDamaged, match="1 things are not what was recorded, of 2 checked") as raised:
        require_whole(report([("a", Proved((error,))), ("b", Proved())]))
    assert raised.value.exit_code == 1
