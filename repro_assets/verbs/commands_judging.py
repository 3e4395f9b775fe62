"""What `repro show`, `reproduce` and `preflight` do with their arguments."""

from __future__ import annotations

from collections.abc import Sequence

from repro_assets import settings as settings_module
from repro_assets.errors import BadInput
from repro_assets.resources.raw.raw_tables import RawTables
from repro_assets.verbs import printing
from repro_assets.verbs.opened import say, tidy_instance


def show(run: str, json: bool) -> None:
    """`repro show`."""
    from repro_assets.verbs.show import show as verb

    here = settings_module.load()
    document = verb(run, here, tidy_instance(here))
    if json:
        printing.document(document)
    else:
        printing.shown(document)


def reproduce(run: str, replace: Sequence[str], strict: bool, keep: bool, force: bool, json: bool) -> None:
    """`repro reproduce`."""
    from repro_assets.verbs import reproduce as verb
    from repro_assets.verbs import verdict_printing

    here = settings_module.load()
    if force and not replace:
        raise BadInput("--force goes with --with: a result as it was is always computed again")
    answer = verb.reproduce(run, tidy_instance(here), say, keep=keep, replace=replace, force=force)
    if json:
        printing.document(answer.as_document())
    else:
        verdict_printing.verdict(answer)
    verb.require_passing(answer, strict=strict)


def preflight(run: str | None, every: bool, json: bool) -> None:
    """`repro preflight`."""
    from repro_assets.verbs import preflight as verb

    if every == (run is not None):
        raise BadInput("name one run, or --all", fix="`repro preflight RUN` or `repro preflight --all`")
    here = settings_module.load()
    rows = verb.preflight(run, here, tidy_instance(here), RawTables())
    if json:
        printing.document(verb.document(rows))
    else:
        printing.preflight(rows)
    verb.require_ready(rows)
