#!/usr/bin/env bash
# Sends events to /event, one by one.
#   examples/send_events.sh [HOW_MANY]     10 when nothing is said
# API_URL says where to (default http://127.0.0.1:8501), USER_ID who does it (default ann).
set -euo pipefail
url=${API_URL:-http://127.0.0.1:8501} user=${USER_ID:-ann} many=${1:-10} run="$(date +%s)-$$" kept=0

for n in $(seq "$many"); do
  # The id makes a retry the same event, whatever became of the first try.
  event='{"id": "example-'$run-$n'", "type": "click", "user_id": "'$user'", "url": "https://example.com/'$n'", "path": "/'$n'"}'
  status=$(curl --silent --output /dev/null --write-out '%{http_code}' --max-time 10 --retry 5 --retry-connrefused \
    "$url/event" --header 'Content-Type: application/json' --data "$event") || true # 000 says it
  if [ "$status" = 202 ]; then kept=$((kept + 1)); else printf 'event %s: %s\n' "$n" "$status" >&2; fi
done
printf '%s of %s events are kept\n' "$kept" "$many"
[ "$kept" -eq "$many" ]
