-- Moves a partition to another offset and takes it from its holder; books what is thereby never read as expired.
--
-- The last record is forgotten: it is not the one before the new offset. How far it was ever read is remembered:
-- skipping those records again loses nothing.
--
-- Skipped records may be anybody's, so they are booked without a boot. In a topic that was created anew the records of
-- the old one are gone; what was in it is known by the collectors' reports: where they put more than was counted.
-- Their offsets are the old topic's, and are forgotten: the new one need not grow past them to be read.
WITH old AS (
    SELECT next_offset, greatest(next_offset, replay_until) AS read_until
    FROM partition_leases
    WHERE topic = $1 AND partition = $2
    FOR UPDATE
),
moved AS (
    UPDATE partition_leases AS lease
    SET
        epoch = lease.epoch + 1,
        next_offset = $3,
        replay_until = CASE WHEN $4 THEN 0 ELSE greatest(old.read_until, $3) END,
        owner = $5,
        acquired_at = clock_timestamp(),
        cluster_id = $6,
        last_offset = NULL,
        last_record_time_ms = NULL,
        last_record_hash = NULL
    FROM old
    WHERE lease.topic = $1 AND lease.partition = $2
    RETURNING
        lease.epoch, lease.next_offset, lease.last_offset, lease.last_record_time_ms, lease.last_record_hash,
        lease.cluster_id
),
-- In the order of the key, as reports are written.
reported AS MATERIALIZED (
    SELECT boot, reporter
    FROM collector_places
    WHERE $4 AND topic = $1 AND kafka_partition = $2 AND EXISTS (SELECT FROM old)
    ORDER BY boot, reporter
    FOR UPDATE
),
forgotten AS (
    UPDATE collector_places AS place
    SET last_offset = -1
    FROM reported
    WHERE
        place.topic = $1 AND place.boot = reported.boot AND place.reporter = reported.reporter
        AND place.kafka_partition = $2
),
placed AS (
    SELECT boot, sum(events)::bigint AS events
    FROM collector_places
    WHERE topic = $1 AND kafka_partition = $2
    GROUP BY boot
),
gone AS (
    SELECT '00000000-0000-0000-0000-000000000000'::uuid AS boot, $3 - read_until AS events
    FROM old
    WHERE NOT $4
    UNION ALL
    SELECT placed.boot, placed.events - coalesce(book.stored + book.duplicate + book.rejected + book.expired, 0)
    FROM placed
    LEFT JOIN balance AS book
        ON book.topic = $1 AND book.boot = placed.boot AND book.kafka_partition = $2
    WHERE $4 AND EXISTS (SELECT FROM old)
),
books AS (
    INSERT INTO balance AS book (topic, boot, kafka_partition, expired)
    SELECT $1, boot, $2, events
    FROM gone
    WHERE events > 0
    ON CONFLICT (topic, boot, kafka_partition) DO UPDATE
    SET expired = book.expired + excluded.expired
)
SELECT
    epoch AS "epoch!", next_offset AS "next_offset!", last_offset, last_record_time_ms, last_record_hash,
    cluster_id AS "cluster_id!"
FROM moved
