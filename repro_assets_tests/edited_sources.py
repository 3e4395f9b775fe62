"""The project's sources in a clone of their own, and the edits that a person who goes on working makes in it."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

PROJECT = Path(__file__).parents[1]
Change = tuple[str, tuple[str, str]]
# Edits of a person who goes on working: file, text before and after.
SALT = ("repro_assets/defs/assets/train_test_snapshot.py", ('"repro_assets/1"', '"repro_assets/2"'))
DEFAULT = (
    "repro_assets/steps/model_params.py",
    ('DEFAULT_FAMILY = "logistic', 'DEFAULT_FAMILY = "hist_gradient_boosting"  # "logistic'),
)
FORMULA = ("repro_assets/steps/features.py", ("rank_of[_text(name)], f.lit(0)", "rank_of[_text(name)], f.lit(-1)"))
# Far within the tolerance, and yet other code: never equivalent.
PROBABILITY = (
    "repro_assets/steps/model_inference.py",
    ("return estimator.predict_proba(frame)[", "return (1 - 1e-12) * estimator.predict_proba(frame)["),
)


def copy_sources(target: Path) -> Path:
    """The project's files as they stand, under git."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=PROJECT,
        capture_output=True,
        check=True,
    )
    for name in filter(None, listed.stdout.decode().split("\0")):
        if (PROJECT / name).is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(PROJECT / name, target / name)
    commit(target, "as it was", first=True)
    return target


def commit(folder: Path, message: str, *, first: bool = False) -> None:
    identity = ["-c", "user.name=somebody", "-c", "user.email=somebody@example.org"]
    steps = [["init", "-q", "-b", "main"]] if first else []
    for step in [*steps, ["add", "-A"], [*identity, "commit", "-q", "-m", message]]:
        subprocess.run(["git", *step], cwd=folder, check=True, capture_output=True)


def edit(path: Path, change: tuple[str, str]) -> None:
    text = path.read_text()
    assert change[0] in text, (path, change)
    path.write_text(text.replace(*change))
