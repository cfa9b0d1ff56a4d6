# shellcheck shell=bash
# Three real Kafka nodes (each broker and controller) as plain Java processes, from the jars of Maven Central.
# Data: $CLICKSHOP_DATA/kafka/brokerN; the cluster's id beside it, made once.

KAFKA_HOME=$CLICKSHOP_DATA/kafka
KAFKA_LIBS=$CLICKSHOP_CACHE/kafka-4.1.1/libs # filled by need_kafka_jars

# The classes of a running broker, parsed and linked once (Java's class data sharing): halves the processor time
# of every later start. The first broker1 to end in peace writes it; a missing or unfit one is simply not used.
CLASS_ARCHIVE=$CLICKSHOP_CACHE/kafka-4.1.1/classes.jsa
NEW_CLASS_ARCHIVE=$KAFKA_HOME/classes.jsa

java_major() { "$1" -version 2>&1 | sed -n 's/.*version "\([0-9]*\).*/\1/p' | head -n 1; }

# macOS has a /usr/bin/java that only says there is none, and Homebrew keeps its Javas off PATH: there, the first
# that answers and is new enough.
java_bin() {
  local java major
  if [ -n "${JAVA_HOME:-}" ] && [ -x "$JAVA_HOME/bin/java" ]; then printf '%s' "$JAVA_HOME/bin/java" && return 0; fi
  on_macos || { command -v java; return; }
  for java in "$(command -v java)" /opt/homebrew/opt/openjdk*/bin/java /usr/local/opt/openjdk*/bin/java; do
    [ -x "$java" ] || continue
    major=$(java_major "$java") || continue
    [ "${major:-0}" -lt 17 ] || { printf '%s' "$java" && return 0; }
  done
  return 1
}

# kafka_tool CLASS ARGS…: one of Kafka's command-line tools.
kafka_tool() {
  "$(java_bin)" -Xmx256m -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -Dorg.slf4j.simpleLogger.defaultLogLevel=error -cp "$KAFKA_LIBS/*" "$@"
}

# Kafka's ids are 16 random bytes in url-safe base64; one that begins with "-" would look like an option.
new_cluster_id() {
  local id=-
  while [ "${id#-}" != "$id" ]; do
    id=$(head -c 16 /dev/urandom | base64 | tr '+/' '-_' | tr -d '=\n')
  done
  printf '%s' "$id"
}

