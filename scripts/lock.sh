#!/usr/bin/env bash
# Resolve pyproject.toml: what computes into envs/conda/NAME.lock (default ml-v1), all of it into envs/dev.lock.
# A lock that results were made under never changes: give a new NAME instead.
set -euo pipefail
cd "$(dirname "$0")/.."
name=${1:-ml-v1}
uv=$(command -v uv || echo .tools/uv/bin/uv)
# No index address in the file: it must install from any mirror (docs/decisions/001).
options=(--universal --generate-hashes --no-header --no-emit-index-url --no-annotate --python-version 3.11 --quiet)
"$uv" pip compile pyproject.toml "${options[@]}" -o "envs/conda/$name.lock"
"$uv" pip compile pyproject.toml --group web --group test -c "envs/conda/$name.lock" "${options[@]}" -o envs/dev.lock
