#!/usr/bin/env bash
# The browser of the page's tests: Debian's Chromium and its driver, of one release. Safe to run again.
set -euo pipefail

PROGRAMS=(chromium chromedriver)
PACKAGES=(chromium chromium-driver)

say() { printf 'browser: %s\n' "$*" >&2; }

are_there() {
  local program
  for program in "${PROGRAMS[@]}"; do command -v "$program" >/dev/null || return 1; done
}

apt_install() { apt-get install -y -qq --no-install-recommends "${PACKAGES[@]}" >/dev/null 2>&1; }

if are_there; then exit 0; fi
if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
  say "${PROGRAMS[*]} are needed on PATH: install your system's Chromium and its driver (Debian: ${PACKAGES[*]})"
  exit 4
fi
say "installing ${PACKAGES[*]} with apt-get"
export DEBIAN_FRONTEND=noninteractive
# Lists may be missing or name a release that is gone from the archive: then they are fetched, once.
apt_install || { apt-get update -qq >/dev/null && apt_install; } || true
are_there || { say "apt-get could not install ${PACKAGES[*]}: run 'apt-get install ${PACKAGES[*]}' to see why"; exit 4; }
