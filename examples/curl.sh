#!/usr/bin/env bash
# One request to each address that takes events, and what it answers.
# API_URL says where to (default http://127.0.0.1:8501), USER_ID who does it (default ann).
set -euo pipefail
url=${API_URL:-http://127.0.0.1:8501} user=${USER_ID:-ann}

# send ADDRESS BODY
send() {
  printf '%s  ' "$1"
  curl --silent --show-error --fail-with-body --header 'Content-Type: application/json' --data "$2" "$url$1"
  printf '\n'
}

send /track '{"username": "'"$user"'", "target": "#buy", "description": "CLICK"}'
send '/event?wait=stored' '{"type": "page_view", "user_id": "'"$user"'", "url": "https://example.com/", "path": "/"}'
send /events '[{"user_id": "'"$user"'", "event_type": "play"}, {"user_id": "'"$user"'", "event_type": "pause"}]'
send /v1/track '{"event": "Song Played", "userId": "'"$user"'", "properties": {"song": 7}}'
send /v1/page '{"userId": "'"$user"'", "context": {"page": {"url": "https://example.com/", "path": "/"}}}'
send /v1/identify '{"userId": "'"$user"'", "traits": {"plan": "free"}}'
send /v1/batch '{"batch": [{"type": "track", "event": "Song Ended", "userId": "'"$user"'"}]}'
