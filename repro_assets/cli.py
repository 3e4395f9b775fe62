"""`repro`: argument names and help, one call per verb.

Exit codes: 0 done, 1 the answer is no, 2 wrong usage or bad input, 3 blocked, 4 something outside failed.
`--json` gives one document on stdout; everything for people goes to stderr.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import Annotated

import typer

from repro_assets import settings as settings_module
from repro_assets.errors import ReproError
from repro_assets.experiment import EXPERIMENT
from repro_assets.settings import DEFAULT_CLUSTER, DEFAULT_ENVIRONMENT

_INTERRUPTED = 130  # as shells have it

app = typer.Typer(
    name="repro",
    help="Can you get that result again? Data, code, environment and compute of every materialization, pinned.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # a usage error is one line, not a box
    context_settings={"help_option_names": ["-h", "--help"]},
)
ingest_app = typer.Typer(
    no_args_is_help=True, rich_markup_mode=None, help="Published files into a raw table, one Delta commit each."
)
app.add_typer(ingest_app, name="ingest")
env_app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    help="Environments of envs/conda: list them, make them from their locks.",
)
app.add_typer(env_app, name="env")

Json = Annotated[bool, typer.Option("--json", help="One JSON document on stdout.")]
Key = Annotated[str, typer.Argument(metavar="KEY", help="Data version; `repro versions` lists them.")]
Run = Annotated[str, typer.Argument(metavar="RUN", help="MLflow run id, Dagster run id, or a data version.")]
Assignments = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="ASSET.NAME=VALUE", help="A parameter, e.g. model.family=random_forest; repeatable."),
]
Force = Annotated[bool, typer.Option("--force", help="Recompute what is there, and compare.")]
Environment = Annotated[
    str, typer.Option(help="A lock of envs/conda, without its suffix; carried out in it (`repro env make`).")
]
Cluster = Annotated[str, typer.Option(help="A file of envs/clusters, without its suffix.")]
Record = Annotated[
    bool, typer.Option("--record", help="Write an environment's mismatches down instead of refusing them; no reuse.")
]
EnvironmentName = Annotated[str, typer.Argument(metavar="NAME", help="An environment; `repro env list` lists them.")]
PythonMinor = Annotated[
    str | None, typer.Option("--python", metavar="MINOR", help="For another Python than the running one, e.g. 3.12.")
]
Files = Annotated[list[Path] | None, typer.Argument(metavar="FILE…", help="Published files, oldest first.")]


@ingest_app.command("covid_cases")
def ingest_covid_cases(
    files: Files = None,
    from_git: Annotated[Path | None, typer.Option(metavar="REPO", help="Every version in a git clone.")] = None,
    path: Annotated[str | None, typer.Option(help="The file's path in REPO.")] = None,
    since: Annotated[str | None, typer.Option(metavar="REV", help="Only versions after this revision.")] = None,
    skip_refused: Annotated[
        bool, typer.Option("--skip-refused", help="Go on after a refused version of REPO.")
    ] = False,
    json: Json = False,
) -> None:
    """JHU's cumulative cases per county (.csv, .csv.gz), or every published version of them in a git clone."""
    from repro_assets.verbs.commands import ingest

    ingest("covid_cases", files or [], from_git, path, since, skip_refused, json)


@ingest_app.command("job_changes")
def ingest_job_changes(files: Files = None, json: Json = False) -> None:
    """Kaggle's aug_train.csv and aug_test.csv; given together they are one commit."""
    from repro_assets.verbs.commands import ingest

    ingest("job_changes", files or [], None, None, None, False, json)


@env_app.command("list")
def env_list(json: Json = False) -> None:
    """List the environments: digest, whether it is the running one, whether and where it is made, packages."""
    from repro_assets.verbs.commands import env_list as act

    act(json)


@env_app.command("make")
def env_make(name: EnvironmentName, python: PythonMinor = None, json: Json = False) -> None:
    """Make an environment from its lock, by uv, with hashes required; what is made is left as it is."""
    from repro_assets.verbs.commands import env_make as act

    act(name, python, json)


@env_app.command("check")
def env_check(name: EnvironmentName, python: PythonMinor = None, json: Json = False) -> None:
    """Compare a made environment with its lock: packages missing, of another version, changed on disk."""
    from repro_assets.verbs.commands import env_check as act

    act(name, python, json)


@app.command()
def versions(json: Json = False) -> None:
    """List the data versions, oldest first, and what became of each."""
    from repro_assets.verbs.commands import versions as act

    act(json)


@app.command()
def pin(
    tables: Annotated[
        list[str] | None, typer.Argument(metavar="[TABLE@N]…", help="A table not named: its newest.")
    ] = None,
    as_of: Annotated[str | None, typer.Option(metavar="TIME", help="Commit time, as in Delta's time travel.")] = None,
    published_as_of: Annotated[str | None, typer.Option(metavar="TIME", help="Publication time of the feeds.")] = None,
    json: Json = False,
) -> None:
    """Register a data version, keep it, and print its key."""
    from repro_assets.verbs.commands import pin as act

    act(tables or [], as_of, published_as_of, json)


@app.command()
def run(
    key: Key,
    assignments: Assignments = None,
    force: Force = False,
    environment: Environment = DEFAULT_ENVIRONMENT,
    cluster: Cluster = DEFAULT_CLUSTER,
    record: Record = False,
    json: Json = False,
) -> None:
    """Materialize the chain of one data version; what is there under its identity is verified and reused."""
    from repro_assets.verbs.commands import run as act

    act(key, assignments or [], force, environment, cluster, record, json)


