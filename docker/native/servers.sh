#!/usr/bin/env bash
# Three brokers and Postgres, nothing else: for tests and drills, which bring their own ports and data folder.
#   servers.sh up | down | wipe      start what does not run and wait for it | stop | stop and delete the data
#   servers.sh start|stop|kill9 PART   one of broker1 broker2 broker3 postgres; `start` waits until it serves
#   servers.sh status | env          | KAFKA_BROKERS=… and DATABASE_URL=… for the programs
#   servers.sh tool CLASS ARGS…      one of Kafka's own command-line tools
# Settings: CLICKSHOP_DATA, BROKER1_PORT … BROKER3_PORT, CONTROLLER1_PORT … CONTROLLER3_PORT, POSTGRES_PORT.
set -euo pipefail
ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
# shellcheck source=SCRIPTDIR/../lib.sh
. "$ROOT/docker/lib.sh"
# shellcheck source=SCRIPTDIR/../settings.sh
. "$ROOT/docker/settings.sh"
WITH_PGADMIN=no
# shellcheck source=SCRIPTDIR/native.sh
. "$ROOT/docker/native/native.sh"

part=${2:-}
case ${1:-} in start | stop | kill9)
  case " $SERVERS " in *" $part "*) ;; *) die "servers.sh $1 needs one of: $SERVERS" ;; esac
  ;;
esac

case ${1:-} in
  up)
    check_ports servers || exit 1
    servers_up
    ;;
  down)
    # shellcheck disable=SC2086
    stop_parts $SERVERS
    ;;
  wipe) layer_wipe ;;
  start) layer_restart "$part" ;;
  stop) stop_parts "$part" ;;
  kill9)
    pid=$(pid_of "$part") || die "$part does not run."
    kill -KILL "$pid"
    await_end "$part" "$pid" 5
    ;;
  status)
    for part in $SERVERS; do if alive "$part"; then say "$part running $(pid_of "$part")"; else say "$part off"; fi; done
    ;;
  env) printf 'KAFKA_BROKERS=%s\nDATABASE_URL=%s\n' "$STACK_BROKERS" "$STACK_DATABASE_URL" ;;
  tool)
    shift
    kafka_tool "$@"
    ;;
  *) sed -n '2,8s/^# \{0,1\}//p' "${BASH_SOURCE[0]}" ;;
esac
