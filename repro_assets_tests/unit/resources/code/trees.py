"""Trees on disk for the tests of what reads them: source trees, repositories, installed packages."""

from __future__ import annotations

import base64
import hashlib
import subprocess
from importlib.metadata import PathDistribution
from pathlib import Path

from repro_assets.resources.code.capsule_store import capsule_path, read_files
from repro_assets.resources.code.source_tree import capture

FILES = {"pyproject.toml": "[project]\n", "p/a.py": "a = 1\n", "p/b.py": "b = 1\n", ".gitignore": "/var/\n*.log\n"}

_IDENTITY = ["-c", "user.name=Test", "-c", "user.email=test@example.org", "-c", "protocol.file.allow=always"]


def write(folder: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


def git(folder: Path, *arguments: str) -> str:
    done = subprocess.run(["git", *_IDENTITY, *arguments], cwd=folder, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def commit(folder: Path, message: str = "a commit") -> str:
    git(folder, "add", "-A")
    git(folder, "commit", "-q", "-m", message)
    return git(folder, "rev-parse", "HEAD")


def make_repository(folder: Path) -> Path:
    """A project with one commit on branch `main`."""
    write(folder, FILES)
    git(folder, "init", "-q", "-b", "main")
    commit(folder)
    return folder


def captured(project: Path, store: Path) -> dict[str, str]:
    """Digest per path of what a capture holds."""
    pin = capture(project, store)
    return read_files(capsule_path(store, pin.capsule), pin.capsule)


def sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def install(site: Path, name: str, files: dict[str, bytes], *, record: bool = True) -> PathDistribution:
    """Write a distribution as an installer would."""
    info = site / f"{name}-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    lines = [f"{info.name}/RECORD,,", f"{name}/__pycache__/a.cpython-311.pyc,,"]
    for path, content in files.items():
        (site / path).parent.mkdir(parents=True, exist_ok=True)
        (site / path).write_bytes(content)
        digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
        quoted = f'"{path}"' if "," in path else path
        lines.append(f"{quoted},sha256={digest},{len(content)}")
    if record:
        (info / "RECORD").write_text("\n".join(lines) + "\n")
    return PathDistribution(info)
