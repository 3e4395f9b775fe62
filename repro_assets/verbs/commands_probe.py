"""What `repro probe` does with its arguments."""

from __future__ import annotations

from repro_assets import settings as settings_module
from repro_assets.verbs import printing
from repro_assets.verbs.opened import say, tidy_instance


def probe(run: str, variants: list[str], clusters: list[str], write: bool, json: bool) -> None:
    """`repro probe`."""
    from repro_assets.verbs import probe as verb
    from repro_assets.verbs import probe_printing
    from repro_assets.verbs.cluster import standing_clusters

    here = settings_module.load()
    standing = standing_clusters(here)
    wanted = verb.plan(variants, clusters, standing)
    if not (variants or clusters or standing):
        say("no standalone cluster is up: none is tried (`repro cluster up NAME`, or `--cluster NAME`)")
    found = verb.probe(run, wanted, here, tidy_instance(here), say, write=write)
    if json:
        printing.document(found.as_document())
    else:
        probe_printing.shown(found)
    verb.require_tolerance(found)
