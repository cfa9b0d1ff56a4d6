# shellcheck shell=bash
# The test run's own addresses: free ports and a temporary folder, set before .env is read, so that a
# developer's settings and servers are left alone. Sourced by test.sh, before docker/settings.sh.

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
  POSTGRES_PORT SHOP_PORT APP_OPS_PORT CONSUMER_OPS_PORT <<<"$(free_ports 10)"
CLICKSHOP_DATA=$SCRATCH/servers
LEPTOS_SITE_ADDR=127.0.0.1:$SHOP_PORT
APP_OPS_ADDR=127.0.0.1:$APP_OPS_PORT
CONSUMER_OPS_ADDR=127.0.0.1:$CONSUMER_OPS_PORT
KAFKA_BROKERS=127.0.0.1:$BROKER1_PORT,127.0.0.1:$BROKER2_PORT,127.0.0.1:$BROKER3_PORT
DATABASE_URL=postgres://default:default123@127.0.0.1:$POSTGRES_PORT/clickstream
export BROKER1_PORT BROKER2_PORT BROKER3_PORT CONTROLLER1_PORT CONTROLLER2_PORT CONTROLLER3_PORT POSTGRES_PORT \
  CLICKSHOP_DATA LEPTOS_SITE_ADDR APP_OPS_ADDR CONSUMER_OPS_ADDR KAFKA_BROKERS DATABASE_URL
# Whatever a developer's shell says about these, a test decides for itself.
unset KAFKA_TOPIC CONSUMER_GROUP OPS_ADDR

# Larger numbers for `./test.sh full`; the tests read them, and their defaults are in the tests.
if [ "$MODE" = full ]; then
  export PIPELINE_BACKLOG=500000 PIPELINE_KILLS=25 PROPTEST_CASES=5000
fi
