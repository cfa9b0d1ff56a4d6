# shellcheck shell=bash
# One part after the other, none hiding another: each runs with its output in a file, the end of which is shown
# when it fails; the table at the end says how long each took. Sourced by test.sh.

TABLE=''  # one line a part: seconds|result|name
PASSED=0
FAILED=0
BROKEN='' # functions of the parts that failed, each between colons
PART_PID=''
PARTS=0

# part NAME FUNCTION: runs FUNCTION apart from this shell. Exit code 77 means "can't run here", which it has
# explained in its last line.
part() {
  local name=$1 function=$2 log began=$SECONDS code=0 took result
  PARTS=$((PARTS + 1))
  log=$ARTIFACTS/logs/$(printf '%02d-%s' "$PARTS" "$function").log
  printf '%s%-42s%s ' "$BOLD" "$name" "$PLAIN"
  # A process group of its own: an interruption can end it with everything it started.
  set -m
  ("$function") >"$log" 2>&1 </dev/null &
  PART_PID=$!
  set +m
  wait "$PART_PID" || code=$?
  PART_PID=''
  took=$((SECONDS - began))
  count_results "$log" "$code"
  case $code in
    0) result=ok ;;
    77) result="skipped: $(tail -n 1 "$log")" ;;
    *) result=FAILED BROKEN="$BROKEN:$function:" ;;
  esac
  printf '%s (%d s)\n' "$result" "$took"
  TABLE="$TABLE$took|$result|$name"$'\n'
  [ "$result" != FAILED ] || show_failure "$log"
}

# What a failed part has to say: of cargo's tests their own words on what failed, wherever in the log that is,
# else the end of the log. The whole of it stays in artifacts/.
show_failure() {
  local words
  words=$(awk '
    /^failures:$/ { telling = 1 }
    /^test result: / { telling = 0 }
    telling || /^test .* FAILED$/ || /^error/ { print "     | " $0 }' "$1")
  case $words in
    *FAILED*) printf '%s\n' "$words" | head -n 120 >&2 ;;
    *) last_lines "$1" 60 ;;
  esac
}

# A part that rests on another says so and fails at once when that one failed.
rests_on() {
  case $BROKEN in *":$1:"*) printf 'not run: %s failed\n' "$1" && exit 1 ;; esac
}

# The tests that a part's tools counted; a part without such a count is one test.
count_results() {
  local passed failed
  passed=$(sum_of passed "$1")
  failed=$(sum_of failed "$1")
  if [ "$2" -eq 77 ]; then return; fi
  if [ "$2" -ne 0 ] && [ "$failed" -eq 0 ]; then failed=1; fi
  if [ "$2" -eq 0 ] && [ "$passed" -eq 0 ]; then passed=1; fi
  PASSED=$((PASSED + passed)) FAILED=$((FAILED + failed))
}

# sum_of passed|failed LOG: of cargo ("test result: ok. 3 passed; 0 failed; …") and Playwright ("  3 passed (4s)").
sum_of() {
  awk -v word="$1" '
    /^test result: / { for (i = 2; i <= NF; i++) if ($i == word ";") sum += $(i - 1) }
    $0 ~ "^  [0-9]+ " word "( |$)" { sum += $1 }
    END { print sum + 0 }' "$2"
}

interrupted() {
  trap '' INT TERM HUP
  complain "interrupted"
  [ -z "$PART_PID" ] || kill -TERM -- "-$PART_PID" 2>/dev/null
  FAILED=$((FAILED + 1))
  exit 130
}

# Takes down what was brought up, keeps the servers' logs, prints the table. Runs on every way out.
finish() {
  local code=$? seconds result name
  trap '' INT TERM HUP
  trap - EXIT
  servers_down
  rm -rf "$SCRATCH"
  printf '\n%7s  %s\n' seconds part
  while IFS='|' read -r seconds result name; do
    [ -z "$name" ] || printf '%7d  %s%s\n' "$seconds" "$name" "$([ "$result" = ok ] || printf '   %s' "$result")"
  done <<<"$TABLE"
  printf '%7d  in all; logs and screenshots are in artifacts/\n\n' "$SECONDS"
  printf '%d passed, %d failed\n' "$PASSED" "$FAILED"
  if [ "$FAILED" -gt 0 ] && [ "$code" -eq 0 ]; then code=1; fi
  exit "$code"
}
