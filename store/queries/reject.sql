-- The reject at a place, whole. After the topic was recreated there may be several: the newest.
SELECT
    kafka_partition, kafka_offset, record_time_ms,
    key, raw, octet_length(raw) AS "raw_bytes!",
    code, reason, boot, rejected_at, handled, handled_at
FROM rejected_events
WHERE topic = $1 AND kafka_partition = $2 AND kafka_offset = $3
ORDER BY record_time_ms DESC
LIMIT 1
