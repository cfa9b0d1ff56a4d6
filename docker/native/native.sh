# shellcheck shell=bash
# Layer 2, no Docker: the same real servers as plain processes of this machine. Implements the layer_… functions
# that start_script.sh calls; docker/compose.sh implements the same ones.
# Parts, in the order they start: postgres broker1 broker2 broker3 consumer app, and on demand pgadmin, traffic.

for file in ../faults ../buy folder processes kafka postgres tools programs pgadmin cluster preflight follow; do
  # shellcheck source=/dev/null
  . "$ROOT/docker/native/$file.sh"
done

SERVERS="postgres $BROKERS"
KNOWN="$SERVERS consumer app pgadmin traffic frontend"

layer_name() { printf 'natively, without Docker'; }
layer_parts() { printf '%s' "$SERVERS consumer app pgadmin"; }

where_is() {
  case $1 in
    broker*) printf '127.0.0.1:%s' "$(broker_port "$1")" ;;
    postgres) printf '127.0.0.1:%s' "$POSTGRES_PORT" ;;
    app) printf 'http://%s' "$(shop_addr)" ;;
    consumer) printf 'metrics http://%s/metrics' "$CONSUMER_OPS_ADDR" ;;
    pgadmin) printf 'http://127.0.0.1:%s' "$PGADMIN_PORT" ;;
    *) ;;
  esac
}

all_alive() {
  local part
  for part in "$@"; do alive "$part" || return 1; done
}

# layer_up up|dev
layer_up() {
  local wanted=$SERVERS kafka_new=no postgres_new=no servers part
  [ "$1" = dev ] || wanted="$SERVERS consumer app"
  [ "$WITH_PGADMIN" = no ] || wanted="$wanted pgadmin"
  # shellcheck disable=SC2086
  if all_alive $wanted && { [ "$1" = dev ] || { ! outdated app && ! outdated consumer; }; }; then
    say 'The stack already runs; nothing was started. (After a change in the code: bash start_script.sh restart app)'
    # shellcheck disable=SC2034 # start_script.sh's
    FOUND_RUNNING=yes
    return 0
  fi
  step 'Looking at this machine'
  check_machine
  for part in $wanted; do if crashed "$part"; then note "$part has died and is started again"; fi; done
  announce_downloads "$1"
  check_ports "$1" || return 1
  need_packages || return 1
  need_compiler || return 1
  ! kafka_is_new || kafka_new=yes
  ! postgres_is_new || postgres_new=yes

  # shellcheck disable=SC2086
  if all_alive $SERVERS; then servers=''; else
    step 'Starting three Kafka brokers and Postgres (in the background)'
    mkdir -p "$LOGS"
    (servers_up_or_told) &
    servers=$!
    # shellcheck disable=SC2034 # start_script.sh's
    SERVERS_JOB=$servers
  fi
  step 'Building our own programs'
  build_all "$1" || return 1
  done_note built
  if [ -n "$servers" ]; then
    step 'Waiting for Kafka and Postgres'
    await_servers || return 1
    done_note 'three brokers, one Postgres'
  fi
  check_histories "$kafka_new" "$postgres_new" || return 1
  step 'Topic and tables (consumer setup)'
  if [ "$1" = dev ]; then run_setup "$TARGET/debug/consumer"; else setup_for_new; fi || return 1
  done_note "topic ${KAFKA_TOPIC:-clickstream}, database clickstream"
  printf '%s\n' "$wanted" >"$RUN/parts" # what `mend` brings back
  [ "$1" = dev ] || programs_up || return 1
  if [ "$WITH_PGADMIN" = yes ]; then
    step pgAdmin
    start_part pgadmin || return 1
    await_part pgadmin 90 || return 1
  fi
}

