"""One demo, made once by the command line, that the end-to-end tests look at."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest

from repro_assets_tests.installation import Installation


@dataclass(frozen=True)
class Demo:
    """An installation after `repro demo --json`, and that document."""

    installation: Installation
    document: dict[str, Any]

    @property
    def runs(self) -> list[dict[str, Any]]:
        return self.document["runs"]


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Demo:
    installation = Installation.make(tmp_path_factory.mktemp("demo"))
    return Demo(installation, installation.json("demo"))
