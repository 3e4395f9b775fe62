"""Environments of `envs/conda`: listed, made, compared with their locks."""

from __future__ import annotations

from typing import Annotated

import typer

from repro_assets.cli import names
from repro_assets.cli.arguments import Json

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    help="Environments of envs/conda: list them, make them from their locks.",
)

EnvironmentName = Annotated[
    str, typer.Argument(metavar="NAME", help="An environment; `repro env list` lists them.", callback=names.environment)
]
PythonMinor = Annotated[
    str | None,
    typer.Option(
        "--python",
        metavar="MINOR",
        help="For another Python than the running one, e.g. 3.12.",
        callback=names.python_minor,
    ),
]


@app.command("list")
def env_list(json: Json = False) -> None:
    """List the environments: digest, whether it is the running one, whether and where it is made, packages."""
    from repro_assets.verbs.commands_environments import env_list as act

    act(json)


@app.command("make")
def env_make(name: EnvironmentName, python: PythonMinor = None, json: Json = False) -> None:
    """Make an environment from its lock, by uv, with hashes required; what is made is left as it is."""
    from repro_assets.verbs.commands_environments import env_make as act

    act(name, python, json)


@app.command("check")
def env_check(name: EnvironmentName, python: PythonMinor = None, json: Json = False) -> None:
    """Compare a made environment with its lock: packages missing, of another version, changed on disk."""
    from repro_assets.verbs.commands_environments import env_check as act

    act(name, python, json)
