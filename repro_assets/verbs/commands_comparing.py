"""What `repro diff`, `promote` and `trace` do with their arguments."""

from __future__ import annotations

from repro_assets import settings as settings_module
from repro_assets.verbs import printing
from repro_assets.verbs.opened import say, spark_opener, tidy_instance


def diff(first: str, second: str, json: bool) -> None:
    """`repro diff`."""
    from repro_assets.verbs import diff as verb
    from repro_assets.verbs import diff_printing

    here = settings_module.load()
    found = verb.diff(first, second, here, tidy_instance(here), spark_opener(here))
    if json:
        printing.document(found.as_document())
    else:
        diff_printing.difference(found)


def promote(run: str, check: bool, json: bool) -> None:
    """`repro promote`."""
    from repro_assets.verbs import promote as verb

    here = settings_module.load()
    found = verb.promote(run, here, tidy_instance(here), check=check)
    if json:
        printing.document(found.as_document())
    elif found.reason is None:
        say(verb.in_a_line(found, check=check))
    verb.require_promoted(found)


def trace(asset: str, key: str, run: str | None, json: bool) -> None:
    """`repro trace`."""
    from repro_assets.verbs import trace as verb
    from repro_assets.verbs import trace_printing

    here = settings_module.load()
    document = verb.trace(asset, key, here, tidy_instance(here), run=run)
    if json:
        printing.document(document)
    else:
        trace_printing.trace(document)
