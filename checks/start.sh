# shellcheck shell=bash
# What the start script says when something is in its way; with the native layer's own functions, of which those
# that touch the machine are played. Sourced by test.sh, after live.sh.

# A download that fails is told while the build still goes on: here the build waits for the word.
check_early_word() {
  local told=$SCRATCH/early-word code=0
  # shellcheck source=docker/native/native.sh
  . docker/native/native.sh
  # shellcheck disable=SC2034 # the native layer's
  LOGS=$SCRATCH/early-word-logs WITH_PGADMIN=no SERVERS_JOB=''
  # shellcheck disable=SC2317,SC2329 # called by layer_up
  {
    check_machine() { :; }
    announce_downloads() { :; }
    check_ports() { :; }
    need_packages() { :; }
    need_compiler() { :; }
    all_alive() { return 1; }
    need_kafka_jars() { complain 'this download fails' && return 1; }
    kafka_prepare() { complain 'brokers were started' && return 1; }
    build_all() {
      local try
      for try in {1..50}; do
        if grep -q 'this download fails' "$told"; then printf 'built after %s looks\n' "$try" && return 0; fi
        sleep 0.2
      done
      printf 'built without a word\n'
    }
  }
  layer_up up >"$told" 2>&1 || code=$?
  cat "$told"
  [ "$code" -ne 0 ] || { printf 'the start went on\n' && return 1; }
  grep -q '^built after' "$told" && [ "$(grep -c 'this download fails' "$told")" -eq 1 ] &&
    ! grep -q 'brokers were started' "$told" "$LOGS/servers.log"
}
