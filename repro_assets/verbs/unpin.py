"""`repro unpin`: give a data version up on purpose, written down; `repro vacuum` and `repro gc` may then take it."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from repro_assets.errors import BadInput
from repro_assets.experiment import EXPERIMENT
from repro_assets.pins.data_version import decode
from repro_assets.pins.reason import check_reason
from repro_assets.pins.retention import Holder, kept_keys, kept_versions, named_versions
from repro_assets.resources.known_secrets import known_values
from repro_assets.resources.raw.given_up import GivenUp, give_up, given_up

if TYPE_CHECKING:
    from repro_assets.resources.raw.raw_tables import RawTables

SCHEMA = "repro-unpin/1"


@dataclass(frozen=True)
class UnpinPlan:
    """What giving a data version up means.

    Attributes:
        key: The data version.
        why: As the person said.
        holders: Who needed it: they can't count on it any more.
        still_kept: Versions of it, `TABLE@N`, that other data versions keep.
        freed: Those that nobody keeps then.
    """

    key: str
    why: str
    holders: tuple[str, ...]
    still_kept: tuple[str, ...]
    freed: tuple[str, ...]


def plan(key: str, why: str, holders: Sequence[Holder], already: Collection[str], newest: dict[str, int]) -> UnpinPlan:
    """What is given up, and what that means.

    Args:
        key: Data version.
        why: The reason; it is kept.
        holders: Everybody who needs any data version.
        already: Data versions that are given up.
        newest: Newest version by raw table, which always stays.

    Raises:
        BadInput: The key is none, there is no reason or one that holds a secret, nobody keeps the version, a run of it is under way, or the
            champion is of it.
    """
    reason = check_reason(why, known_values())
    own = [holder for holder in holders if holder.key == key]
    # What somebody keeps may be of a time when the experiment had other tables.
    is_known = own or key in already
    wanted = dict(named_versions(key)) if is_known else decode(key, EXPERIMENT.table_names)
    if not is_known:
        raise BadInput("nobody keeps this data version", where=key, fix="`repro vacuum TABLE` takes it as it is")
    _refuse_used(key, own)
    others = kept_versions(kept_keys(holders, {*already, key}), EXPERIMENT.table_names)
    kept = [
        f"{table}@{version}"
        for table, version in wanted.items()
        if version in others.get(table, ()) or version == newest.get(table)
    ]
    freed = [name for table, version in wanted.items() if (name := f"{table}@{version}") not in kept]
    return UnpinPlan(key, reason, tuple(dict.fromkeys(one.who for one in own)), tuple(kept), tuple(freed))


def unpin(wanted: UnpinPlan, raw_tables: RawTables) -> GivenUp:
    """Write it down, and take a person's mark off."""
    record = give_up(raw_tables.records, wanted.key, wanted.why)
    raw_tables.let_go(wanted.key)
    return record


def document(wanted: UnpinPlan, record: GivenUp) -> dict[str, Any]:
    """The `unpin` document."""
    return {"schema": SCHEMA, **asdict(wanted), "who": record.who, "when": record.when, "why": record.why}


def state(raw_tables: RawTables) -> tuple[list[str], dict[str, int]]:
    """Data versions that are given up, and the newest version of every raw table."""
    found = {table: raw_tables.versions(table) for table in EXPERIMENT.table_names}
    return list(given_up(raw_tables.records)), {table: versions[-1] for table, versions in found.items() if versions}


def _refuse_used(key: str, own: Sequence[Holder]) -> None:
    running = next((holder.who for holder in own if holder.running), None)
    if running is not None:
        raise BadInput("a run of this data version is under way", where=key, stored=running, fix="Let it end first")
    champion = next((holder.who for holder in own if holder.champion), None)
    if champion is not None:
        raise BadInput(
            "the champion is of this data version", where=key, stored=champion, fix="`repro promote` another run first"
        )
