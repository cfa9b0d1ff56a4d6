# shellcheck shell=bash
# A process is ours only when its pid AND its time of birth are the ones we wrote down: a pid that the system
# has since given to another program is never signalled. Processes live in sessions of their own, so closing
# the terminal or Ctrl-C in it reaches them only through this script.
# Pid file: $RUN/PART.pid = "PID BIRTH". What one run of the script started: $STARTED (one part a line).

STARTED=${STARTED:-/dev/null}

# The kernel's start time of a pid; empty when it does not exist or is a zombie.
birth_of() {
  if [ -r "/proc/$1/stat" ]; then
    local stat
    { stat=$(<"/proc/$1/stat"); } 2>/dev/null || return 0
    # After the name in brackets: state is the 1st field, start time the 20th.
    # shellcheck disable=SC2086
    set -- ${stat##*)}
    [ "${1:-Z}" = Z ] || printf '%s' "${20}"
  else
    case $(ps -o stat= -p "$1" 2>/dev/null) in '' | Z*) ;; *) ps -o lstart= -p "$1" | tr -s ' ' '_' ;; esac
  fi
}

# remember PART PID
remember() {
  mkdir -p "$RUN"
  printf '%s %s\n' "$2" "$(birth_of "$2")" >"$RUN/$1.pid"
  printf '%s\n' "$1" >>"$STARTED"
}

# pid_of PART: the pid when that very process is alive, else nothing and false.
pid_of() {
  local pid='' birth=''
  [ -f "$RUN/$1.pid" ] || return 1
  read -r pid birth <"$RUN/$1.pid" || return 1
  [ -n "$birth" ] && [ "$(birth_of "$pid")" = "$birth" ] || return 1
  printf '%s' "$pid"
}
alive() { pid_of "$1" >/dev/null; }

# it was started, nobody stopped it, and it is gone
crashed() { [ -f "$RUN/$1.pid" ] && ! alive "$1"; }

in_own_session() {
  if have setsid; then exec setsid "$@"; else exec perl -e 'use POSIX; POSIX::setsid(); exec { $ARGV[0] } @ARGV' "$@"; fi
}

# start_process PART COMMAND…: detached, from the repository's folder, its output in $LOGS/PART.log.
start_process() {
  local part=$1
  shift
  mkdir -p "$LOGS"
  keep_log_small "$LOGS/$part.log"
  (cd "$ROOT" && in_own_session "$@") >>"$LOGS/$part.log" 2>&1 </dev/null &
  remember "$part" $!
}

# A log of more than 20 MB makes room at the next start; one old one is kept.
keep_log_small() {
  [ -f "$1" ] && [ "$(wc -c <"$1")" -gt 20000000 ] && mv "$1" "$1.old"
  return 0
}

# stop_process PART SIGNAL SECONDS [quietly]: asks, waits, and kills what does not listen. Forgets the part.
stop_process() {
  local pid
  if pid=$(pid_of "$1"); then
    kill "-$2" "$pid" 2>/dev/null || true
    await_end "$1" "$pid" "$3" "${4:-}"
  fi
  rm -f "$RUN/$1.pid"
}

await_end() { # PART PID SECONDS [quietly]
  local began=$SECONDS
  while alive "$1"; do
    if [ $((SECONDS - began)) -ge "$3" ]; then
      [ -n "${4:-}" ] || warn "$1 did not stop within $3 s and was killed"
      kill -KILL "$2" 2>/dev/null || true
      sleep 0.3
      return 0
    fi
    sleep 0.1
  done
}

# stop_family PART: a job with children of its own (a build), stopped with all of them.
stop_family() {
  local pid
  if pid=$(pid_of "$1"); then
    kill -TERM -- "-$pid" 2>/dev/null || true
    await_end "$1" "-$pid" 5
  fi
  rm -f "$RUN/$1.pid"
}

# One run of the script at a time may start or stop things in this data folder.
lock_stack() {
  local owner='' birth=''
  claim_folder # of folder.sh
  mkdir -p "$RUN"
  while ! mkdir "$RUN/lock" 2>/dev/null; do
    read -r owner birth 2>/dev/null <"$RUN/lock/owner" || true
    if [ -n "$birth" ] && [ "$(birth_of "$owner")" = "$birth" ]; then
      die "Another run of this script (pid $owner) is starting or stopping this stack. Wait for it, or end it."
    fi
    [ -n "$birth" ] || sleep 0.5
    rm -rf "$RUN/lock"
  done
  printf '%s %s\n' "$$" "$(birth_of $$)" >"$RUN/lock/owner"
}
unlock_stack() {
  local owner=''
  [ -f "$RUN/lock/owner" ] && read -r owner _ <"$RUN/lock/owner" && [ "$owner" = "$$" ] && rm -rf "$RUN/lock"
  return 0
}
