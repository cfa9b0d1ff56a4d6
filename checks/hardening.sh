# shellcheck shell=bash
# What looks for inputs that nobody thought of. Sourced by test.sh, after live.sh.

# Seconds for each target; fuzz/README.md says how long they were run beforehand.
FUZZ_S=2
[ "$MODE" != full ] || FUZZ_S=10

# Each target from its seeds, with inputs that the compiler's coverage leads to. Stable Rust is enough without a
# sanitizer, and there is no unsafe code for one to watch.
test_fuzz() {
  rests_on install_tools
  local target code=0
  cargo fuzz build --sanitizer none || return 1
  for target in $(cargo fuzz list); do
    mkdir -p "$SCRATCH/fuzz/$target"
    cargo fuzz run --sanitizer none "$target" "$SCRATCH/fuzz/$target" "fuzz/seeds/$target" -- \
      -max_total_time="$FUZZ_S" -max_len=4096 -print_final_stats=1 || code=1
  done
  [ ! -d fuzz/artifacts ] || cp -R fuzz/artifacts "$ARTIFACTS/fuzz"
  return "$code"
}

# The collector does what its own description says, whatever it is sent. Kafka is librdkafka's own mock; the database is
# the run's, with the tables.
test_description() {
  rests_on build_everything && rests_on servers_up && rests_on install_tools && need_schemathesis || return 1
  local port log=$ARTIFACTS/logs/description-collector.log collector code=0
  empty_database description || return 1
  export DATABASE_URL=${DATABASE_URL%/*}/description KAFKA_TOPIC=description
  (cd "$SCRATCH" && OPS_ADDR=127.0.0.1:0 exec "$CARGO_TARGET_DIR/debug/consumer" setup) || return 1
  port=$(free_ports 1) port=${port% }
  (cd "$SCRATCH" && SERVER_PORT=$port GRPC_ADDR=127.0.0.1:0 OPS_ADDR=127.0.0.1:0 SPOOL_MAX_BYTES=0 \
    KAFKA_BROKERS=127.0.0.1:1 KAFKA_PROPERTY_TEST_MOCK_NUM_BROKERS=1 exec "$CARGO_TARGET_DIR/debug/collector") >"$log" 2>&1 &
  collector=$!
  # shellcheck disable=SC2064 # this one, now
  trap "kill $collector 2>/dev/null" EXIT
  wait_for 'the collector' 30 "$log" http_ok "127.0.0.1:$port" /health || return 1
  schemathesis --config-file checks/schemathesis.toml run "http://127.0.0.1:$port/docs/openapi.json" || code=1
  return "$code"
}
