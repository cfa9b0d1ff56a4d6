-- A reject was handled: its newest state, and a row that stays. Neither without the other.
WITH marked AS (
    UPDATE rejected_events
    SET handled = $5, handled_at = clock_timestamp(), handled_note = $7
    WHERE topic = $1 AND kafka_partition = $2 AND kafka_offset = $3 AND record_time_ms = $4
    RETURNING handled_at
)
INSERT INTO rejected_audit (
    topic, kafka_partition, kafka_offset, record_time_ms, handled, handled_by, handled_at, note
)
SELECT $1, $2, $3, $4, $5, $6, handled_at, $7
FROM marked
