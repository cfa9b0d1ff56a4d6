-- Takes the lease: from here on, a statement that names an older epoch changes nothing. The update waits for the
-- former holder's statement, so what it returns is where that one ended. The cluster's id stays.
UPDATE partition_leases
SET epoch = epoch + 1, owner = $3, acquired_at = clock_timestamp()
WHERE topic = $1 AND partition = $2
RETURNING epoch, next_offset, last_offset, last_record_time_ms, last_record_hash, cluster_id
