"""Progress of the stages, for whoever watches: the command line listens; in a Dagster process nobody does."""

from __future__ import annotations

import logging
import sys

from repro_assets.resources.known_secrets import CleanLines

PROGRESS = logging.getLogger("repro_assets.progress")


def show_progress() -> None:
    """Print the stages' progress to stderr as it comes."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(message)s"))
    handler.addFilter(CleanLines())
    PROGRESS.handlers = [handler]
    PROGRESS.setLevel(logging.INFO)
    PROGRESS.propagate = False
