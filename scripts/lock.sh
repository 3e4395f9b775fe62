#!/usr/bin/env bash
# Resolve a lock. A lock that results were made under never changes: give a new NAME instead.
#   scripts/lock.sh [NAME]                  pyproject.toml: what computes into envs/conda/NAME.lock (default ml-v1),
#                                           all of it into envs/dev.lock
#   scripts/lock.sh NAME PACKAGE==VERSION…  a new environment beside ml-v1: these versions instead of pyproject.toml's,
#                                           everything else as ml-v1 has it unless it has to move
set -euo pipefail
cd "$(dirname "$0")/.."
name=${1:-ml-v1}
shift || true
uv=$(command -v uv || echo .tools/uv/bin/uv)
# No index address in the file: it must install from any mirror (docs/decisions/001).
options=(--universal --generate-hashes --no-header --no-emit-index-url --no-annotate --python-version 3.11 --quiet)

if [ $# = 0 ]; then
  "$uv" pip compile pyproject.toml "${options[@]}" -o "envs/conda/$name.lock"
  "$uv" pip compile pyproject.toml --group web --group test -c "envs/conda/$name.lock" "${options[@]}" -o envs/dev.lock
  exit
fi

if ! [[ $name =~ ^[a-z0-9-]+$ ]]; then echo "lock: a name is of a-z, 0-9 and -: $name" >&2; exit 2; fi
for suffix in lock yaml; do
  if [ -e "envs/conda/$name.$suffix" ]; then echo "lock: envs/conda/$name.$suffix is there: give a new name" >&2; exit 2; fi
done
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
printf '%s\n' "$@" >"$scratch/changes.txt"
# What stands in the output file is what uv keeps where it can.
cp envs/conda/ml-v1.lock "$scratch/$name.lock"
"$uv" pip compile pyproject.toml --overrides "$scratch/changes.txt" "${options[@]}" -o "$scratch/$name.lock"
sed "s/ml-v1/$name/" envs/conda/ml-v1.yaml >"$scratch/$name.yaml"
mv "$scratch/$name.lock" "$scratch/$name.yaml" envs/conda/
