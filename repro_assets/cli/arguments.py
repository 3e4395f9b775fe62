"""Arguments and options that several commands share: one name, one help text each."""

from __future__ import annotations

from typing import Annotated

import typer

from repro_assets.cli import names

Json = Annotated[bool, typer.Option("--json", help="One JSON document on stdout.")]
Key = Annotated[
    str, typer.Argument(metavar="KEY", help="Data version; `repro versions` lists them.", callback=names.key)
]
Run = Annotated[
    str, typer.Argument(metavar="RUN", help="MLflow run id, Dagster run id, or a data version.", callback=names.run)
]
Assignments = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="ASSET.NAME=VALUE", help="A parameter, e.g. model.family=random_forest; repeatable."),
]
Force = Annotated[bool, typer.Option("--force", help="Recompute what is there, and compare.")]
Environment = Annotated[
    str,
    typer.Option(
        help="A lock of envs/conda, without its suffix; carried out in it (`repro env make`).",
        callback=names.environment,
    ),
]
Cluster = Annotated[str, typer.Option(help="A file of envs/clusters, without its suffix.", callback=names.cluster)]
Record = Annotated[
    bool, typer.Option("--record", help="Write an environment's mismatches down instead of refusing them; no reuse.")
]
