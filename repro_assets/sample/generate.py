"""Writes the sample feed: small published files like the real ones, so that `repro demo` downloads nothing."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from repro_assets.errors import BadInput
from repro_assets.feeds.publication import SAMPLE_PREFIX
from repro_assets.sample.cases import CaseVersion, first_version, with_corrections_only, with_next_day
from repro_assets.sample.people import job_files
from repro_assets.steps.places import load_places

SEED = 20200611
DAYS = 141  # from 22 January 2020, as the real file
FEWEST_DAYS = 30  # the figures look back 28 days
LABELLED = 2000
UNLABELLED = 300


@dataclass(frozen=True)
class SampleFeed:
    """Where the files are.

    Attributes:
        covid_files: One per published version, oldest first; names carry the day of publication.
        job_files: the labelled and the unlabelled file.
    """

    covid_files: tuple[Path, ...]
    job_files: tuple[Path, Path]


def generate(
    target: Path,
    *,
    seed: int = SEED,
    days: int = DAYS,
    versions: int = 3,
    labelled: int = LABELLED,
    unlabelled: int = UNLABELLED,
) -> SampleFeed:
    """Write a sample feed; the same arguments give the same bytes anywhere.

    The second version adds a day and corrects past ones. The third adds none: it corrects past days, drops a row and
    splits a county in two. Any further one adds a day and corrects.

    Args:
        target: A folder, made if missing; files of the same names are overwritten.
        seed: Of all random numbers.
        days: Days in the first version.
        versions: Published versions of the case file.
        labelled: People with a target.
        unlabelled: People without.

    Raises:
        BadInput: Fewer days than the figures look back, or nothing to write.
    """
    for name, value, least in (
        ("days", days, FEWEST_DAYS),
        ("versions", versions, 1),
        ("labelled", labelled, 1),
        ("unlabelled", unlabelled, 1),
    ):
        if value < least:
            raise BadInput("a sample feed that is too small", where=name, stored=value, expected=f"at least {least}")
    target.mkdir(parents=True, exist_ok=True)
    return SampleFeed(
        covid_files=tuple(
            _written(target / f"{SAMPLE_PREFIX}covid_{version.published.isoformat()}.csv", version.as_csv())
            for version in _case_versions(seed, days, versions)
        ),
        job_files=_written_jobs(target, seed, labelled, unlabelled),
    )


def _case_versions(seed: int, days: int, versions: int) -> list[CaseVersion]:
    from numpy.random import PCG64, Generator

    generator = Generator(PCG64(seed))
    published = [first_version(load_places(), days, generator)]
    while len(published) < versions:
        change = with_corrections_only if len(published) == 2 else with_next_day
        published.append(change(published[-1], generator))
    return published


def _written_jobs(target: Path, seed: int, labelled: int, unlabelled: int) -> tuple[Path, Path]:
    from numpy.random import PCG64, Generator

    # a stream of its own: people stay the same when the cases get longer
    train, test = job_files(load_places(), labelled, unlabelled, Generator(PCG64(seed + 1)))
    return _written(target / f"{SAMPLE_PREFIX}aug_train.csv", train), _written(
        target / f"{SAMPLE_PREFIX}aug_test.csv", test
    )


def _written(path: Path, text: str) -> Path:
    path.write_bytes(text.encode())
    return path
