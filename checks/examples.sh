#!/usr/bin/env bash
# Runs every program of examples/ on the stack that runs here, and waits until what it sent are rows.
#   checks/examples.sh     on default ports, or those of the environment
# COLLECTOR_PORTS are the two of a collector alone, for HTTP and gRPC.
# The page, examples/browser.html, is opened by e2e/tests/tracker.spec.ts.
set -uo pipefail
ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$ROOT" || exit 1
# shellcheck source=docker/lib.sh
. docker/lib.sh
# shellcheck source=docker/settings.sh
. docker/settings.sh
export API_URL=http://${LEPTOS_SITE_ADDR/#0.0.0.0:/127.0.0.1:}
export GRPC_ADDR=${GRPC_ADDR:-127.0.0.1:50051}
ROWS_S=60

failed=0 ran=' '
# example FILE EVENTS COMMAND…: the command ends well, and so many events of a person of its own become rows.
example() {
  local file=$1 events=$2 began rows=none
  shift 2
  ran="$ran$file "
  export USER_ID="example $file $$"
  if ! "$@"; then
    printf 'FAILED  %s\n' "$file" >&2
    failed=$((failed + 1))
    return
  fi
  began=$SECONDS
  while [ $((SECONDS - began)) -lt "$ROWS_S" ]; do
    rows=$(bash start_script.sh psql -XAtqc "SELECT count(*) FROM events WHERE username = '$USER_ID'")
    [ "$rows" != "$events" ] || break
    sleep 0.5
  done
  if [ "$rows" = "$events" ]; then
    printf 'ok  %s: %s rows\n' "$file" "$rows"
  else
    printf 'FAILED  %s: %s rows instead of %s\n' "$file" "$rows" "$events" >&2
    failed=$((failed + 1))
  fi
}

example send_events.sh 10 examples/send_events.sh
example curl.sh 8 examples/curl.sh
example grpcurl.sh 1 examples/grpcurl.sh
example segment_client.mjs 3 node examples/segment_client.mjs
example seed.py 1200 python3 examples/seed.py 1200

# The collector alone, as README.md starts it beside a shop: it compiles by itself and serves both protocols.
alone() {
  local port=$1 grpc=$2 log=$3 collector code=1 i
  SERVER_PORT=$port GRPC_ADDR=127.0.0.1:$grpc OPS_ADDR=127.0.0.1:0 cargo run --locked -p collector >"$log" 2>&1 &
  collector=$!
  for ((i = 0; i < 600; i++)); do
    [ -n "$(jobs -pr)" ] || break
    if curl -sf "http://127.0.0.1:$port/health" >/dev/null; then
      API_URL=http://127.0.0.1:$port GRPC_ADDR=127.0.0.1:$grpc examples/grpcurl.sh && code=0
      break
    fi
    sleep 1
  done
  kill "$collector" 2>/dev/null
  wait "$collector"
  [ "$code" -eq 0 ] || tail -n 20 "$log" >&2
  return "$code"
}
read -r port grpc <<<"${COLLECTOR_PORTS:-8081 50052}"
example 'the collector alone' 1 alone "$port" "$grpc" "${ARTIFACTS:-${TMPDIR:-/tmp}}/collector-alone.log"

for file in examples/*; do
  case ${file##*/} in README.md | browser.html) continue ;; esac
  case $ran in *" ${file##*/} "*) ;; *) printf 'FAILED  %s: nobody runs it\n' "$file" >&2 && failed=$((failed + 1)) ;; esac
done
printf '%s failed\n' "$failed"
[ "$failed" -eq 0 ]
