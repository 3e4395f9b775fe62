"""`repro`: argument names and help, one call per verb; a module per group of commands.

Exit codes: 0 done, 1 the answer is no, 2 wrong usage or bad input, 3 blocked, 4 something outside failed.
`--json` gives one document on stdout; everything for people goes to stderr.
"""

from __future__ import annotations

import os
import signal
import sys

import typer

from repro_assets import settings as settings_module
from repro_assets.cli import clusters, comparing, data, environments, judging, materializing, probing
from repro_assets.errors import ReproError

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
for group in (data, materializing, judging, comparing, probing):
    app.add_typer(group.app)
app.add_typer(clusters.app, name="cluster")
app.add_typer(environments.app, name="env")


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
