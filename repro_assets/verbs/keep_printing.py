"""What is kept and what goes, as a person reads it."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from rich.table import Table

from repro_assets.pins.retention import VacuumPlan
from repro_assets.verbs.doctor import Diagnosis
from repro_assets.verbs.forget import ForgetPlan
from repro_assets.verbs.gc import GcPlan
from repro_assets.verbs.printing import print_table
from repro_assets.verbs.verify import Report

_UNITS = ("B", "KB", "MB", "GB", "TB")
_STEP = 1000


def size(count: int) -> str:
    """Bytes with a unit: `12.3 MB`."""
    value, unit = float(count), _UNITS[0]
    for unit in _UNITS:
        if value < _STEP or unit == _UNITS[-1]:
            break
        value /= _STEP
    return f"{count} B" if unit == "B" else f"{value:.1f} {unit}"


def vacuum(wanted: VacuumPlan, *, dry_run: bool) -> None:
    """A line per kept version with what it costs, then what goes."""
    table = Table("kept", "size", "its own", "needed by", box=None)
    for kept in wanted.kept:
        who = ", ".join(kept.holders[:3]) + (f" and {len(kept.holders) - 3} more" if len(kept.holders) > 3 else "")
        table.add_row(f"{wanted.table}@{kept.version}", size(kept.bytes), size(kept.own_bytes), who)
    print_table(table)
    done = "would go" if dry_run else "gone"
    sys.stderr.write(f"{done}: {len(wanted.remove)} files, {size(wanted.bytes)}\n")
    if wanted.expired:
        sys.stderr.write(f"versions nobody keeps: {', '.join(map(str, wanted.expired))}\n")
    if wanted.young:
        sys.stderr.write(f"left: {len(wanted.young)} files that no commit names and that may have a writer yet\n")
    if wanted.lost:
        sys.stderr.write(f"needed, and lost before: {', '.join(f'{wanted.table}@{one}' for one in wanted.lost)}\n")


def verification(found: Report) -> None:
    """What could not be looked at, then a line per thing that is not what was recorded."""
    for line in found.not_checked:
        sys.stderr.write(f"not checked: {line}\n")
    for damage in found.damaged:
        sys.stderr.write(f"damaged: {damage.message}\n")
    nothing = "" if found.checked else "nothing to check: "
    sys.stderr.write(f"{nothing}{len(found.checked)} checked, {len(found.damaged)} damaged\n")


def garbage(wanted: GcPlan, *, dry_run: bool) -> None:
    """How much room everything takes, a line per thing that goes, and what was left alone."""
    table = Table("what", "size", box=None)
    for name, count in wanted.disk.items():
        table.add_row(name, size(count))
    print_table(table)
    removed(wanted)
    for key in wanted.busy:
        sys.stderr.write(f"left: {key}, a run of it is under way\n")
    done = "would go" if dry_run else "gone"
    sys.stderr.write(f"{done}: {len(wanted.everything)}, {size(sum(one.bytes for one in wanted.everything))}\n")


def removed(wanted: GcPlan) -> None:
    """A line per thing that goes."""
    for one in wanted.everything:
        sys.stderr.write(f"{size(one.bytes):>9}  {one.uri}: {one.why}\n")


def diagnoses(found: Sequence[Diagnosis]) -> None:
    """A line per check; under it what is wrong, and what to do."""
    for one in found:
        sys.stderr.write(f"{'wrong' if one.complaints else 'ok':6}{one.name}\n")
        for complaint in one.complaints:
            sys.stderr.write(f"      {complaint.what}\n      -> {complaint.fix}\n")


def forgotten(wanted: ForgetPlan, *, dry_run: bool) -> None:
    """What held the person, what is lost by it, and what is left to do by hand."""
    done = "would be removed" if dry_run else "removed"
    versions = ", ".join(f"{wanted.table}@{version}" for version in wanted.versions) or "none"
    sys.stderr.write(f"versions that held the person: {versions}\n")
    sys.stderr.write(f"{done}: {len(wanted.files)} raw files, {len(wanted.outputs)} output files\n")
    for key in wanted.keys:
        sys.stderr.write(f"given up, with its outputs: {key}\n")
    for who in wanted.runs:
        sys.stderr.write(f"can't be reproduced any more: {who}\n")
    for place in wanted.by_hand:
        sys.stderr.write(f"look here yourself: {place}\n")
