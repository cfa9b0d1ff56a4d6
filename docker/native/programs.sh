# shellcheck shell=bash
# Our own programs: built once, told where the stack's servers are, and started from the release binaries.
# The browser's part (WASM, style sheet) is served from $WEB; see frontend.sh, which fills it.

# site/ is what the shop serves and looks into once a second, hash.txt names its files, built is as old as they are.
# Not target/site: `cargo leptos watch` empties that.
WEB=$TARGET/web

# Where the programs are taken from; the tests have built theirs already.
PROGRAMS=${CLICKSHOP_PROGRAMS:-$TARGET/release}

# Where a client on this machine reaches an address that may be 0.0.0.0.
shop_addr() { printf '%s' "${LEPTOS_SITE_ADDR/#0.0.0.0:/127.0.0.1:}"; }

leptos_setting() { sed -n "s/^$1 *= *\"\(.*\)\"/\1/p" "$ROOT/Cargo.toml" "$ROOT/app/Cargo.toml" 2>/dev/null | head -n 1; }

# with_settings OPS_ADDR COMMAND…: the command meets this stack's servers.
with_settings() {
  local ops=$1
  shift
  env KAFKA_BROKERS="$STACK_BROKERS" DATABASE_URL="$STACK_DATABASE_URL" OPS_ADDR="$ops" "$@"
}

build_programs() {
  [ -z "${CLICKSHOP_PROGRAMS:-}" ] || return 0
  (cd "$ROOT" && cargo build --release -p consumer -p app --features app/ssr "$@")
}

# Apart from the others: built together, their shared dependencies would get other features, and all be built anew.
build_lab() {
  step 'The lab (compiled the first time, some minutes)'
  (cd "$ROOT" && cargo build --release -p lab)
}

start_consumer() { alive consumer || start_process consumer env KAFKA_BROKERS="$STACK_BROKERS" DATABASE_URL="$STACK_DATABASE_URL" OPS_ADDR="$CONSUMER_OPS_ADDR" "$PROGRAMS/consumer" run; }

start_app() {
  alive app && return 0
  start_process app env KAFKA_BROKERS="$STACK_BROKERS" DATABASE_URL="$STACK_DATABASE_URL" OPS_ADDR="$APP_OPS_ADDR" \
    SPOOL_DIR="$CLICKSHOP_DATA/spool" LEPTOS_SITE_ADDR="$LEPTOS_SITE_ADDR" GRPC_ADDR="$GRPC_ADDR" LEPTOS_SITE_ROOT="$WEB/site" \
    LEPTOS_HASH_FILE_NAME="$WEB/hash.txt" "$PROGRAMS/app"
}

# Health is asked at the operators' address: a request for a page would count as a visit.
app_ready() {
  alive app || return 2
  http_ok "$APP_OPS_ADDR" /readyz
}
consumer_ready() {
  alive consumer || return 2
  http_ok "$CONSUMER_OPS_ADDR" /readyz
}

# A program that was built anew since it was started is started again by `up`.
outdated() { alive "$1" && [ "$PROGRAMS/$1" -nt "$RUN/$1.pid" ]; }

# Topic and tables; safe to repeat.
# run_setup CONSUMER
run_setup() { run_quietly "$LOGS/setup.log" with_settings 127.0.0.1:0 "$1" setup; }

# The same for programs that were built anew. A consumer of the version before must not meet newer tables: it is stopped
# here, and the caller starts it again.
setup_for_new() {
  if outdated consumer; then
    note 'consumer was built anew: starting it again'
    stop_process consumer TERM 12
  fi
  run_setup "$PROGRAMS/consumer"
}

# The bundle is older than a source it was made from.
web_is_current() {
  [ -f "$WEB/built" ] || return 1
  local newer
  newer=$(cd "$ROOT" && find app domain style Cargo.toml Cargo.lock rust-toolchain.toml -type f -newer "$WEB/built" 2>/dev/null | head -n 1) || true
  [ -z "$newer" ]
}

# Until the first bundle is there: the style sheet (seconds) and the assets, so that the shop looks right.
make_early_style() {
  local style assets
  [ -f "$WEB/hash.txt" ] && return 0
  style=$(leptos_setting style-file) assets=$(leptos_setting assets-dir)
  mkdir -p "$WEB/site/pkg"
  [ -z "$assets" ] || [ ! -d "$ROOT/$assets" ] || cp -R "$ROOT/$assets/." "$WEB/site/"
  [ -n "$style" ] && [ -f "$ROOT/$style" ] || return 0
  need_sass && run_quietly "$LOGS/frontend.log" sass --no-source-map --style=compressed "$ROOT/$style" "$WEB/site/pkg/$(leptos_setting output-name).css"
}
