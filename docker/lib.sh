# shellcheck shell=bash
# Nobody waits without knowing for what: numbered steps with the time they took, waits with a deadline
# and the last log lines when it passes, and a busy port named together with its holder and its setting.
# Sourced by start_script.sh, both layers and test.sh; works in bash 3.2 (macOS).

STEP=0
STEP_STARTED=$SECONDS
ASSUME_YES=${ASSUME_YES:-no}

if [ -t 1 ] && [ -z "${NO_COLOR:-}" ]; then
  BOLD=$'\033[1m' DIM=$'\033[2m' RED=$'\033[31m' GREEN=$'\033[32m' YELLOW=$'\033[33m' PLAIN=$'\033[0m'
else
  BOLD='' DIM='' RED='' GREEN='' YELLOW='' PLAIN=''
fi

say() { printf '%s\n' "$*"; }
note() { printf '   %s\n' "$*"; }
done_note() { printf '   %s✓%s %s %s(%s s)%s\n' "$GREEN" "$PLAIN" "$*" "$DIM" "$((SECONDS - STEP_STARTED))" "$PLAIN"; }
warn() { printf '   %s!%s %s\n' "$YELLOW" "$PLAIN" "$*" >&2; }
complain() { printf '%s✗ %s%s\n' "$RED" "$*" "$PLAIN" >&2; }
die() {
  complain "$*"
  exit 1
}

# step TEXT: begins the next numbered step; the time in brackets is the time since the script began.
step() {
  STEP=$((STEP + 1))
  STEP_STARTED=$SECONDS
  printf '%s%2d. %s%s %s[%s s]%s\n' "$BOLD" "$STEP" "$*" "$PLAIN" "$DIM" "$SECONDS" "$PLAIN"
}

have() { command -v "$1" >/dev/null 2>&1; }
on_macos() { [ "$(uname -s)" = Darwin ]; }
interactive() { [ -t 0 ] && [ -t 1 ]; }

# ask QUESTION: true on yes. --yes answers for you; without a terminal nobody can, and the answer is no.
ask() {
  [ "$ASSUME_YES" = yes ] && return 0
  interactive || return 1
  local answer
  printf '   %s [y/N] ' "$1"
  read -r answer || return 1
  case $answer in [yYjJ]*) return 0 ;; *) return 1 ;; esac
}

# last_lines FILE [N]: the end of a log, indented, to show why something failed.
last_lines() {
  if [ -s "$1" ]; then
    printf '   last lines of %s:\n' "$1" >&2
    tail -n "${2:-15}" "$1" | sed 's/^/     | /' >&2
  else
    printf '   (%s is empty)\n' "$1" >&2
  fi
}

# wait_for WHAT SECONDS LOG COMMAND…: runs COMMAND until it succeeds. Returns 1 after SECONDS, or at once
# when COMMAND returns 2 (it can't succeed any more), in both cases after showing the end of LOG.
wait_for() {
  local what=$1 limit=$2 log=$3 began=$SECONDS told=$SECONDS code
  shift 3
  while :; do
    code=0
    "$@" || code=$?
    [ "$code" -eq 0 ] && return 0
    if [ "$code" -eq 2 ] || [ $((SECONDS - began)) -ge "$limit" ]; then
      if [ "$code" -eq 2 ]; then complain "$what stopped while starting."; else complain "Waited $limit s for $what, in vain."; fi
      [ -z "$log" ] || last_lines "$log"
      return 1
    fi
    if [ $((SECONDS - told)) -ge 5 ]; then
      told=$SECONDS
      note "… waiting for $what ($((SECONDS - began)) of at most $limit s)"
    fi
    sleep 0.2
  done
}

# port_open PORT: somebody listens on 127.0.0.1:PORT.
port_open() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

# http_ok HOST:PORT PATH: the server answers 200.
http_ok() {
  (
    line=''
    exec 3<>"/dev/tcp/${1%:*}/${1##*:}" || exit 1
    printf 'GET %s HTTP/1.0\r\nHost: %s\r\nAccept: text/html\r\n\r\n' "$2" "$1" >&3
    IFS= read -r -t 5 line <&3 || exit 1
    case $line in *' 200'*) exit 0 ;; *) exit 1 ;; esac
  ) 2>/dev/null
}

# port_holder PORT: "name (pid N)" of the listener, as far as this user may see it.
port_holder() {
  local holder=''
  if have lsof; then
    holder=$(lsof -nP -iTCP:"$1" -sTCP:LISTEN -Fpc 2>/dev/null | awk '/^p/ && !pid {pid=substr($0,2)} /^c/ && !name {name=substr($0,2)} END {if (pid) print name " (pid " pid ")"}') || true
  elif have ss; then
    holder=$(ss -Hltnp "sport = :$1" 2>/dev/null | sed -n 's/.*users:(("\([^"]*\)",pid=\([0-9]*\).*/\1 (pid \2)/p' | head -n 1) || true
  fi
  printf '%s' "${holder:-another program (its name is hidden from this user)}"
}

# check_port PORT WHAT SETTING: complains, naming all three, when the port is taken. Returns 1 then.
check_port() {
  port_open "$1" || return 0
  complain "Port $1 ($2) is held by $(port_holder "$1"). Stop that program, or move ours: $3, e.g. in .env."
  return 1
}

# run_quietly LOG COMMAND…: output goes to LOG and is shown (its end) only on failure.
run_quietly() {
  local log=$1
  shift
  "$@" >>"$log" 2>&1 || {
    complain "failed: $*"
    last_lines "$log" 25
    return 1
  }
}

# Room and architecture, shown, with a warning where they are scarce. Expects ROOT and TARGET.
check_machine() {
  local free_mb memory_mb
  case $(uname -m) in x86_64 | amd64 | arm64 | aarch64) ;; *) warn "$(uname -m) is an architecture nobody tried this on." ;; esac
  if [ -r /proc/meminfo ]; then
    memory_mb=$(awk '/^MemAvailable/ {print int($2 / 1024)}' /proc/meminfo)
  else
    memory_mb=$(($(sysctl -n hw.memsize 2>/dev/null || echo 0) / 1048576))
  fi
  free_mb=$(df -Pk "$ROOT" | awk 'NR == 2 {print int($4 / 1024)}')
  note "memory $memory_mb MB, disk $free_mb MB free, $(uname -sm)"
  [ "$memory_mb" -ge 3000 ] || warn "Less than 3 GB of memory are free: three brokers, Postgres and a build may be too much for it."
  if [ "$free_mb" -lt 1500 ]; then die "Only $free_mb MB of disk are free at $ROOT; the stack's data alone may need 1.5 GB."; fi
  [ -x "$TARGET/release/app" ] || [ "$free_mb" -ge 6000 ] || warn "Less than 6 GB of disk are free; a first build needs about that."
}
