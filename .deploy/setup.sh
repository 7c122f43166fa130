#!/usr/bin/env bash
# Installs what the named parts need and this machine lacks, from Debian's packages,
# and says so. Where that is not possible it prints what to install and fails.
set -eu

need=()
say() { printf 'setup: %s\n' "$*"; }

for part in "$@"; do
  case "$part" in
    postgresql)
      found=$(command -v postgres || ls /usr/lib/postgresql/*/bin/postgres /opt/homebrew/opt/postgresql@*/bin/postgres \
        /usr/local/opt/postgresql@*/bin/postgres /Applications/Postgres.app/Contents/Versions/*/bin/postgres 2>/dev/null | tail -n 1) || true
      [ -n "$found" ] || need+=(postgresql) ;;
    chromium)
      command -v chromium >/dev/null || command -v chromium-browser >/dev/null || command -v google-chrome >/dev/null || need+=(chromium) ;;
    gcc)
      command -v "${CC:-gcc}" >/dev/null || need+=(gcc libc6-dev) ;;
    *) say "unknown part $part"; exit 2 ;;
  esac
done
[ ${#need[@]} -gt 0 ] || exit 0

sudo=()
if [ "$(id -u)" -ne 0 ]; then
  if command -v sudo >/dev/null && sudo -n true 2>/dev/null; then sudo=(sudo -n); else sudo=(false); fi
fi
if ! command -v apt-get >/dev/null || [ "${sudo[0]:-}" = false ]; then
  say "this machine lacks: ${need[*]}"
  say "please install them, on Debian or Ubuntu with: sudo apt-get install ${need[*]}"
  # rappel dev can fetch PostgreSQL by itself; everything else is needed.
  if [ "$*" = postgresql ]; then say "going on: PostgreSQL will be fetched by the program"; exit 0; fi
  exit 1
fi
say "installing ${need[*]} from Debian's packages"
export DEBIAN_FRONTEND=noninteractive
if ! { "${sudo[@]}" apt-get update -qq && "${sudo[@]}" apt-get install -y -qq --no-install-recommends "${need[@]}"; } >/tmp/rappel-setup.$$ 2>&1; then
  tail -n 20 /tmp/rappel-setup.$$
  say "installing failed; please install by hand: apt-get install ${need[*]}"
  rm -f /tmp/rappel-setup.$$
  exit 1
fi
rm -f /tmp/rappel-setup.$$
# Debian starts a server of its own with the package; we run our own, so it only
# takes memory. Not an error where there is none.
if [ ${#sudo[@]} -eq 0 ] && command -v pg_ctlcluster >/dev/null && [ "${CI:-}" = true ]; then
  for v in /etc/postgresql/*/main; do [ -d "$v" ] && pg_ctlcluster "$(basename "$(dirname "$v")")" main stop >/dev/null 2>&1 || true; done
fi
say "done"
