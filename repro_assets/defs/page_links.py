"""Links from Dagster's page to MLflow's."""

from __future__ import annotations

import os
from urllib.parse import urlencode

import dagster as dg

from repro_assets.one_line import without_password
from repro_assets.settings import Settings

_DEFAULT_PAGE = "http://127.0.0.1:5000"


def mlflow_page(settings: Settings) -> str:
    """Address of MLflow's page: the tracking server itself, else the one that `repro ui` starts on loopback."""
    uri = settings.mlflow_tracking_uri
    if uri.startswith(("http://", "https://")):
        # Links are stored with every materialization: who looks logs in by themselves.
        return without_password(uri).replace("***@", "").partition("?")[0].rstrip("/")
    return os.environ.get("REPRO_MLFLOW_PAGE", _DEFAULT_PAGE)


def mlflow_link(settings: Settings, run_id: str) -> dg.UrlMetadataValue:
    """Link to one run; MLflow's page finds its experiment by the run id."""
    return dg.MetadataValue.url(f"{mlflow_page(settings)}/#/runs/{run_id}")


def mlflow_picture(settings: Settings, run_id: str, path: str) -> str:
    """Address at which MLflow's page serves a picture among a run's artifacts.

    Args:
        settings: Of this installation.
        run_id: Whose artifact it is.
        path: Of the artifact, below the run's folder.
    """
    return f"{mlflow_page(settings)}/get-artifact?{urlencode({'path': path, 'run_uuid': run_id})}"