# The job beside the build: its steps go to a log, of which the end is shown as soon as it fails. Not after the
# build, which may take minutes more.
servers_up_or_told() {
  local job
  (servers_up) >"$LOGS/servers.log" 2>&1 &
  job=$!
  # shellcheck disable=SC2064 # this one, now
  trap "kill $job 2>/dev/null; exit 143" TERM
  wait "$job" && return 0
  complain 'Kafka and Postgres could not be started. What is being built is still built, for the next start; Ctrl-C ends it.'
  last_lines "$LOGS/servers.log" 40
  return 1
}

await_servers() {
  local part what='Kafka and Postgres'
  kafka_jars_there || what="Kafka's jars (54 MB, by Maven), then $what"
  wait_for "$what" 300 "$LOGS/servers.log" servers_settled || return 1
  wait "$SERVERS_JOB" || { complain "Kafka and Postgres could not be started: see above, or $LOGS/servers.log."; return 1; }
  SERVERS_JOB=''
  for part in $SERVERS; do
    alive "$part" || { complain "$part has died."; last_lines "$LOGS/$part.log"; return 1; }
  done
}
servers_settled() { [ -z "$(birth_of "$SERVERS_JOB")" ]; }

build_all() {
  if [ "$1" = dev ]; then
    (cd "$ROOT" && cargo build -p consumer)
  else
    build_programs
  fi
}

programs_up() {
  local part
  step 'Starting the consumer and the shop'
  make_early_style || warn 'no style sheet yet'
  for part in consumer app; do
    if outdated "$part"; then
      note "$part was built anew: starting it again"
      stop_process "$part" TERM 12
    fi
    start_part "$part"
  done
  await_part app 30 || return 1
  await_part consumer 30 || return 1
  done_note "http://$(shop_addr)"
}

# The browser's part, made in the background when a source is newer than it.
layer_frontend() {
  if alive frontend || [ -n "${CLICKSHOP_PROGRAMS:-}" ]; then return 0; fi
  if web_is_current; then
    printf 'ready\n' >"$RUN/frontend.state"
    return 0
  fi
  printf 'working\n' >"$RUN/frontend.state"
  start_process frontend env ASSUME_YES="$ASSUME_YES" bash "$ROOT/docker/native/frontend.sh"
}

layer_down() {
  local part found=no
  for part in $KNOWN; do [ ! -f "$RUN/$part.pid" ] || found=yes; done
  if [ "$found" = no ]; then
    say 'Nothing runs.'
    return 0
  fi
  # shellcheck disable=SC2086
  stop_parts $KNOWN
  say "All stopped. The data stays in $CLICKSHOP_DATA for the next start."
}

layer_status() {
  local part pid state bad=0
  printf '%-10s %-8s %-8s %s\n' part state pid address
  for part in $SERVERS consumer app pgadmin traffic; do
    pid=- state=off
    if alive "$part"; then
      pid=$(pid_of "$part") state=running
      if ! part_answers "$part"; then state=silent; fi
    elif crashed "$part"; then
      state=DEAD bad=1
    else
      case $part in pgadmin | traffic) continue ;; *) bad=1 ;; esac
    fi
    printf '%-10s %-8s %-8s %s\n' "$part" "$state" "$pid" "$(where_is "$part")"
  done
  frontend_state
  [ "$bad" -eq 0 ] || say 'Not all of it runs. What is missing is started by: bash start_script.sh'
  return "$bad"
}
frontend_state() {
  [ -s "$RUN/frontend.state" ] || return 0
  case $(cat "$RUN/frontend.state") in
    working*) alive frontend || { say 'browser part: was stopped before it was done'; return 0; } ;;
  esac
  say "browser part: $(cat "$RUN/frontend.state")"
}
part_answers() { case $1 in traffic) true ;; *) part_ready "$1" ;; esac }

layer_stop_started() { stop_parts "$@"; }

layer_stop() {
  crashed "$1" || alive "$1" || { say "$1 does not run."; return 0; }
  stop_parts "$1"
}

