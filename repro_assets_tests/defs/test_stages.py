"""What the stage of an asset makes of an engine that fails while its lazy frames are computed."""

from __future__ import annotations

from typing import Any

import pytest
from pyspark.errors import PySparkException

from repro_assets.defs import stage as stage_module
from repro_assets.defs.stage import Stages
from repro_assets.errors import DataDamaged, ReproError


class Inputs:
    """A stage of which nothing is asked but what of its inputs can't be read."""

    damage: ReproError | None = None

    def __init__(self, *_: Any) -> None:
        pass

    def damaged_input(self, said: str) -> ReproError | None:
        assert "Job aborted" in said
        return self.damage


@pytest.fixture
def stages(monkeypatch) -> Stages:
    monkeypatch.setattr(stage_module, "Stage", Inputs)
    monkeypatch.setattr(stage_module.RunPins, "own", lambda *_: None)
    return Stages()


def opened(stages: Stages) -> Any:
    def body(context: Any, config: Any) -> None:
        stages.open(context, config)
        raise PySparkException("Job aborted due to stage failure, and a hundred lines")

    return body


def test_what_spark_raises_is_said_as_what_of_the_inputs_is_damaged(stages, monkeypatch) -> None:
    monkeypatch.setattr(Inputs, "damage", DataDamaged("a file is gone", where="part-0.parquet"))

    with pytest.raises(DataDamaged, match=r"part-0\.parquet") as raised:
        stages.attempt(opened(stages), None, None)  # type: ignore[arg-type] # nobody looks at the context
    assert isinstance(raised.value.__cause__, PySparkException)


def test_where_every_input_is_whole_spark_s_own_error_stands(stages) -> None:
    with pytest.raises(PySparkException, match="Job aborted"):
        stages.attempt(opened(stages), None, None)  # type: ignore[arg-type] # likewise


def test_the_inputs_of_an_asset_before_are_not_asked(stages, monkeypatch) -> None:
    with pytest.raises(PySparkException):
        stages.attempt(opened(stages), None, None)  # type: ignore[arg-type] # likewise
    monkeypatch.setattr(Inputs, "damage", DataDamaged("a file is gone", where="part-0.parquet"))

    def body(*_: Any) -> None:
        raise PySparkException("before any stage was opened")

    with pytest.raises(PySparkException, match="before any stage"):
        stages.attempt(body, None, None)  # type: ignore[arg-type] # likewise
