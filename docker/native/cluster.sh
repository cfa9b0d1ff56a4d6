# shellcheck shell=bash
# The parts of the stack as a set: start one, wait for one, bring all servers up, stop some in the right order.

start_part() {
  case $1 in
    broker*) start_broker "$1" ;;
    postgres) start_postgres ;;
    consumer) start_consumer ;;
    app) start_app ;;
    pgadmin) need_pgadmin && start_pgadmin ;;
    *) die "$1 can't be started by itself." ;;
  esac
}

part_ready() {
  case $1 in
    broker*) broker_ready "$1" ;;
    postgres) postgres_ready ;;
    *) "$1_ready" ;;
  esac
}

await_part() { wait_for "$1" "${2:-60}" "$LOGS/$1.log" part_ready "$1"; }

# After a kill -9 of Postgres its lock file or its last children may be there for a moment: then once more.
await_postgres() {
  local try
  for try in 1 2 3 4 5; do
    while alive postgres; do
      postgres_ready && return 0
      sleep 0.2
      [ "$SECONDS" -lt "$1" ] || break 2
    done
    if [ "$try" -eq 5 ] || ! tail -n 5 "$LOGS/postgres.log" | grep -q -e 'shared memory block' -e 'postmaster.pid" already exists'; then break; fi
    sleep 1
    start_postgres
  done
  wait_for postgres 1 "$LOGS/postgres.log" postgres_ready
}

# All four servers, from wherever they are to ready; what runs stays untouched.
servers_up() {
  local part
  need_kafka_jars || return 1
  kafka_prepare || return 1
  postgres_prepare || return 1
  for part in $SERVERS; do
    start_part "$part"
  done
  await_postgres $((SECONDS + 60)) && make_database || return 1
  # shellcheck disable=SC2153 # from settings.sh
  for part in $BROKERS; do await_part "$part" 90 || return 1; done
}

# Everything given (else everything): dependents first, the brokers all together, Postgres last.
stop_parts() {
  local part brokers=''
  for part in traffic frontend pgadmin app consumer; do
    case " $* " in *" $part "*) ;; *) continue ;; esac
    [ -f "$RUN/$part.pid" ] || continue
    note "stopping $part"
    case $part in
      frontend) stop_family frontend && rm -f "$RUN/frontend.state" ;;
      traffic) stop_process traffic TERM 3 quietly ;; # visitors who are still reading a page are no loss
      *) stop_process "$part" TERM 12 ;;
    esac
  done
  for part in $BROKERS; do case " $* " in *" $part "*) [ -f "$RUN/$part.pid" ] && brokers="$brokers $part" ;; esac done
  if [ -n "$brokers" ]; then
    note "stopping$brokers"
    # shellcheck disable=SC2086
    stop_brokers $brokers
  fi
  case " $* " in
    *' postgres '*) if [ -f "$RUN/postgres.pid" ]; then note 'stopping postgres' && stop_postgres; fi ;;
  esac
}
