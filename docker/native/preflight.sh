# shellcheck shell=bash
# Before anything is started: is there room, are the ports free, what has to be fetched, and do the two servers'
# histories belong together? Every answer names what to do about it.

check_ports() { # MODE
  local part bad=0
  for part in $BROKERS; do
    alive "$part" && continue
    check_port "$(broker_port "$part")" "$part" "BROKER${part#broker}_PORT" || bad=1
    check_port "$(controller_port "$part")" "$part's controller" "CONTROLLER${part#broker}_PORT" || bad=1
  done
  alive postgres || check_port "$POSTGRES_PORT" Postgres POSTGRES_PORT || bad=1
  if [ "$1" = up ]; then
    alive app || check_port "${LEPTOS_SITE_ADDR##*:}" 'the shop' LEPTOS_SITE_ADDR || bad=1
    alive app || check_port "${GRPC_ADDR##*:}" "the shop's gRPC" GRPC_ADDR || bad=1
    alive app || check_port "${APP_OPS_ADDR##*:}" "the shop's metrics" APP_OPS_ADDR || bad=1
    alive consumer || check_port "${CONSUMER_OPS_ADDR##*:}" "the consumer's metrics" CONSUMER_OPS_ADDR || bad=1
  fi
  if [ "$WITH_PGADMIN" = yes ]; then alive pgadmin || check_port "$PGADMIN_PORT" pgAdmin PGADMIN_PORT || bad=1; fi
  return "$bad"
}

# What is not here yet, as megabytes to fetch and minutes on two cores (measured; a guess elsewhere).
announce_downloads() {
  local mb=0 minutes=0
  [ -z "$(missing_packages)" ] || { mb=$((mb + 350)) minutes=$((minutes + 2)); }
  kafka_jars_there || { mb=$((mb + 54)) minutes=$((minutes + 1)); }
  [ -x "$TARGET/release/app" ] || { mb=$((mb + 120)) minutes=$((minutes + 6)); }
  [ "$mb" -eq 0 ] || note "will download about $mb MB; about $minutes minutes until the first page on two cores"
  have cargo-leptos || [ "$1" = dev ] || note "the browser part (WASM) follows later, in the background: about 15 minutes the first time; the shop works without it"
}

leases_sql() {
  [ "$(sql clickstream "SELECT to_regclass('partition_leases') IS NOT NULL")" = t ] || return 0
  sql clickstream "$1"
}

# Offsets live in Postgres and count records in Kafka: one without the other is a story with a missing half.
# Only the first kind is an error; the consumer would halt on it, too, partition by partition.
check_histories() { # KAFKA_WAS_NEW POSTGRES_WAS_NEW
  local strangers
  strangers=$(leases_sql "SELECT count(*) FROM partition_leases WHERE cluster_id <> '$(cat "$KAFKA_HOME/cluster.id")'" 2>/dev/null) || strangers=0
  if [ "${strangers:-0}" -gt 0 ]; then
    complain "Kafka is empty and new, but Postgres remembers how far it had read another Kafka (partitions: $strangers)."
    say "   Kafka's data ($KAFKA_HOME) was deleted or replaced, Postgres's was not. Going on would count new events"
    say "   as ones already stored, so the consumer refuses it. Either put Kafka's folder back, or begin anew with both:"
    say "     bash start_script.sh --fresh"
    return 1
  fi
  if [ "$2" = yes ] && [ "$1" = no ]; then
    warn "Postgres is empty and new, Kafka is not: the consumer will read again what Kafka still has (up to 7 days)"
    warn "and store it; older events are gone with the old tables. For a clean start: bash start_script.sh --fresh"
  fi
}
