#!/usr/bin/env bash
# The browser's part, made while the shop already serves: tools (cargo-leptos, wasm-bindgen, sass, wasm-opt),
# then the WASM bundle, built beside the served one and put in its place in one move.
# What became of it stands in $RUN/frontend.state, one line: "working …", "ready …" or "off: …".
set -euo pipefail
ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
# shellcheck source=SCRIPTDIR/../lib.sh
. "$ROOT/docker/lib.sh"
# shellcheck source=SCRIPTDIR/../settings.sh
. "$ROOT/docker/settings.sh"
# shellcheck source=SCRIPTDIR/kafka.sh
. "$ROOT/docker/native/kafka.sh"
# shellcheck source=SCRIPTDIR/postgres.sh
. "$ROOT/docker/native/postgres.sh"
# shellcheck source=SCRIPTDIR/tools.sh
. "$ROOT/docker/native/tools.sh"
# shellcheck source=SCRIPTDIR/programs.sh
. "$ROOT/docker/native/programs.sh"

state() {
  mkdir -p "$RUN"
  printf '%s\n' "$*" >"$RUN/frontend.state.new"
  mv "$RUN/frontend.state.new" "$RUN/frontend.state"
  say "$*"
}
off() {
  state "off: $* (the shop works without it; details: $LOGS/frontend.log)"
  exit 1
}
trap 'case $(cat "$RUN/frontend.state") in working*) state "off: stopped before it was done; bash start_script.sh takes it up again" ;; esac' EXIT
trap 'rm -f "$RUN/frontend.state"; trap - EXIT; exit 143' TERM

state 'working: fetching the tools for the browser part'
need_wasm_target || off 'no WASM target'
need_npm_tools || off 'no sass or wasm-opt'
need_cargo_leptos || off 'no cargo-leptos'
need_wasm_bindgen || off 'no wasm-bindgen'

state 'working: compiling the browser part'
rm -rf "$WEB/next"
mkdir -p "$WEB/next/site"
touch "$WEB/next/built" # sources changed after this moment make the bundle stale
(cd "$ROOT" && LEPTOS_SITE_ROOT=$WEB/next/site LEPTOS_HASH_FILE_NAME=$WEB/next/hash.txt cargo leptos build --release --precompress --frontend-only) ||
  off 'the bundle did not build'

rm -rf "$WEB/old"
[ ! -d "$WEB/site" ] || mv "$WEB/site" "$WEB/old"
mv "$WEB/next/site" "$WEB/site"
mv "$WEB/next/hash.txt" "$WEB/hash.txt"
mv "$WEB/next/built" "$WEB/built"
rm -rf "$WEB/old" "$WEB/next"
compressed=$(find "$WEB/site/pkg" -name '*.wasm.br' -exec cat {} + | wc -c)
state "ready ($((compressed / 1000)) kB of WASM over the wire)"
