-- A page of a topic's rejects, the newest first. Of long messages only their beginnings.
SELECT
    kafka_partition, kafka_offset, record_time_ms,
    key, substring(raw FOR 256) AS "raw!", octet_length(raw) AS "raw_bytes!",
    code, reason, boot, rejected_at, handled, handled_at
FROM rejected_events
WHERE
    topic = $1
    AND ($2::text IS NULL OR code = $2)
    AND ($3::timestamptz IS NULL OR rejected_at >= $3)
    AND ($4::boolean IS NULL OR (handled IS NOT NULL) = $4)
    AND (
        $5::timestamptz IS NULL
        OR (rejected_at, kafka_partition, kafka_offset, record_time_ms) < ($5, $6::integer, $7::bigint, $8::bigint)
    )
ORDER BY rejected_at DESC, kafka_partition DESC, kafka_offset DESC, record_time_ms DESC
LIMIT $9
