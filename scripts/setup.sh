#!/usr/bin/env bash
# From a fresh clone to an installation: environment from the committed lock, Java, Delta's jars, `.env`.
# Needs git, make and Python 3.11 or 3.12. Safe to run again: what is there is kept.
set -euo pipefail
cd "$(dirname "$0")/.."

UV_VERSION=0.13.9 # one version for everybody; any release that reads hashed requirements would do
# Java that envs/conda/ml-v1.yaml names: Spark 4 needs 17, and nothing newer than 21 was tried.
JAVA_MINIMUM=17
JAVA_MAXIMUM=21

say() { printf 'setup: %s\n' "$*" >&2; }
fail() { say "$*"; exit 4; }

is_debian_root() { [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; }

apt_install() {
  say "installing $* with apt-get"
  if ! apt-get install -y -qq --no-install-recommends "$@" >/dev/null 2>&1; then
    apt-get update -qq >/dev/null && apt-get install -y -qq --no-install-recommends "$@" >/dev/null
  fi
}

find_python() {
  local candidate
  for candidate in "${PYTHON:-}" python3.11 python3.12 python3 python; do
    [ -n "$candidate" ] || continue
    if "$candidate" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 12))' 2>/dev/null; then
      "$candidate" -c 'import sys; print(sys.executable)'
      return
    fi
  done
  fail "no Python 3.11 or 3.12 found: install one, or name it with PYTHON=/path/to/python"
}

find_uv() {
  if command -v uv >/dev/null; then command -v uv; return; fi
  if [ ! -x .tools/uv/bin/uv ]; then
    say "uv is missing: installing it into .tools/"
    if ! "$1" -c 'import ensurepip, venv' 2>/dev/null; then
      is_debian_root || fail "Python's venv module is missing: install python3-venv"
      apt_install "python$("$1" -c 'import sys; print("%d.%d" % sys.version_info[:2])')-venv"
    fi
    "$1" -m venv --clear .tools/uv &&
      .tools/uv/bin/python -m pip install --quiet --disable-pip-version-check "uv==$UV_VERSION" || return 4
  fi
  echo "$PWD/.tools/uv/bin/uv"
}

java_major() {
  local java=java
  [ -z "${JAVA_HOME:-}" ] || java="$JAVA_HOME/bin/java"
  "$java" -version 2>&1 | sed -n 's/.*version "\([0-9]*\).*/\1/p' | head -n 1
}

java_fits() { [ "${1:-0}" -ge "$JAVA_MINIMUM" ] && [ "${1:-0}" -le "$JAVA_MAXIMUM" ]; }

ensure_java() {
  local found
  found=$(java_major || true)
  if java_fits "$found"; then return; fi
  is_debian_root || fail "Java $JAVA_MINIMUM to $JAVA_MAXIMUM is needed (found: ${found:-none}): install a JRE and set JAVA_HOME"
  apt_install openjdk-17-jre-headless
  found=$(java_major || true)
  java_fits "$found" || fail "Java is still ${found:-missing}: unset JAVA_HOME or point it to Java $JAVA_MINIMUM"
}

environment_is_current() {
  [ -f .venv/.installed ] && [ "$(cat .venv/.installed)" = "$1" ]
}

ensure_environment() {
  local python uv wanted
  wanted=$(cat envs/dev.lock envs/build-constraints.txt pyproject.toml scripts/setup.sh | cksum)
  if environment_is_current "$wanted"; then return; fi
  python=$(find_python)
  uv=$(find_uv "$python")
  say "environment from envs/dev.lock with $python"
  [ -x .venv/bin/python ] || "$uv" venv --quiet --python "$python" .venv
  "$uv" pip sync --quiet --python .venv --require-hashes --build-constraints envs/build-constraints.txt envs/dev.lock
  "$uv" pip install --quiet --python .venv --no-deps --editable .
  echo "$wanted" >.venv/.installed
}

# `repro env make` needs uv later, also where .venv is current and nobody installed it; its absence alone stops nothing.
ensure_uv() {
  local python
  python=$(find_python)
  find_uv "$python" >/dev/null || say "uv could not be installed: \`repro env make\` can't make environments without it"
}

ensure_java
ensure_environment
ensure_uv
.venv/bin/python -m repro_assets.resources.spark.jars local-v1
.venv/bin/python -m repro_assets.resources.dagster_home
