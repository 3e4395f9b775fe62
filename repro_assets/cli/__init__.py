"""`repro`: argument names and help, one call per verb; a module per group of commands.

Exit codes: 0 done, 1 the answer is no, 2 wrong usage or bad input, 3 blocked, 4 something outside failed.
`--json` gives one document on stdout; everything for people goes to stderr.
"""

from __future__ import annotations

import os
import signal
import sys
import traceback
from types import TracebackType
from typing import NoReturn

import typer

from repro_assets import settings as settings_module
from repro_assets.cli import clusters, comparing, data, environments, judging, keeping, materializing, probing
from repro_assets.cli.usage import refuse_unprintable, usage_error
from repro_assets.errors import ReproError
from repro_assets.one_line import one_line
from repro_assets.resources.known_secrets import clean

_INTERRUPTED = 130  # as shells have it
_WRONG_USAGE = 2

app = typer.Typer(
    name="repro",
    help="Can you get that result again? Data, code, environment and compute of every materialization, pinned.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # a usage error is one line, not a box
    context_settings={"help_option_names": ["-h", "--help"]},
)
for group in (data, materializing, judging, comparing, probing, keeping):
    app.add_typer(group.app)
app.add_typer(clusters.app, name="cluster")
app.add_typer(environments.app, name="env")


def main() -> int:
    """Entry point: bind what binds at process start, run the verb, turn errors into one line and an exit code."""
    sys.excepthook = _show_unexpected
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        refuse_unprintable(sys.argv[1:])
        os.environ.update(settings_module.load().variables())
        ended = app(standalone_mode=False)
    except ReproError as error:
        _end(str(error), error.exit_code)
    except BaseException as error:
        # Dagster turns a signal into an error of its own, which has no public name.
        if isinstance(error, KeyboardInterrupt) or type(error).__name__ == "DagsterExecutionInterruptedError":
            ended = _INTERRUPTED
        elif (usage := usage_error(error)) is not None:
            _end(usage, _WRONG_USAGE)
        else:
            raise
    if ended == _INTERRUPTED:  # Typer makes this number of a Ctrl-C that reaches it
        _end("interrupted; started again, it goes on where it was", _INTERRUPTED)
    sys.exit(ended if isinstance(ended, int) else 0)


def _end(said: str, code: int) -> NoReturn:
    # Help, which a group without a command answers with, is the only text of several lines.
    text = clean(said) if "\n" in said else f"repro: {one_line(clean(said))}"
    sys.stderr.write(f"{text}\n")
    sys.exit(code)


def _show_unexpected(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """A defect of this project: with its traceback, but without the secrets that this process knows."""
    sys.stderr.write(clean("".join(traceback.format_exception(kind, error, trace))))


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt
