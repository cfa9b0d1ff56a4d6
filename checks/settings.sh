# shellcheck shell=bash
# The test run's own addresses: free ports and a temporary folder. A developer's .env is not read, and what a
# developer's shell says about our programs is forgotten: the run means the same everywhere. Sourced by test.sh, before docker/settings.sh.

# free_ports N: that many ports nobody listens on, below the range from which systems take the ports of
# outgoing connections (32768 and up on Linux, 49152 on macOS).
free_ports() {
  local port found=0 seen=' '
  while [ "$found" -lt "$1" ]; do
    port=$((20000 + RANDOM % 12000))
    case $seen in *" $port "*) continue ;; esac
    seen="$seen$port "
    port_open "$port" && continue
    printf '%s ' "$port"
    found=$((found + 1))
  done
}

read -r BROKER1_PORT BROKER2_PORT BROKER3_PORT CONTROLLER1_PORT CONTROLLER2_PORT CONTROLLER3_PORT \
  POSTGRES_PORT SHOP_PORT GRPC_PORT APP_OPS_PORT CONSUMER_OPS_PORT <<<"$(free_ports 11)"
CLICKSHOP_DATA=$SCRATCH/servers
LEPTOS_SITE_ADDR=127.0.0.1:$SHOP_PORT
GRPC_ADDR=127.0.0.1:$GRPC_PORT
APP_OPS_ADDR=127.0.0.1:$APP_OPS_PORT
CONSUMER_OPS_ADDR=127.0.0.1:$CONSUMER_OPS_PORT
KAFKA_BROKERS=127.0.0.1:$BROKER1_PORT,127.0.0.1:$BROKER2_PORT,127.0.0.1:$BROKER3_PORT
DATABASE_URL=postgres://default:default123@127.0.0.1:$POSTGRES_PORT/clickstream
export BROKER1_PORT BROKER2_PORT BROKER3_PORT CONTROLLER1_PORT CONTROLLER2_PORT CONTROLLER3_PORT POSTGRES_PORT \
  CLICKSHOP_DATA LEPTOS_SITE_ADDR GRPC_ADDR APP_OPS_ADDR CONSUMER_OPS_ADDR KAFKA_BROKERS DATABASE_URL

export CLICKSHOP_ENV_FILE=/dev/null
# shellcheck disable=SC2086 # names, none or several
unset KAFKA_TOPIC CONSUMER_GROUP OPS_ADDR SPOOL_DIR SPOOL_MAX_BYTES STAFF_TOKEN STAFF_PEERS WRITE_KEYS SHOP_WRITE_KEY CORS_ORIGINS TRUSTED_PROXIES RATE_LIMIT_ADDRESS RATE_LIMIT_KEY INTAKE_MAX_BYTES CONNECTIONS_MAX TRUNCATE_IP RESPECT_DNT SERVER_HOST SERVER_PORT WITHOUT_DATABASE BATCH_EVENTS WRITE_CONNECTIONS RUST_LOG LOG_FORMAT \
  KAFKA_TOPIC_PARTITIONS KAFKA_REPLICATION_FACTOR KAFKA_RETENTION_HOURS SETUP_TIMEOUT_S BROKER_HEAP \
  LEPTOS_SITE_ROOT LEPTOS_HASH_FILE_NAME LEPTOS_RELOAD_PORT LEPTOS_WATCH LEPTOS_ENV ${!KAFKA_PROPERTY_@}

# Larger numbers for `./test.sh full`; the tests read them, and their defaults are in the tests.
if [ "$MODE" = full ]; then
  export PIPELINE_BACKLOG=500000 PIPELINE_KILLS=25 PROPTEST_CASES=5000
fi
