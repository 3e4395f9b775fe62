"""What came of a variant of a past run: the run with components replaced, or as it was."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Outcome:
    """What came of one variant.

    Attributes:
        metrics: By `ASSET.NAME`; empty where nothing came out.
        first_difference: First stage that is not the first run's.
        mlflow_run_id: Run that recorded it.
        computed: Whether it was computed for this; otherwise it was known.
        reason: Why nothing came out; None where something did.
    """

    metrics: Mapping[str, float] = field(default_factory=dict)
    first_difference: str | None = None
    mlflow_run_id: str | None = None
    computed: bool = False
    reason: str | None = None
