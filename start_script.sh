#!/usr/bin/env bash
# One command, from nothing to a click in Postgres. What it does for whom: bash start_script.sh --help
# This file reads the command line and tells the steps; docker/compose.sh (a Docker engine answers) and
# docker/native/native.sh (none does) implement the same layer_… functions, of which one set is loaded.
set -euo pipefail
ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=docker/lib.sh
. "$ROOT/docker/lib.sh"
# shellcheck source=docker/settings.sh
. "$ROOT/docker/settings.sh"

usage() {
  cat <<'TEXT'
bash start_script.sh [VERB] [FLAGS]
  up (default)        start everything that does not run yet; shop on http://127.0.0.1:8501
  dev                 brokers, Postgres, topic and tables only; you run the shop and the consumer
  down | status       stop everything | what runs, where
  stop|restart PART   broker1 broker2 broker3 postgres consumer app (and pgadmin, with Docker kafka-ui)
  break PART | mend   kill -9 a part on purpose | start all that died or was stopped, as it was
  buy                 one click through the shop, and what its receipt says
  logs PART | psql [ARGS…]  the part's log | psql in the database clickstream
Flags
  -d                  in the background (else Ctrl-C stops what this run started; data stays)
  --yes               answer every question with yes (installing packages, --fresh)
  --fresh             delete Kafka's and Postgres's data first (asks)
  --seed N            send N generated clicks through the real topic
  --traffic N         N simulated visitors a second, until the stack stops
  --pgadmin           pgAdmin on http://127.0.0.1:5050 too (with Docker it is always there)
  --native, --docker  not what is found, but this
Ports, folders and all other settings: .env.example
TEXT
}

VERB='' PART='' LAYER='' DETACH=no FRESH=no WITH_PGADMIN=no SEED='' TRAFFIC='' FOUND_RUNNING=no SERVERS_JOB='' FOLLOW_JOB=''
REST=()

number() { case $2 in '' | *[!0-9]* | 0*) die "$1 needs a whole number above zero, e.g. $1 100" ;; esac }

while [ $# -gt 0 ]; do
  case $1 in
    up | dev | down | status | mend | buy) [ -z "$VERB" ] || die "One verb at a time: $VERB or $1"; VERB=$1 ;;
    stop | restart | logs | break) VERB=$1 PART=${2:-} && { [ $# -eq 1 ] || shift; } ;;
    psql) VERB=psql && shift && REST=("$@") && break ;;
    -d | --detach) DETACH=yes ;;
    --yes | -y) ASSUME_YES=yes ;;
    --fresh) FRESH=yes ;;
    --pgadmin) WITH_PGADMIN=yes ;;
    --native | --docker) LAYER=${1#--} ;;
    --seed) number --seed "${2:-}" && SEED=$2 && shift ;;
    --traffic) number --traffic "${2:-}" && TRAFFIC=$2 && shift ;;
    -h | --help | help) usage && exit 0 ;;
    *) die "I don't know '$1'. What there is: bash start_script.sh --help" ;;
  esac
  shift
done
VERB=${VERB:-up}

docker_answers() { have docker && docker compose version >/dev/null 2>&1 && docker info >/dev/null 2>&1; }

# A stack that runs is met by the layer that started it; a new one takes Docker when an engine answers.
[ -n "$LAYER" ] || { [ -s "$RUN/layer" ] && LAYER=$(cat "$RUN/layer"); } || { docker_answers && LAYER=docker; } || LAYER=native
if [ "$LAYER" = docker ]; then
  docker_answers || die "No Docker engine with 'docker compose' answers here. Start Docker, or use: bash start_script.sh --native"
  # shellcheck source=docker/compose.sh
  . "$ROOT/docker/compose.sh"
else
  # shellcheck source=docker/native/native.sh
  . "$ROOT/docker/native/native.sh"
fi

case $VERB in stop | restart | logs | break)
  case " $(layer_parts) " in *" ${PART:-none} "*) ;; *) die "$VERB needs one of: $(layer_parts)" ;; esac
  ;;
esac

# Whatever ends this run too early, or Ctrl-C: stop what it started, and only that.
undo() {
  trap '' INT TERM HUP PIPE && set +e
  trap - EXIT
  [ -z "$FOLLOW_JOB" ] || kill "$FOLLOW_JOB" 2>/dev/null || true
  [ -z "$SERVERS_JOB" ] || kill "$SERVERS_JOB" 2>/dev/null || true
  if [ -s "$STARTED" ]; then
    say ''
    say 'Stopping what this run started …'
    # shellcheck disable=SC2046
    layer_stop_started $(sort -u "$STARTED")
    say "The data stays for the next start: bash start_script.sh"
  fi
  rm -f "$STARTED"
  ls "$RUN"/*.pid >/dev/null 2>&1 || rm -f "$RUN/layer"
  unlock_stack
}

addresses() {
  say ''
  say "${BOLD}The stack runs $(layer_name).${PLAIN}"
  [ "$VERB" = dev ] || say "Shop             http://$(shop_addr)"
  [ "$VERB" = dev ] || say "gRPC             $GRPC_ADDR"
  say "Kafka            $STACK_BROKERS (topic ${KAFKA_TOPIC:-clickstream})"
  say "Postgres         $STACK_DATABASE_URL"
  layer_extra_addresses
  if [ "$VERB" = dev ]; then
    say 'Now, each in a terminal of its own:'
    say "  $(stack_settings)cargo leptos watch"
    say "  $(stack_settings)cargo run -p consumer"
  else
    say "See the rows     $(layer_psql_command)"
    say "Health           http://$APP_OPS_ADDR/readyz (shop), http://$CONSUMER_OPS_ADDR/readyz (consumer), /metrics on both"
  fi
  say 'More             bash start_script.sh status | logs consumer | stop broker2 | down'
}

start_stack() {
  lock_stack
  STARTED=$RUN/started.$$
  : >"$STARTED"
  trap undo EXIT
  trap 'exit 130' INT
  trap 'exit 143' TERM HUP
  layer_up "$VERB" || exit 1
  printf '%s\n' "$LAYER" >"$RUN/layer"
  if [ "$VERB" = up ]; then layer_frontend; else dev_tools; fi
  unlock_stack
  addresses
  [ -z "$SEED" ] || layer_seed "$SEED" || warn 'Nothing, or not all of it, was seeded; the stack runs.'
  [ -z "$TRAFFIC" ] || layer_traffic "$TRAFFIC" || warn 'There are no simulated visitors; the stack runs.'
  if [ "$DETACH" = yes ] || [ "$FOUND_RUNNING" = yes ]; then
    trap - EXIT
    rm -f "$STARTED"
  else
    say "${BOLD}Ctrl-C stops it.${PLAIN} The log lines of all parts:"
    # shellcheck disable=SC2046
    layer_follow $(layer_parts)
  fi
}

fresh_start() {
  ask "--fresh deletes all events and rows in $(layer_data). Really?" || die 'Nothing was deleted. (Without a terminal, add --yes.)'
  lock_stack
  layer_wipe
  unlock_stack
}

[ "$FRESH" = no ] || case $VERB in up | dev | down) fresh_start ;; *) die '--fresh goes with up, dev or down' ;; esac
case $VERB in
  up | dev) start_stack ;;
  down) lock_stack && layer_down && rm -f "$RUN/layer" && unlock_stack ;;
  psql) layer_psql ${REST[@]+"${REST[@]}"} ;;
  stop | restart | logs | break) "layer_$VERB" "$PART" ;;
  *) "layer_$VERB" ;;
esac
