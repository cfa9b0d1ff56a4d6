# shellcheck shell=bash
# Layer 1, Docker: docker/compose.yaml knows the parts, their order and their health; this file only tells Docker
# Compose what to do and says what it does. Implements the same layer_… functions as docker/native/native.sh.

# shellcheck source=docker/faults.sh
. "$ROOT/docker/faults.sh"
# shellcheck source=docker/buy.sh
. "$ROOT/docker/buy.sh"
# shellcheck source=docker/native/folder.sh
. "$ROOT/docker/native/folder.sh" # for the logs and the pid files
# shellcheck source=docker/native/processes.sh
. "$ROOT/docker/native/processes.sh" # for the lock, and for the simulated visitors, who run here
# shellcheck source=docker/native/tools.sh
. "$ROOT/docker/native/tools.sh" # a developer's cargo leptos runs here, too

SERVERS='broker1 broker2 broker3 postgres'
ALL="$SERVERS consumer app kafka-ui pgadmin"
# Their ports are checked for one that another program holds: PART PORT SETTING
PUBLISHED="broker1 $BROKER1_PORT BROKER1_PORT
broker2 $BROKER2_PORT BROKER2_PORT
broker3 $BROKER3_PORT BROKER3_PORT
postgres $POSTGRES_PORT POSTGRES_PORT
app ${LEPTOS_SITE_ADDR##*:} LEPTOS_SITE_ADDR
app ${GRPC_ADDR##*:} GRPC_ADDR
app ${APP_OPS_ADDR##*:} APP_OPS_ADDR
consumer ${CONSUMER_OPS_ADDR##*:} CONSUMER_OPS_ADDR
kafka-ui $KAFKA_UI_PORT KAFKA_UI_PORT
pgadmin $PGADMIN_PORT PGADMIN_PORT"

# settings.sh has read .env and exported what the file mentions, so Compose needs no env file of its own.
dc() { docker compose -f "$ROOT/docker/compose.yaml" "$@"; }

layer_name() { printf 'in Docker'; }
layer_parts() { printf '%s' "$ALL"; }
layer_data() { printf 'the Docker volumes clickshop_broker1 … clickshop_postgres'; }
shop_addr() { printf '127.0.0.1:%s' "${LEPTOS_SITE_ADDR##*:}"; }
layer_psql_command() { printf 'bash start_script.sh psql -c "SELECT * FROM clickstream_data ORDER BY creation_timestamp DESC LIMIT 10"'; }
layer_extra_addresses() {
  say "Kafka UI         http://127.0.0.1:$KAFKA_UI_PORT"
  say "pgAdmin          http://127.0.0.1:$PGADMIN_PORT"
  if [ "$VERB" = dev ] && runs app; then say 'The shop of this stack runs, too. Before cargo leptos watch: bash start_script.sh stop app'; fi
}

running_parts() { dc ps --services --status running 2>/dev/null | sort; }
runs() { running_parts | grep -qx "$1"; }
volume_there() { docker volume inspect "clickshop_$1" >/dev/null 2>&1; }

check_ports() {
  local part port setting bad=0 running
  running=$(running_parts)
  while read -r part port setting; do
    case " $1 " in *" $part "*) ;; *) continue ;; esac
    printf '%s\n' "$running" | grep -qx "$part" || check_port "$port" "$part" "$setting" || bad=1
  done <<<"$PUBLISHED"
  return "$bad"
}

# Offsets live in Postgres and count records in Kafka: one without the other is a story with a missing half.
check_histories() {
  if volume_there postgres && ! volume_there broker1; then
    complain 'Kafka is empty and new, but Postgres remembers how far it had read another Kafka.'
    say "   Kafka's volumes were deleted, Postgres's was not. Going on would count new events as ones already stored,"
    say '   so the consumer refuses it. Begin anew with both: bash start_script.sh --fresh'
    return 1
  fi
  if volume_there broker1 && ! volume_there postgres; then
    warn 'Postgres is empty and new, Kafka is not: the consumer will read again what Kafka still has (up to 7 days)'
    warn 'and store it; older events are gone with the old tables. For a clean start: bash start_script.sh --fresh'
  fi
}

setup_finished() { # 0 done, 1 not yet, 2 failed
  local id
  id=$(dc ps --all --quiet setup) && [ -n "$id" ] || return 1
  case $(docker inspect --format '{{.State.Status}} {{.State.ExitCode}}' "$id") in
    'exited 0') return 0 ;;
    exited*) return 2 ;;
    *) return 1 ;;
  esac
}
shop_answers() { http_ok "$APP_OPS_ADDR" /readyz; }

