# shellcheck shell=bash
# What needs servers or a browser. Sourced by test.sh.

BUNDLE_LIMIT=110000 # bytes of storefront WASM after brotli; DESIGN's budget
SITE=$SCRATCH/site
HASHES=$SCRATCH/hash.txt

build_bundle() { LEPTOS_SITE_ROOT=$SITE LEPTOS_HASH_FILE_NAME=$HASHES cargo leptos build --release --frontend-only; }

check_bundle_size() {
  rests_on build_bundle
  local wasm bytes
  wasm=$(find "$SITE/pkg" -name '*.wasm')
  [ -n "$wasm" ] || { printf 'no .wasm in the bundle\n'; return 1; }
  # shellcheck disable=SC2086
  bytes=$(cat $wasm | brotli -q 11 -c | wc -c)
  printf '%d bytes of WASM after brotli; %d is the most\n' "$bytes" "$BUNDLE_LIMIT"
  [ "$bytes" -le "$BUNDLE_LIMIT" ]
}

servers_up() { docker/native/servers.sh up; }

# Also called on the way out, whatever happened before.
servers_down() {
  [ -d "$CLICKSHOP_DATA" ] || return 0
  docker/native/servers.sh down >"$ARTIFACTS/logs/servers-down.log" 2>&1 || last_lines "$ARTIFACTS/logs/servers-down.log"
  [ ! -d "$LOGS" ] || cp -R "$LOGS" "$ARTIFACTS/logs/servers"
}
