"""How a person names a past run: MLflow run id, Dagster run id, or the data version of its newest run.

Here belongs the form, which is checked before a store is asked: a name becomes part of a query.
What does not: finding the run (`resources.run_lookup`).
"""

from __future__ import annotations

import re

from repro_assets.errors import BadInput

MLFLOW_ID = re.compile(r"[0-9a-f]{32}")
DAGSTER_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
DATA_VERSION = re.compile(r"[a-z][a-z0-9_-]{0,199}")


def check_run_name(run: str) -> str:
    """Return `run` if it has one of the three forms.

    Raises:
        BadInput: It has none of them.
    """
    if not any(form.fullmatch(run) for form in (MLFLOW_ID, DAGSTER_ID, DATA_VERSION)):
        raise no_such_run(run)
    return run


def no_such_run(run: str) -> BadInput:
    """The refusal of a name that no run has."""
    return BadInput(
        "no such run",
        stored=repr(run)[:80],
        expected="an MLflow run id, a Dagster run id, or a data version that was run",
        fix="`repro versions` lists the runs",
    )
