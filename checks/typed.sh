#!/usr/bin/env bash
# Types the commands of a section of the README and compares what they answer with what the README says.
#   checks/typed.sh "Ten minutes"     on the stack that runs here (default ports, or those of the environment)
# In the README's console blocks a line that begins with "$ " is a command; the lines after it must appear in its
# output, in that order, each whole; … stands for any text, and other lines may lie between. A command that ends with a
# backslash goes on in the next line. One that only looks (curl without data) is asked again for a minute until its
# answer is the expected one, as a person would; all others are typed once. Commands in blocks of another kind would
# not be typed, so there may be none. The documented addresses are replaced by this stack's own.
set -uo pipefail
[ $# -eq 1 ] || { sed -n '2,3s/^# \{0,1\}//p' "$0" >&2 && exit 2; }
export SECTION=$1
ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$ROOT" || exit 1
# shellcheck source=docker/lib.sh
. docker/lib.sh
# shellcheck source=docker/settings.sh
. docker/settings.sh
SHOP=${LEPTOS_SITE_ADDR/#0.0.0.0:/127.0.0.1:}
GRPC=${GRPC_ADDR:-127.0.0.1:50051}
LOOK_S=60

# matches EXPECTED OUTPUT: every expected line is in the output, in order.
matches() {
  local expected pattern line found
  exec 3<<<"$2"
  while IFS= read -r expected; do
    pattern=$(printf '%s' "$expected" | sed 's/[][\\*?]/\\&/g; s/…/*/g')
    found=no
    while IFS= read -r line <&3; do
      # shellcheck disable=SC2053 # a pattern on purpose
      if [[ $line == $pattern ]]; then found=yes && break; fi
    done
    [ "$found" = yes ] || { exec 3<&- && return 1; }
  done <<<"$1"
  exec 3<&-
}

# step COMMAND EXPECTED
step_typed() {
  local command=${1//127.0.0.1:8501/$SHOP}
  command=${command//127.0.0.1:50051/$GRPC}
  local expected=${2//127.0.0.1:8501/$SHOP} output began=$SECONDS
  while :; do
    output=$(bash -c "$command" 2>&1 </dev/null)
    if matches "$expected" "$output"; then
      printf 'ok  %s\n' "$1"
      return 0
    fi
    case $command in *' -d '* | *' -X '*) break ;; curl*) ;; *) break ;; esac
    [ $((SECONDS - began)) -lt "$LOOK_S" ] || break
    sleep 0.5
  done
  printf 'FAILED  %s\n--- expected\n%s\n--- but it said\n%s\n---\n' "$1" "$expected" "$output" >&2
  return 1
}

# The console blocks of the section, as lines.
documented() {
  awk '/^## / { inside = index($0, "## " ENVIRON["SECTION"]) == 1 } inside && /^```console$/ { block = 1; next } /^```/ { block = 0 } inside && block' README.md
}

others=$(awk '/^## / { inside = index($0, "## " ENVIRON["SECTION"]) == 1 } inside && /^```(sh|bash|shell)$/' README.md)
[ -z "$others" ] || { printf 'this section has commands that nobody types: %s\n' "$others" >&2 && exit 1; }

command='' expected='' steps=0 failed=0
typed() {
  [ -n "$command" ] || return 0
  steps=$((steps + 1))
  step_typed "$command" "${expected%$'\n'}" || failed=$((failed + 1))
}
while IFS= read -r line; do
  case $command in
    *\\)
      command=${command%\\}$line
      continue
      ;;
  esac
  case $line in
    '$ '*)
      typed
      [ "$failed" -eq 0 ] || break # the rest rests on it
      command=${line#'$ '} expected=''
      ;;
    *) expected=$expected$line$'\n' ;;
  esac
done < <(documented)
[ "$failed" -gt 0 ] || typed
printf '%s steps, %s failed\n' "$steps" "$failed"
[ "$steps" -ge 5 ] && [ "$failed" -eq 0 ]
