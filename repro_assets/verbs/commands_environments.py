"""What `repro env …` does with its arguments."""

from __future__ import annotations

from dataclasses import asdict

from repro_assets import settings as settings_module
from repro_assets.verbs import printing
from repro_assets.verbs.opened import say


def env_list(json: bool) -> None:
    """`repro env list`."""
    from repro_assets.verbs import environments as verb

    rows = verb.list_environments(settings_module.load())
    if json:
        printing.document({"schema": "repro-env-list/1", "environments": [asdict(row) for row in rows]})
    else:
        printing.environments(rows)


def env_make(name: str, python: str | None, json: bool) -> None:
    """`repro env make`."""
    from repro_assets.verbs import environments as verb

    made, is_new = verb.make_environment(name, python, settings_module.load(), say)
    if json:
        printing.document(printing.made_document(made, is_new))
    else:
        say(f"{name}: {'made' if is_new else 'was made before'}, {made.packages} packages, {made.python}")


def env_check(name: str, python: str | None, json: bool) -> None:
    """`repro env check`."""
    from repro_assets.verbs import environments as verb

    checked = verb.check_environments(name, python, settings_module.load())
    if json:
        printing.document(printing.checked_document(name, checked))
    else:
        printing.checked(checked)
    verb.require_whole(checked)
