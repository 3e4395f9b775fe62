"""What is refused before a command sees it: arguments that can't be printed, and wrong usage in one line."""

from __future__ import annotations

from collections.abc import Sequence

from repro_assets.errors import BadInput

_LONGEST = 20_000
# A query may be written on several lines; everything else is a name, a number, a time or a path.
_OF_SEVERAL_LINES = "sql"


def refuse_unprintable(arguments: Sequence[str]) -> None:
    """Check the command line as a whole: no argument steers a terminal, breaks a line or hides its direction.

    Args:
        arguments: As the shell gave them, without the program's name.

    Raises:
        BadInput: One holds a character that can't be printed, or is longer than anything that is asked for.
    """
    white = "\n\r\t" if arguments and arguments[0] == _OF_SEVERAL_LINES else ""
    for number, argument in enumerate(arguments, start=1):
        if len(argument) > _LONGEST:
            raise BadInput(
                "an argument is too long", where=f"argument {number}", stored=f"{len(argument):,} characters"
            )
        if not argument.translate(dict.fromkeys(map(ord, white), " ")).isprintable():
            raise BadInput(
                "an argument holds what can't be printed",
                where=f"argument {number}",
                stored=ascii(argument)[:80],
                expected="printable characters on one line",
            )


def usage_error(error: BaseException) -> str | None:
    """What Typer has to say about wrong usage; None for any other error.

    Its classes of errors have no public name, so they are known by what they can do.
    """
    say = getattr(error, "format_message", None)
    if not callable(say) or not hasattr(error, "exit_code"):
        return None
    message = str(say())
    if "\n" in message:
        return message
    context = getattr(error, "ctx", None)
    command = context.command_path if context is not None else "repro"
    return f"{message.rstrip('.')}. `{command} --help` says more"
