-- The live counters' one question: how many clicks of each of these types are stored, and how far each partition of the
-- topic has been read for that.
--
-- One statement sees one instant: every event below `next_offset` is counted here, none at or above it is. Reads a row
-- for each type and partition, however many events there are.
SELECT
    ARRAY(
        SELECT coalesce((SELECT sum(ever.clicks) FROM rollup_ever AS ever WHERE ever.type = wanted.type), 0)::bigint
        FROM unnest($2::text[]) WITH ORDINALITY AS wanted (type, place)
        ORDER BY wanted.place
    ) AS "clicks!",
    ARRAY(
        SELECT lease.partition FROM partition_leases AS lease WHERE lease.topic = $1 ORDER BY lease.partition
    ) AS "partitions!",
    ARRAY(
        SELECT lease.next_offset FROM partition_leases AS lease WHERE lease.topic = $1 ORDER BY lease.partition
    ) AS "next_offsets!"
