-- Takes the lease: from here on, a statement that names an older epoch changes nothing. The update waits for the
-- former holder's statement, but no longer than $4, so what it returns is where that one ended. The cluster's id stays.
WITH patience AS (
    -- Until the end of this statement; the wait comes after it.
    SELECT set_config('lock_timeout', $4, true)
)
UPDATE partition_leases
SET epoch = epoch + 1, owner = $3, acquired_at = clock_timestamp()
FROM patience
WHERE topic = $1 AND partition = $2
RETURNING epoch, next_offset, last_offset, last_record_time_ms, last_record_hash, cluster_id
