#!/usr/bin/env bash
# Resolve pyproject.toml. A lock that results were made under never changes: a new one has a new NAME.
#   scripts/lock.sh                          envs/dev.lock (web, tests) around the default environment's lock
#   scripts/lock.sh NAME [PACKAGE==VERSION…] envs/conda/NAME.lock and NAME.yaml: what computes, with these versions instead
#                                            of pyproject.toml's; the rest as the default environment has it unless it has to move
set -euo pipefail
cd "$(dirname "$0")/.."
default=$(sed -n 's/^DEFAULT_ENVIRONMENT = "\(.*\)"$/\1/p' repro_assets/settings.py)
uv=$(command -v uv || echo .tools/uv/bin/uv)
# No index address in the file: it must install from any mirror (docs/decisions/001).
options=(--universal --generate-hashes --no-header --no-emit-index-url --no-annotate --python-version 3.11 --quiet)

if [ $# = 0 ]; then
  exec "$uv" pip compile pyproject.toml --group web --group test -c "envs/conda/$default.lock" "${options[@]}" -o envs/dev.lock
fi

name=$1
shift
refuse() { echo "lock: $*" >&2; exit 2; }
[[ $name =~ ^[a-z0-9-]+$ ]] || refuse "a name is of a-z, 0-9 and -: $name"
for suffix in lock yaml; do
  [ ! -e "envs/conda/$name.$suffix" ] || refuse "envs/conda/$name.$suffix is there: give a new name"
done
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
printf '%s\n' "$@" >"$scratch/changes.txt"
# What stands in the output file is what uv keeps where it can.
cp "envs/conda/$default.lock" "$scratch/$name.lock"
"$uv" pip compile pyproject.toml --overrides "$scratch/changes.txt" "${options[@]}" -o "$scratch/$name.lock"
sed "s/$default/$name/" "envs/conda/$default.yaml" >"$scratch/$name.yaml"
mv "$scratch/$name.lock" "$scratch/$name.yaml" envs/conda/
