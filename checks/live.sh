# shellcheck shell=bash
# What needs servers or a browser. Sourced by test.sh, after static.sh.

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

servers_up() { bash docker/native/servers.sh up; }

# Also called on the way out, whatever happened before.
servers_down() {
  [ -d "$CLICKSHOP_DATA" ] || return 0
  bash docker/native/servers.sh wipe >"$ARTIFACTS/logs/servers-down.log" 2>&1 || last_lines "$ARTIFACTS/logs/servers-down.log"
  [ ! -d "$LOGS" ] || cp -R "$LOGS" "$ARTIFACTS/logs/servers"
}

# Databases of their own, made by sqlx::test on the run's server.
# shellcheck disable=SC2086
test_store() { rests_on build_everything && rests_on servers_up && cargo test --no-fail-fast $WORKSPACE --test it; }

# The built programs on the run's cluster; the tests make topics and databases of their own.
# They wait more than they work, hence four at a time.
# shellcheck disable=SC2086
test_pipeline() { rests_on build_everything && rests_on servers_up && cargo test --no-fail-fast $WORKSPACE --test pipeline -- --test-threads 4; }

# Playwright, against a shop and a consumer on a topic and a database of their own.
test_browser() {
  rests_on build_everything && rests_on servers_up && rests_on build_bundle && need_playwright || return 1
  local folder=$ARTIFACTS/logs programs=$CARGO_TARGET_DIR/debug consumer shop code=0
  empty_database browser || return 1
  export DATABASE_URL=${DATABASE_URL%/*}/browser KAFKA_TOPIC=browser CONSUMER_GROUP=browser
  # In $SCRATCH: from the repository they would read a developer's .env.
  (cd "$SCRATCH" && OPS_ADDR=127.0.0.1:0 exec "$programs/consumer" setup) || return 1
  (cd "$SCRATCH" && OPS_ADDR=$CONSUMER_OPS_ADDR exec "$programs/consumer") >"$folder/browser-consumer.log" 2>&1 &
  consumer=$!
  (cd "$SCRATCH" && OPS_ADDR=$APP_OPS_ADDR LEPTOS_SITE_ROOT=$SITE LEPTOS_HASH_FILE_NAME=$HASHES LEPTOS_ENV=PROD \
    exec "$programs/app") >"$folder/browser-app.log" 2>&1 &
  shop=$!
  # shellcheck disable=SC2064 # these two, now
  trap "kill $consumer $shop 2>/dev/null" EXIT
  wait_for 'the shop' 30 "$folder/browser-app.log" http_ok "$LEPTOS_SITE_ADDR" / || return 1
  wait_for 'the consumer' 30 "$folder/browser-consumer.log" http_ok "$CONSUMER_OPS_ADDR" /readyz || return 1
  (cd e2e && SHOP_URL=http://$LEPTOS_SITE_ADDR npx playwright test) || code=1
  return "$code"
}

# Each kind of fault once, on a cluster of the drill's own.
test_drill() { rests_on build_everything && "$CARGO_TARGET_DIR/debug/lab" drill --short; }

# on_a_stack COMMAND…: with the start script's own stack, on the run's servers.
on_a_stack() {
  rests_on build_everything && rests_on servers_up
  export CLICKSHOP_PROGRAMS=$CARGO_TARGET_DIR/debug
  local code=0
  bash start_script.sh --native --yes -d || return 1
  "$@" || code=1
  bash start_script.sh stop app && bash start_script.sh stop consumer && return "$code"
}

# Two of README's sections, typed; the first breaks the stack and mends it.
test_ten_minutes() { on_a_stack bash checks/typed.sh 'Ten minutes'; }
test_sending() { on_a_stack bash checks/typed.sh 'Send events from anywhere'; }

test_examples() { COLLECTOR_PORTS=$(free_ports 2) on_a_stack bash checks/examples.sh; }

# .sqlx says the same as the migrations and the queries.
check_queries() {
  rests_on servers_up
  empty_database queries && DATABASE_URL=${DATABASE_URL%/*}/queries bash store/prepare.sh --check
}

empty_database() { sql postgres "CREATE DATABASE $1"; }