# The template, then what differs from node to node (in a properties file the last word counts).
write_broker_config() {
  local part=$1 id=${1#broker} dir=$KAFKA_HOME/$1
  mkdir -p "$dir/data"
  {
    cat "$ROOT/docker/broker.properties"
    printf '\n# this node\n'
    printf 'node.id=%s\n' "$id"
    printf 'listeners=EXTERNAL://127.0.0.1:%s,CONTROLLER://127.0.0.1:%s\n' "$(broker_port "$part")" "$(controller_port "$part")"
    printf 'advertised.listeners=EXTERNAL://127.0.0.1:%s,CONTROLLER://127.0.0.1:%s\n' "$(broker_port "$part")" "$(controller_port "$part")"
    printf 'inter.broker.listener.name=EXTERNAL\n'
    printf 'controller.quorum.voters=1@127.0.0.1:%s,2@127.0.0.1:%s,3@127.0.0.1:%s\n' "$CONTROLLER1_PORT" "$CONTROLLER2_PORT" "$CONTROLLER3_PORT"
    printf 'log.dirs=%s\n' "$dir/data"
  } >"$dir/server.properties"
}

format_broker() {
  kafka_tool kafka.tools.StorageTool format --ignore-formatted --cluster-id "$(cat "$KAFKA_HOME/cluster.id")" --config "$KAFKA_HOME/$1/server.properties"
}

# No node has data. A cluster whose folders were emptied is another cluster, whatever the file with its id says.
kafka_is_new() { ! ls "$KAFKA_HOME"/broker*/data/meta.properties >/dev/null 2>&1; }

# Configuration and, the first time, formatted folders. Safe to repeat.
kafka_prepare() {
  local part jobs=''
  claim_folder
  mkdir -p "$KAFKA_HOME"
  chmod 700 "$KAFKA_HOME"
  if kafka_is_new; then
    new_cluster_id >"$KAFKA_HOME/cluster.id"
  elif [ ! -s "$KAFKA_HOME/cluster.id" ]; then
    cat "$KAFKA_HOME"/broker*/data/meta.properties | sed -n 's/^cluster\.id=//p' | head -n 1 >"$KAFKA_HOME/cluster.id"
  fi
  for part in $BROKERS; do
    write_broker_config "$part"
    [ -f "$KAFKA_HOME/$part/data/meta.properties" ] && continue
    run_quietly "$LOGS/$part.log" format_broker "$part" &
    jobs="$jobs $!"
  done
  for part in $jobs; do wait "$part" || return 1; done
}

adopt_class_archive() {
  [ -s "$NEW_CLASS_ARCHIVE" ] && ! alive broker1 || return 0
  if "$(java_bin)" -Xshare:on "-XX:SharedArchiveFile=$NEW_CLASS_ARCHIVE" -XX:+UseSerialGC -cp "$KAFKA_LIBS/*" -version >/dev/null 2>&1; then
    mv -f "$NEW_CLASS_ARCHIVE" "$CLASS_ARCHIVE"
  else
    rm -f "$NEW_CLASS_ARCHIVE" # a broker was killed while writing it
  fi
}

class_archive_option() {
  if [ -s "$CLASS_ARCHIVE" ]; then
    printf '%s' "-XX:SharedArchiveFile=$CLASS_ARCHIVE"
  elif [ "$1" = broker1 ]; then
    printf '%s' "-XX:ArchiveClassesAtExit=$NEW_CLASS_ARCHIVE"
  else
    printf '%s' -Xshare:auto
  fi
}

start_broker() {
  alive "$1" && return 0
  [ "$1" != broker1 ] || adopt_class_archive
  start_process "$1" "$(java_bin)" "$(class_archive_option "$1")" '-Xlog:cds*=off' "-Xmx$BROKER_HEAP" -Xms128m -XX:+UseSerialGC -XX:+ExitOnOutOfMemoryError -Djava.awt.headless=true \
    -Dorg.slf4j.simpleLogger.defaultLogLevel=warn -Dorg.slf4j.simpleLogger.showDateTime=true \
    "-Dorg.slf4j.simpleLogger.dateTimeFormat=yyyy-MM-dd HH:mm:ss.SSS" -Dorg.slf4j.simpleLogger.showThreadName=false \
    -cp "$KAFKA_LIBS/*" kafka.Kafka "$KAFKA_HOME/$1/server.properties"
}

# A broker opens its port to clients once the controllers have let it into the cluster.
broker_ready() {
  if ! alive "$1"; then
    try_port_again "$1" || return 2
    return 1
  fi
  port_open "$(broker_port "$1")"
}

# Nobody listened on its port when we looked. But a port above 32767 may also be the near end of somebody's passing
# connection, and then a broker cannot have it: it is started again, a few times.
PORT_TRIES=5
try_port_again() {
  [ "$PORT_TRIES" -gt 0 ] || return 1
  tail -n 40 "$LOGS/$1.log" 2>/dev/null | grep -q 'Address already in use' || return 1
  PORT_TRIES=$((PORT_TRIES - 1))
  sleep 1
  start_broker "$1"
}

# All at once: each hands over its partitions while the controllers still have a quorum. The last of several may
# find none left to ask; it is killed after a while, which costs nothing but a check of its logs at the next start.
stop_brokers() { # PART…
  local part pid
  for part in "$@"; do
    if pid=$(pid_of "$part"); then kill -TERM "$pid" 2>/dev/null || true; fi
  done
  for part in "$@"; do
    if [ $# -gt 1 ] && [ "$(count_alive "$@")" -eq 1 ]; then stop_process "$part" TERM 3 quietly; else stop_process "$part" TERM 15; fi
  done
}

count_alive() {
  local part number=0
  for part in "$@"; do ! alive "$part" || number=$((number + 1)); done
  printf '%s' "$number"
}