layer_restart() {
  local again=''
  case $1 in
    postgres) postgres_prepare ;;
    broker*) kafka_prepare ;;
    pgadmin) ;;
    *) # a change in the code is what one restarts it for
      build_programs || return 1
      ! outdated consumer || [ "$1" = consumer ] || again=consumer
      if outdated app || outdated consumer; then setup_for_new || return 1; fi
      ;;
  esac
  [ ! -f "$RUN/$1.pid" ] || stop_parts "$1"
  start_part "$1" || return 1
  [ -z "$again" ] || start_part "$again" || return 1
  if [ "$1" = postgres ]; then await_postgres $((SECONDS + 60)); else await_part "$1"; fi || return 1
  say "$1 runs."
}

layer_break() {
  local pid
  pid=$(pid_of "$1") || die "$1 does not run, so there is nothing to break. What is missing is started by: bash start_script.sh mend"
  kill -KILL "$pid"
  await_end "$1" "$pid" 5
  say_broken "$1"
}

# What belongs to the stack and does not run, all at once: our programs wait for the servers by themselves.
layer_mend() {
  local part missing='' bad=0
  [ -s "$RUN/layer" ] || die 'No stack of ours runs here. Start one with: bash start_script.sh'
  lock_stack
  for part in $(cat "$RUN/parts" 2>/dev/null || printf '%s' "$SERVERS consumer app"); do
    alive "$part" || missing="$missing $part"
  done
  case $missing in *broker*) kafka_prepare || bad=1 ;; esac
  case $missing in *postgres*) postgres_prepare || bad=1 ;; esac
  for part in $missing; do start_part "$part" || bad=1; done
  for part in $missing; do
    if [ "$part" = postgres ]; then await_postgres $((SECONDS + 60)); else await_part "$part" 90; fi || bad=1
  done
  unlock_stack
  if [ -z "$missing" ]; then say 'Everything runs; there is nothing to mend.'; elif [ "$bad" -eq 0 ]; then say "Running again:$missing."; fi
  return "$bad"
}

layer_logs() {
  [ -f "$LOGS/$1.log" ] || die "There is no log of $1 yet."
  if [ -t 1 ]; then exec tail -n 100 -F "$LOGS/$1.log"; else tail -n 200 "$LOGS/$1.log"; fi
}

layer_psql() {
  alive postgres || die 'Postgres does not run here. Start it with: bash start_script.sh'
  PGPASSWORD=default123 exec "$(postgres_bin)/psql" -h 127.0.0.1 -p "$POSTGRES_PORT" -U default -d clickstream "$@"
}

# Deletes the data of Kafka, Postgres and the spool. The caller has asked.
layer_wipe() {
  # shellcheck disable=SC2086
  stop_parts $KNOWN
  claim_folder
  case $(pgdata) in /var/lib/clickshop-*/postgres | /var/tmp/clickshop-*/postgres) rm -rf "$(dirname "$(pgdata)")" ;; esac
  rm -rf "$KAFKA_HOME" "$PGDATA_DIR" "$CLICKSHOP_DATA/spool" "$PGADMIN_DATA"
}
layer_data() { printf '%s' "$CLICKSHOP_DATA (the folders kafka, postgres, spool, pgadmin)"; }

# layer_seed N: the lab's program against this stack; layer_traffic N: until the stack stops.
layer_seed() { build_lab && with_settings 127.0.0.1:0 "$TARGET/release/lab" seed --count "$1"; }
layer_traffic() {
  build_lab || return 1
  stop_process traffic TERM 5
  start_process traffic "$TARGET/release/lab" traffic --visitors "$1" --shop "http://$(shop_addr)"
}

layer_psql_command() { printf 'bash start_script.sh psql -c "SELECT * FROM clickstream_data ORDER BY creation_timestamp DESC LIMIT 10"'; }
layer_extra_addresses() {
  if alive pgadmin; then say "pgAdmin          http://127.0.0.1:$PGADMIN_PORT"; fi
  if [ "$VERB" = dev ] && alive app; then say 'The shop of this stack runs, too. Before cargo leptos watch: bash start_script.sh stop app'; fi
}