@app.command()
def backfill(
    keys: Annotated[
        list[str] | None, typer.Argument(metavar="[KEY]…", help="Data versions; `repro versions` lists them.")
    ] = None,
    every: Annotated[bool, typer.Option("--all", help="All data versions, in commit order.")] = False,
    assignments: Assignments = None,
    force: Force = False,
    environment: Environment = DEFAULT_ENVIRONMENT,
    cluster: Cluster = DEFAULT_CLUSTER,
    record: Record = False,
    json: Json = False,
) -> None:
    """Materialize the chain of many data versions in one warm process; one that fails does so alone."""
    from repro_assets.verbs.commands import backfill as act

    act(keys or [], every, assignments or [], force, environment, cluster, record, json)


@app.command()
def show(
    run: Run,
    json: Json = False,
) -> None:
    """Show what made a result: data, code, environment, compute, digests, metrics."""
    from repro_assets.verbs.commands import show as act

    act(run, json)


@app.command()
def reproduce(
    run: Run,
    strict: Annotated[bool, typer.Option("--strict", help="Accept IDENTICAL only.")] = False,
    keep: Annotated[bool, typer.Option("--keep", help="Leave the workspace there, to look at.")] = False,
    json: Json = False,
) -> None:
    """Run a past result again in isolation, with its own code and environment, and say whether it came out the same."""
    from repro_assets.verbs.commands import reproduce as act

    act(run, strict, keep, json)


@app.command()
def preflight(
    run: Annotated[
        str | None, typer.Argument(metavar="RUN", help="MLflow run id, Dagster run id, or a data version.")
    ] = None,
    every: Annotated[bool, typer.Option("--all", help="Every run that computed something, oldest first.")] = False,
    json: Json = False,
) -> None:
    """Say whether a past result can still be run again, and until when; computes nothing."""
    from repro_assets.verbs.commands import preflight as act

    act(run, every, json)


@app.command()
def diff(
    first: Annotated[str, typer.Argument(metavar="RUN", help="Compared from: a run id or a data version.")],
    second: Annotated[str, typer.Argument(metavar="RUN", help="Compared to.")],
    json: Json = False,
) -> None:
    """Show everything that differs between two runs: rows, people, sources, packages, cluster, parameters, metrics."""
    from repro_assets.verbs.commands import diff as act

    act(first, second, json)


@app.command()
def promote(
    run: Run,
    check: Annotated[bool, typer.Option("--check", help="Move nothing; the exit code says whether it may.")] = False,
    json: Json = False,
) -> None:
    """Make a run's models the champion, only where its newest verdict is IDENTICAL or EQUIVALENT."""
    from repro_assets.verbs.commands import promote as act

    act(run, check, json)


@app.command()
def trace(
    asset: Annotated[str, typer.Argument(metavar="ASSET", help="predictions, or another asset with a row per person.")],
    person: Annotated[
        str, typer.Argument(metavar=EXPERIMENT.split_key.upper(), help="The person, by the experiment's split key.")
    ],
    key: Annotated[
        str | None, typer.Option("--key", metavar="RUN", help="A data version or run; by default the newest run.")
    ] = None,
    json: Json = False,
) -> None:
    """Trace one row back to data version, code, environment, cluster, models and MLflow runs."""
    from repro_assets.verbs.commands import trace as act

    act(asset, person, key, json)


@app.command()
def sql(
    query: Annotated[str, typer.Argument(metavar="QUERY", help="SELECT, WITH, SHOW or DESCRIBE, in Spark SQL.")],
    limit: Annotated[int, typer.Option(metavar="N", help="Rows to print; 0 for all.")] = 1000,
    json: Json = False,
    csv: Annotated[bool, typer.Option("--csv", help="CSV on stdout.")] = False,
) -> None:
    """Ask a query over the tables of all data versions, e.g. predictions, features, train, covid_cases."""
    from repro_assets.verbs.commands import sql as act

    act(query, limit, json, csv)


@app.command()
def demo(
    covid: Annotated[
        Path | None, typer.Option(metavar="DIR_OR_GIT", help="Real case files: a folder, or a git clone.")
    ] = None,
    jobs: Annotated[list[Path] | None, typer.Option(metavar="FILE", help="Real job files; repeatable.")] = None,
    json: Json = False,
) -> None:
    """From published files to predictions for three data versions, and one of them run again; without options on a sample."""
    from repro_assets.verbs.commands import demo as act

    act(covid, jobs or [], json)


@app.command()
def ui(
    dagster_port: Annotated[int, typer.Option(help="Port of Dagster's page.")] = 3000,
    mlflow_port: Annotated[int, typer.Option(help="Port of MLflow's page.")] = 5000,
) -> None:
    """Start Dagster's page (with its daemon) and MLflow's page on loopback; Ctrl-C stops both."""
    from repro_assets.verbs.ui import serve

    serve(settings_module.load(), dagster_port, mlflow_port)


def main() -> int:
    """Entry point: bind what binds at process start, run the verb, turn errors into one line and an exit code."""
    os.environ.update(settings_module.load().variables())
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        app(standalone_mode=True)
    except ReproError as error:
        sys.stderr.write(f"repro: {error}\n")
        sys.exit(error.exit_code)
    except BaseException as error:
        # Dagster turns a signal into an error of its own, which has no public name.
        if isinstance(error, KeyboardInterrupt) or type(error).__name__ == "DagsterExecutionInterruptedError":
            sys.stderr.write("repro: interrupted; started again, it goes on where it was\n")
            sys.exit(_INTERRUPTED)
        raise
    return 0


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    main()