# layer_up up|dev
layer_up() {
  local wanted=$ALL before
  [ "$1" = up ] || wanted="$SERVERS kafka-ui pgadmin"
  before=$(running_parts)
  # shellcheck disable=SC2086
  if [ "$(printf '%s\n' $wanted | sort)" = "$(printf '%s\n' "$before" | grep -xF "$(printf '%s\n' $wanted)")" ]; then
    say 'The stack already runs; nothing was started. (After a change in the code: bash start_script.sh restart app)'
    # shellcheck disable=SC2034 # start_script.sh's
    FOUND_RUNNING=yes
    return 0
  fi
  step 'Looking at this machine'
  check_machine
  docker image inspect clickshop:local >/dev/null 2>&1 || note 'will download about 1.5 GB of images and crates and compile; 10 to 20 minutes, once'
  check_ports "$wanted" || return 1
  check_histories || return 1
  # The lab is compiled here, once everything runs: better to learn now that nothing can compile it.
  [ -z "$SEED$TRAFFIC" ] || need_compiler || return 1
  step 'Building the image of our programs'
  dc build setup || return 1
  step 'Starting everything in its order (brokers and Postgres, topic and tables, the rest)'
  # Written down first: Ctrl-C, or a failure half way, stops exactly what did not run before.
  # shellcheck disable=SC2086
  comm -13 <(printf '%s\n' "$before") <(printf '%s\n' $wanted setup | sort) >>"$STARTED"
  # shellcheck disable=SC2086
  dc up -d --no-build $wanted setup || { dc logs --tail 20; return 1; }
  # `up` has waited for setup, on which the shop depends; of dev's parts none does.
  if [ "$1" = dev ]; then
    wait_for 'topic and tables' $((${SETUP_TIMEOUT_S:-120} + 10)) '' setup_finished || { dc logs --tail 20 setup; return 1; }
  else
    wait_for 'the shop' 60 '' shop_answers || { dc logs --tail 20 app; return 1; }
  fi
  done_note 'all parts are up'
}

# The browser's part is in the image.
layer_frontend() { :; }

# layer_follow PART…: until a signal's trap ends the script.
layer_follow() {
  dc logs --follow --tail 0 "$@" &
  # shellcheck disable=SC2034 # start_script.sh's
  FOLLOW_JOB=$!
  wait
}

layer_down() { stop_process traffic TERM 5 && dc down && say 'All stopped. The data stays in Docker volumes for the next start.'; }
layer_status() {
  local part bad=0
  dc ps --all
  for part in $SERVERS consumer app; do
    runs "$part" || { bad=1 && say "$part does not run."; }
  done
  [ "$bad" -eq 0 ] || say 'What is missing is started by: bash start_script.sh'
  return "$bad"
}
layer_stop() { dc stop "$1"; }
layer_stop_started() {
  local part parts=()
  for part in "$@"; do if [ "$part" = traffic ]; then stop_process traffic TERM 5; else parts+=("$part"); fi; done
  [ "${#parts[@]}" -eq 0 ] || dc stop "${parts[@]}"
}
layer_restart() {
  case $1 in
    # A consumer of the version before must not meet newer tables.
    app | consumer) dc build setup && dc stop consumer && dc run --rm --no-deps setup && dc up -d --no-deps consumer "$1" ;;
    *) dc restart "$1" ;;
  esac
}
# A part that is killed by hand is not restarted by Docker: that is left to `mend`.
layer_break() {
  runs "$1" || die "$1 does not run, so there is nothing to break. What is missing is started by: bash start_script.sh mend"
  dc kill -s KILL "$1" && say_broken "$1"
}
layer_mend() {
  local part missing=''
  for part in $(dc ps --all --services | grep -vx setup); do runs "$part" || missing="$missing $part"; done
  [ -n "$missing" ] || { say 'Everything runs; there is nothing to mend.'; return 0; }
  # shellcheck disable=SC2086
  dc up -d --no-build --no-recreate $missing && say "Running again:$missing."
}
layer_logs() { if [ -t 1 ]; then dc logs --tail 100 --follow "$1"; else dc logs --no-color --tail 200 "$1"; fi; }
layer_psql() {
  local terminal=''
  [ -t 0 ] && [ -t 1 ] || terminal=-T
  dc exec $terminal -e PGPASSWORD=default123 postgres psql -h 127.0.0.1 -U default -d clickstream "$@"
}
layer_wipe() { dc down --volumes; }

# The lab is not in the image: it is built here and meets the published ports.
build_lab() {
  step 'The lab (compiled the first time, some minutes)'
  need_compiler && (cd "$ROOT" && cargo build --release -p lab)
}
layer_seed() { build_lab && env KAFKA_BROKERS="$STACK_BROKERS" DATABASE_URL="$STACK_DATABASE_URL" "$TARGET/release/lab" seed --count "$1"; }
layer_traffic() {
  build_lab || return 1
  stop_process traffic TERM 5
  start_process traffic "$TARGET/release/lab" traffic --visitors "$1" --shop "http://$(shop_addr)"
}
