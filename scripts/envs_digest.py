"""Register new environment and cluster files in `envs/digests.lock`; run by `make envs-digest`.

`python -m scripts.envs_digest` in the project's folder.

Lines are only ever appended: an edited or removed file is refused, and so is a cluster file with a field that there isn't.
"""

from __future__ import annotations

import sys

from repro_assets.errors import ReproError
from repro_assets.pins.version_file import read_digests, register
from repro_assets.resources.spark.cluster_check import check_cluster
from repro_assets.settings import load


def main() -> int:
    """Append what is missing, say what was added, and return the exit code."""
    try:
        envs = load().envs
        known = read_digests(envs)
        for path in sorted((envs / "clusters").glob("*.json")):
            if f"clusters/{path.name}" not in known:
                check_cluster(path.stem, path.read_text(encoding="utf-8"))
        added = register(envs)
    except ReproError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    sys.stdout.write("".join(f"registered {path}\n" for path in added) or "nothing to register\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
