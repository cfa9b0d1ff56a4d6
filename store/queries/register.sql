-- Writes down where reading begins, for each partition of a topic that has no lease yet.
--
-- A topic that was never seen begins at its low watermarks, all partitions in this one statement. A partition that
-- appears in a known topic begins at 0: it is new, and nothing of it may be skipped.
INSERT INTO partition_leases (topic, partition, next_offset, cluster_id)
SELECT
    $1, low.partition,
    CASE WHEN EXISTS (SELECT FROM partition_leases WHERE topic = $1) THEN 0 ELSE low.next_offset END,
    $4
FROM unnest($2::integer[], $3::bigint[]) AS low (partition, next_offset)
ORDER BY low.partition
ON CONFLICT (topic, partition) DO NOTHING
