#!/usr/bin/env bash
# Installs what the named parts need and this machine lacks, from Debian's packages,
# and says so. Where that is not possible it prints what to install and fails.
# Two parts come from npm into .cache, for tests alone: "axe" is axe-core, which tests
# accessibility; "swissqrbill" is another maker of QR-bills, which ours must agree with.
set -eu

# To raise one: npm view NAME@VERSION dist.integrity
axe_version=4.14.1
axe_sha512=FHfa+lmNjQZfJz1q8wKqIDwC6DExcHt/pkjNQb09a3NPjCKg2rhu5qb2S4r76ASyFNNtuFooJpZe37OgudVGtQ==
qrbill_version=4.4.1
qrbill_sha512=iDz+1F1trXoyUhnNWg7F4D1mmJ+0MM0JUtkTGenQw7nQGaQrHjYdEcJBkevN170B/oSNKJvpTeH92+dHGvFRnQ==
cache=$(cd "$(dirname "$0")/.." && pwd)/.cache
axe=$cache/axe-core-$axe_version.min.js
qrbill=$cache/swissqrbill-$qrbill_version

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
    axe)
      # npm only where it must be fetched, for Debian's brings much along.
      [ -f "$axe" ] || command -v npm >/dev/null || need+=(npm) ;;
    swissqrbill)
      command -v node >/dev/null || need+=(nodejs)
      [ -d "$qrbill" ] || command -v npm >/dev/null || need+=(npm) ;;
    poppler)
      { command -v pdftoppm && command -v pdftotext; } >/dev/null || need+=(poppler-utils) ;;
    *) say "unknown part $part"; exit 2 ;;
  esac
done

# fetch NAME VERSION SHA512 MEMBER TARGET puts part of an npm package where tests look for
# it. What npm hands out is used only if it is, byte for byte, what was looked at when the
# version was chosen.
fetch() {
  if [ -e "$5" ]; then return 0; fi
  say "fetching $1 $2 from npm"
  mkdir -p "$cache"
  local dir sum
  dir=$(mktemp -d "$cache/npm.XXXXXX")
  if ! (cd "$dir" && npm pack --silent --ignore-scripts "$1@$2" >/dev/null 2>npm.log); then
    tail -n 5 "$dir/npm.log"; rm -rf "$dir"
    say "npm could not fetch $1 $2; is its registry reachable?"
    return 1
  fi
  sum=$(sha512sum <"$dir/$1-$2.tgz" | cut -d ' ' -f 1)
  if [ "$sum" != "$(printf %s "$3" | base64 -d | od -An -v -tx1 | tr -d ' \n')" ]; then
    rm -rf "$dir"
    say "$1 $2 is not what it was (SHA-512 $sum): not used"
    return 1
  fi
  tar -xzf "$dir/$1-$2.tgz" -C "$dir" "$4"
  [ -e "$5" ] || mv "$dir/$4" "$5" # in one step: tests may look already
  rm -rf "$dir"
}

fetch_all() {
  case " $1 " in *" axe "*) fetch axe-core "$axe_version" "$axe_sha512" package/axe.min.js "$axe" || return 1 ;; esac
  case " $1 " in *" swissqrbill "*) fetch swissqrbill "$qrbill_version" "$qrbill_sha512" package "$qrbill" || return 1 ;; esac
}

if [ ${#need[@]} -eq 0 ]; then fetch_all "$*"; exit; fi

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
fetch_all "$*"
say "done"
