-- Claims clients' ids, given in their order, and tells which ones were free.
INSERT INTO message_ids (event_id, received_at, kafka_partition, kafka_offset)
SELECT event_id, received_at, $1, kafka_offset
FROM unnest($2::uuid[], $3::timestamptz[], $4::bigint[]) AS given (event_id, received_at, kafka_offset)
ON CONFLICT (event_id) DO NOTHING
RETURNING event_id
