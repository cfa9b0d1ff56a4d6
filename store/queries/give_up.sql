-- Gives up a partition that Kafka does not have any more: its lease goes, and what the collectors put there and was not
-- counted is booked as expired. Without a lease there may still be something to book: reports that came too late.
--
-- Who writes the partition at this moment finds no lease, or is waited for.
WITH lease AS (
    DELETE FROM partition_leases WHERE topic = $1 AND partition = $2 RETURNING 1
),
gone AS (
    SELECT placed.boot, placed.events - coalesce(book.stored + book.duplicate + book.rejected + book.expired, 0) AS events
    FROM (
        SELECT boot, sum(events)::bigint AS events
        FROM collector_places
        WHERE topic = $1 AND kafka_partition = $2
        GROUP BY boot
    ) AS placed
    LEFT JOIN balance AS book
        ON book.topic = $1 AND book.boot = placed.boot AND book.kafka_partition = $2
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
    EXISTS (SELECT FROM lease) AS "had_lease!",
    (SELECT coalesce(sum(events), 0) FROM gone WHERE events > 0)::bigint AS "expired!"
