#!/usr/bin/env bash
# One event over gRPC. The services tell themselves what they are (server reflection): no file is needed.
# GRPC_ADDR says where to (default 127.0.0.1:50051), USER_ID who does it (default ann).
set -euo pipefail
address=${GRPC_ADDR:-127.0.0.1:50051} user=${USER_ID:-ann}

grpcurl -plaintext "$address" list
grpcurl -plaintext -d '{"user_id": "'"$user"'", "event_type": "play", "meta": {"song": "7"}}' \
  "$address" ingest.EventService/PublishEvent
