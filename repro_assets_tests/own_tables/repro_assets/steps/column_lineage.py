"""Which columns of the snapshot a feature comes from."""

from __future__ import annotations

from repro_assets.steps.split import KEY, TARGET

# Asset and column.
Source = tuple[str, str]

_SOURCES = {
    KEY: KEY,
    TARGET: TARGET,
    "region": "region",
    "member_days": "member_days",
    "stores": "stores",
    "orders": "number",
    "cents": "order_cents",
}


def sources_of_features() -> dict[str, list[Source]]:
    """Columns of the snapshot behind each column of `features`."""
    return {name: [("train_test_snapshot", column)] for name, column in _SOURCES.items()}
