"""A folder of wheels that uv installs from without a network, and locks of them."""

from __future__ import annotations

import base64
import hashlib
import zipfile
from dataclasses import dataclass
from pathlib import Path

from repro_assets.pins.environment import EnvironmentPin

YAML = b"name: tiny\ndependencies:\n  - python >=3.11,<3.13\n  - openjdk >=17,<22\n"


@dataclass(frozen=True)
class Order:
    """What `make` takes."""

    pin: EnvironmentPin
    yaml: bytes
    lock: bytes


@dataclass(frozen=True)
class Wheels:
    """Pure Python packages `NAME`, each with a constant `VALUE`."""

    folder: Path

    def add(self, name: str, version: str = "1.0") -> str:
        """Build a wheel; its line for a lock."""
        files = {
            f"{name}.py": b"VALUE = 1\n",
            f"{name}-{version}.dist-info/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n".encode(),
            f"{name}-{version}.dist-info/WHEEL": b"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        }
        record = "".join(f"{path},sha256={_digest(content)},{len(content)}\n" for path, content in files.items())
        files[f"{name}-{version}.dist-info/RECORD"] = f"{record}{name}-{version}.dist-info/RECORD,,\n".encode()
        wheel = self.folder / f"{name}-{version}-py3-none-any.whl"
        with zipfile.ZipFile(wheel, "w") as archive:
            for path, content in files.items():
                archive.writestr(path, content)
        return f"{name}=={version} --hash=sha256:{hashlib.sha256(wheel.read_bytes()).hexdigest()}\n"


def order(lock: str, *, python: str, name: str = "tiny", java: int = 17, yaml: bytes = YAML) -> Order:
    """An environment as a run recorded it."""
    lock_sha256, yaml_sha256 = (hashlib.sha256(content).hexdigest() for content in (lock.encode(), yaml))
    return Order(EnvironmentPin(name, lock_sha256, yaml_sha256, python, java), yaml, lock.encode())


def _digest(content: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
