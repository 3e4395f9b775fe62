"""The environment pin: what a lock asks for, and how what is installed differs from it.

Here belongs the lock format and the comparison.
What does not: finding out what is installed and which Java is there (`resources.conda_env`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from packaging.markers import Marker, UndefinedComparison, UndefinedEnvironmentName
from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from repro_assets.errors import BadInput
from repro_assets.pins.canonical import digest

_HASH = re.compile(r"--hash=(sha256:[0-9a-f]{64})")
_OPTION = re.compile(r"(?:^|\s)(--?[A-Za-z].*)$")


@dataclass(frozen=True)
class LockedPackage:
    """One entry of a lock.

    Attributes:
        name: Normalized name.
        version: The one version.
        hashes: `sha256:…` of every file it may be installed from.
        marker: Where the entry applies, as an environment marker; None for everywhere.
    """

    name: str
    version: str
    hashes: tuple[str, ...]
    marker: str | None


@dataclass(frozen=True)
class EnvironmentPin:
    """What names the environment of a result.

    Attributes:
        name: Name of the files under `envs/conda`.
        lock_sha256: Digest of the lock file: every package that computes.
        yaml_sha256: Digest of the conda file, for people; not part of `digest`, the lock says more.
        python_minor: For example `3.11`: the lock is resolved per minor version.
        java_major: For example 17.
        digest: What joins an identity.
    """

    name: str
    lock_sha256: str
    yaml_sha256: str
    python_minor: str
    java_major: int
    digest: str = field(init=False)

    def __post_init__(self) -> None:
        document = {
            "schema": "repro-environment/1",
            "lock": self.lock_sha256,
            "python": self.python_minor,
            "java": self.java_major,
        }
        object.__setattr__(self, "digest", digest(document))

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> EnvironmentPin:
        """Read the pin that a manifest declares.

        Args:
            document: `pins.environment.declared` of a manifest.

        Raises:
            BadInput: A field is missing or of another kind, or the digest isn't that of the fields.
        """
        texts = {name: document.get(name) for name in ("name", "lock_sha256", "yaml_sha256", "python_minor")}
        java = document.get("java_major")
        if not all(isinstance(text, str) for text in texts.values()) or type(java) is not int:
            raise BadInput("an environment pin can't be read", stored=repr(dict(document))[:200])
        pin = cls(**{name: str(text) for name, text in texts.items()}, java_major=java)
        if document.get("digest") != pin.digest:
            raise BadInput(
                "an environment pin is damaged", where=pin.name, stored=document.get("digest"), expected=pin.digest
            )
        return pin


@dataclass(frozen=True)
class ChangedFile:
    """A file of an installed package that is not what its installer recorded.

    Attributes:
        package: Normalized name.
        path: As in the package's RECORD.
        stored: SHA-256 found, or what was found instead.
        expected: SHA-256 recorded; None where nothing is.
    """

    package: str
    path: str
    stored: str
    expected: str | None


@dataclass(frozen=True)
class Mismatch:
    """One way in which what is installed is not what the lock asks for.

    Attributes:
        kind: `missing`, `version`, `changed`, or `interpreter` (Python or Java itself).
        package: Normalized name, or `python`, `java`.
        stored: What is there; None where nothing is.
        expected: What should be.
        fix: What to do about it.
    """

    kind: str
    package: str
    stored: str | None
    expected: str
    fix: str

    def __str__(self) -> str:
        return f"{self.package} {self.stored or 'missing'}, expected {self.expected}"


def parse_lock(text: str) -> tuple[LockedPackage, ...]:
    r"""Read a lock in the format of hashed requirements files (pip's `--require-hashes`).

    Args:
        text: `NAME==VERSION [; MARKER]` followed by `--hash=sha256:…`, `\` joining lines, `#` for comments.

    Returns:
        Its entries in order; a name may occur several times under different markers.

    Raises:
        BadInput: An entry isn't pinned to one version, carries no hash, or is anything else than a package; or the text
            holds more than printable ASCII.
    """
    for number, line in enumerate(text.split("\n"), start=1):
        # Installers end a line at a line feed and nowhere else: what splits lines for one reader only could hide one.
        if not (line.isascii() and line.replace("\t", " ").removesuffix("\r").isprintable()):
            raise BadInput(
                "a lock holds what can't be printed",
                where=f"line {number}",
                stored=ascii(line)[:80],
                expected="ASCII text",
            )
    return tuple(_locked(number, line) for number, line in _logical_lines(text))


def applicable(
    packages: Iterable[LockedPackage], marker_environment: Mapping[str, str] | None = None
) -> dict[str, LockedPackage]:
    """Choose the entries that apply to an interpreter.

    Args:
        packages: Entries of a lock.
        marker_environment: Values of markers (`python_full_version`, `sys_platform`, …) that differ from the running
            interpreter's.

    Returns:
        One entry per name.

    Raises:
        BadInput: Two entries of one name apply and ask for different versions.
    """
    found: dict[str, LockedPackage] = {}
    for package in packages:
        if package.marker is not None and not _applies(package, marker_environment or {}):
            continue
        other = found.setdefault(package.name, package)
        if other.version != package.version:
            raise BadInput(
                "two entries of a lock apply at once",
                where=package.name,
                stored=f"{other.version} and {package.version}",
                expected="one version",
            )
    return found


def marker_values(python: str) -> dict[str, str]:
    """Values of the markers that tell one CPython from another on the same machine.

    Args:
        python: Full version, for example `3.12.4`.
    """
    return {
        "python_full_version": python,
        "python_version": minor_version(python),
        "implementation_version": python,
    }


def minor_version(python: str) -> str:
    """The minor version that a full one belongs to: `3.11` of `3.11.9`."""
    return ".".join(python.split(".")[:2])


def compare(
    required: Mapping[str, LockedPackage], stored: Mapping[str, str], changed: Sequence[ChangedFile] = ()
) -> list[Mismatch]:
    """Compare what a lock asks for with what is installed; packages beyond the lock are no mismatch.

    Args:
        required: Entries that apply here, from `applicable`.
        stored: Version per normalized name of what is installed.
        changed: Files that are not what their installer recorded.

    Returns:
        Every mismatch, ordered by package.
    """
    found = []
    for name, package in required.items():
        version = stored.get(name)
        fix = f"Install {name}=={package.version} with the hashes of the lock"
        if version is None:
            found.append(Mismatch("missing", name, None, package.version, fix))
        elif version != package.version:
            found.append(Mismatch("version", name, version, package.version, fix))
    for file in changed:
        if file.package in required:
            found.append(_changed(file, required[file.package]))
    return sorted(found, key=lambda one: (one.package, one.kind, one.stored or ""))


def extra(required: Mapping[str, LockedPackage], stored: Mapping[str, str]) -> dict[str, str]:
    """Versions of installed packages that the lock doesn't name: recorded, never refused."""
    return {name: version for name, version in sorted(stored.items()) if name not in required}


def _applies(package: LockedPackage, values: Mapping[str, str]) -> bool:
    try:
        return Marker(str(package.marker)).evaluate(dict(values))
    except (UndefinedEnvironmentName, UndefinedComparison) as error:
        raise BadInput(
            "a marker of a lock can't be evaluated", where=package.name, stored=package.marker, expected=str(error)
        ) from error


def _changed(file: ChangedFile, package: LockedPackage) -> Mismatch:
    return Mismatch(
        kind="changed",
        package=file.package,
        stored=f"{file.path} ({_short(file.stored)})",
        expected=_short(file.expected) if file.expected else "a package with its RECORD",
        fix=f"Reinstall {package.name}=={package.version}: its files were changed after it was installed",
    )


def _short(stored: str) -> str:
    return f"sha256 {stored[:12]}…" if re.fullmatch(r"[0-9a-f]{64}", stored) else stored


def _logical_lines(text: str) -> list[tuple[int, str]]:
    """Lines joined at their backslashes, comments and blank ones left out, with the number of their first line."""
    lines: list[tuple[int, str]] = []
    parts: list[str] = []
    first = 0
    for number, raw in enumerate(text.splitlines(), start=1):
        line = re.sub(r"(^|\s)#.*$", "", raw).rstrip()
        first = first if parts else number
        continues = line.endswith("\\")
        parts.append(line.removesuffix("\\").strip())
        if not continues:
            lines.append((first, " ".join(filter(None, parts))))
            parts = []
    if parts:
        raise BadInput("a lock ends in the middle of an entry", where=f"line {first}")
    return [(number, line) for number, line in lines if line]


def _locked(number: int, line: str) -> LockedPackage:
    hashes = tuple(_HASH.findall(line))
    wanted = _HASH.sub("", line).strip()
    option = _OPTION.search(wanted)
    if option or not hashes:
        raise BadInput(
            "an entry of a lock can't be checked",
            where=f"line {number}",
            stored=option[1][:80] if option else wanted[:80],
            expected="NAME==VERSION with --hash=sha256:…",
        )
    try:
        requirement = Requirement(wanted)
    except InvalidRequirement as error:
        raise BadInput(
            "an entry of a lock can't be read", where=f"line {number}", stored=" ".join(str(error).split())[:120]
        ) from error
    versions = list(requirement.specifier)
    if requirement.url or len(versions) != 1 or versions[0].operator != "==" or "*" in versions[0].version:
        raise BadInput(
            "an entry of a lock is not pinned", where=f"line {number}", stored=wanted[:80], expected="NAME==VERSION"
        )
    marker = str(requirement.marker) if requirement.marker else None
    return LockedPackage(canonicalize_name(requirement.name), versions[0].version, hashes, marker)
