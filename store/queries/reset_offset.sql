-- Moves a partition to another offset and takes it from its holder.
--
-- The last record is forgotten: it is not the one before the new offset. What was read so far, or may still be under
-- replay, is remembered, so that a replay counts no duplicate twice; the records of a recreated topic were never read.
UPDATE partition_leases
SET
    epoch = epoch + 1,
    next_offset = $3,
    replay_until = CASE WHEN $4 THEN 0 ELSE greatest(replay_until, next_offset) END,
    owner = $5,
    acquired_at = clock_timestamp(),
    cluster_id = $6,
    last_offset = NULL,
    last_record_time_ms = NULL,
    last_record_hash = NULL,
    holder_backend_pid = NULL,
    holder_backend_start = NULL
WHERE topic = $1 AND partition = $2
RETURNING epoch, next_offset, last_offset, last_record_time_ms, last_record_hash, cluster_id
