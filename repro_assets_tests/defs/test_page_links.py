"""Links from Dagster's page to MLflow's: stored with every materialization, so without a password."""

from __future__ import annotations

import dataclasses

import pytest

from repro_assets.defs.page_links import mlflow_link, mlflow_page
from repro_assets.settings import Settings


@pytest.mark.parametrize(
    ("address", "page"),
    [
        ("http://mlflow:5000/", "http://mlflow:5000"),
        ("https://me:secret@mlflow.example.org", "https://mlflow.example.org"),
        ("https://me:secret@mlflow.example.org/base?token=x", "https://mlflow.example.org/base"),
    ],
)
def test_a_link_leads_to_the_server_without_user_and_password(state: Settings, address, page) -> None:
    here = dataclasses.replace(state, mlflow_tracking_uri=address)

    assert mlflow_page(here) == page
    assert mlflow_link(here, "a" * 32).url == f"{page}/#/runs/{'a' * 32}"
