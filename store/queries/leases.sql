SELECT
    partition, owner, acquired_at,
    epoch, next_offset, last_offset, last_record_time_ms, last_record_hash, cluster_id
FROM partition_leases
WHERE topic = $1
ORDER BY partition
