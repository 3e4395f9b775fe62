"""Register new environment and cluster files in `envs/digests.lock`; run by `make envs-digest`.

`python -m scripts.envs_digest` in the project's folder.

Lines are only ever appended: an edited or removed file is refused.
"""

from __future__ import annotations

import sys

from repro_assets.errors import ReproError
from repro_assets.pins.version_file import register
from repro_assets.settings import load


def main() -> int:
    """Append what is missing, say what was added, and return the exit code."""
    try:
        added = register(load().envs)
    except ReproError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    sys.stdout.write("".join(f"registered {path}\n" for path in added) or "nothing to register\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
