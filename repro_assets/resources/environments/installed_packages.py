"""What is installed beside an interpreter, the running one or another, and whether it is still what the installer put there.

Here belongs reading distributions' metadata, their RECORD files and their files on disk.
What does not: what should be installed (`pins.environment`) and what follows from a difference (`resources.conda_env`).
"""

from __future__ import annotations

import base64
import binascii
import csv
import hashlib
import json
import os
import tempfile
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib.metadata import Distribution, distributions
from pathlib import Path

from packaging.utils import canonicalize_name

from repro_assets.errors import Outside
from repro_assets.pins.environment import ChangedFile

_MEMO_SCHEMA = "repro-proved/1"
_MOST_THREADS = 8
_NO_RECORD = "no RECORD to prove it by"
_GONE = "gone"


@dataclass(frozen=True)
class RecordEntry:
    """One line of a RECORD file (packaging.python.org, "Recording installed projects").

    Attributes:
        path: As written: relative to the folder the package is installed in, POSIX separators.
        sha256: Digest as 64 hexadecimal digits; None where the line carries none.
    """

    path: str
    sha256: str | None

    @property
    def is_outside(self) -> bool:
        """Whether the file lies outside of the folder of packages, as scripts do."""
        return self.path.startswith(("../", "/"))

    @property
    def is_script(self) -> bool:
        """Whether an installer rewrites the file: it puts the interpreter's path into the first line of a script."""
        return self.is_outside and any(f"/{folder}/" in self.path for folder in ("bin", "Scripts"))


def installed_distributions(folder: Path | None = None) -> dict[str, Distribution]:
    """Find what this interpreter would import, by normalized name; the first on `sys.path` wins.

    Args:
        folder: Look there instead: the `site-packages` of another interpreter.
    """
    found: dict[str, Distribution] = {}
    for distribution in distributions() if folder is None else distributions(path=[str(folder)]):
        name = distribution.metadata["Name"]
        if name:
            found.setdefault(canonicalize_name(name), distribution)
    return found


def installed_packages() -> dict[str, str]:
    """Versions of what this interpreter would import, by normalized name."""
    return {name: distribution.version for name, distribution in sorted(installed_distributions().items())}


def read_record(distribution: Distribution) -> tuple[RecordEntry, ...] | None:
    """Read the RECORD of an installed distribution; None where it has none."""
    text = distribution.read_text("RECORD")
    if text is None:
        return None
    rows = (row for row in csv.reader(text.splitlines()) if row and row[0])
    return tuple(RecordEntry(row[0], _as_hexadecimal(row[1] if len(row) > 1 else "")) for row in rows)


def changed_on_disk(packages: Mapping[str, Distribution], memo: Path) -> list[ChangedFile]:
    """Compare the files of installed packages with the digests their installer recorded.

    Left out are compiled files, lines without a digest, RECORD itself and scripts that installers rewrite.
    What was proved is remembered with size, inode and times of every file, so the next call only asks for those.

    Args:
        packages: Distribution per normalized name.
        memo: File to remember in; anything unreadable there is forgotten.

    Returns:
        Every file that differs or is gone, ordered by package and path; a package without RECORD counts as one.

    Raises:
        Outside: The memo can't be written.
    """
    known = _read_memo(memo)
    proved: dict[str, str] = {}
    suspects: list[tuple[str, Path, list[RecordEntry]]] = []
    changed: list[ChangedFile] = []
    for name, distribution in sorted(packages.items()):
        record = read_record(distribution)
        if record is None:
            changed.append(ChangedFile(name, "RECORD", _NO_RECORD, None))
            continue
        entries = [entry for entry in record if _is_proof(entry)]
        base = Path(str(distribution.locate_file("")))
        # Taken before the files are read: a change in between makes the next call read them again.
        state = _state(base, entries)
        if known.get(name) != state:
            suspects.append((name, base, entries))
        proved[name] = state
    for name, differences in zip([one[0] for one in suspects], _prove(suspects), strict=True):
        if differences:
            del proved[name]
            changed.extend(differences)
    if proved != known:
        _write_memo(memo, proved)
    return sorted(changed, key=lambda one: (one.package, one.path))


def _is_proof(entry: RecordEntry) -> bool:
    return entry.sha256 is not None and not entry.path.endswith(".pyc") and not entry.is_script


def _state(base: Path, entries: Iterable[RecordEntry]) -> str:
    """Digest of what a file's change can't leave alone, and of what is expected of it."""
    top = str(base)
    seen = hashlib.sha256(os.fsencode(top))
    for entry in entries:
        try:
            found = os.stat(os.path.join(top, entry.path))
            facts = (found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino)
        except OSError:
            facts = (-1, -1, -1, -1)
        seen.update(f"{entry.path}\0{entry.sha256}\0{facts}\n".encode("utf-8", "surrogateescape"))
    return seen.hexdigest()


def _prove(suspects: list[tuple[str, Path, list[RecordEntry]]]) -> list[list[ChangedFile]]:
    if not suspects:
        return []
    # Hashing lets go of the interpreter lock, so threads use all cores.
    with ThreadPoolExecutor(max_workers=min(_MOST_THREADS, os.cpu_count() or 1)) as threads:
        return list(threads.map(lambda one: _differences(*one), suspects))


def _differences(package: str, base: Path, entries: list[RecordEntry]) -> list[ChangedFile]:
    found = ((entry, _sha256(base / entry.path)) for entry in entries)
    return [ChangedFile(package, entry.path, stored, entry.sha256) for entry, stored in found if stored != entry.sha256]


def _sha256(path: Path) -> str:
    try:
        with open(path, "rb") as source:
            return hashlib.file_digest(source, "sha256").hexdigest()
    except FileNotFoundError:
        return _GONE
    except OSError as error:
        return error.strerror or str(error)


def _as_hexadecimal(field: str) -> str | None:
    algorithm, _, encoded = field.partition("=")
    if algorithm != "sha256":
        return None
    try:
        return base64.urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4)).hex()
    except (binascii.Error, ValueError):
        return f"not a digest: {encoded}"


def _read_memo(memo: Path) -> dict[str, str]:
    try:
        document = json.loads(memo.read_bytes())
    except (OSError, ValueError):
        return {}
    if not isinstance(document, dict) or document.get("schema") != _MEMO_SCHEMA:
        return {}
    packages = document.get("packages")
    return packages if isinstance(packages, dict) else {}


def _write_memo(memo: Path, packages: Mapping[str, str]) -> None:
    document = {"schema": _MEMO_SCHEMA, "packages": dict(packages)}
    try:
        memo.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile("w", dir=memo.parent, prefix=f".{memo.name}.", delete=False) as sink:
            json.dump(document, sink, indent=1, sort_keys=True)
        os.replace(sink.name, memo)
    except OSError as error:
        raise Outside(
            "what was proved of the installed packages can't be remembered",
            where=memo,
            stored=error.strerror or error,
            fix="Make room or set REPRO_VAR to a folder that can be written",
        ) from error
