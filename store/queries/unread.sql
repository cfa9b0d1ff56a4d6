-- The partitions in which collectors put more events than were counted there, and how many more.
SELECT placed.kafka_partition AS "partition!", sum(placed.events - coalesce(book.events, 0))::bigint AS "events!"
FROM (
    SELECT boot, kafka_partition, sum(events)::bigint AS events
    FROM collector_places
    WHERE topic = $1
    GROUP BY boot, kafka_partition
) AS placed
LEFT JOIN (
    SELECT boot, kafka_partition, stored + duplicate + rejected + expired AS events
    FROM balance
    WHERE topic = $1
) AS book USING (boot, kafka_partition)
WHERE placed.events > coalesce(book.events, 0)
GROUP BY placed.kafka_partition
ORDER BY placed.kafka_partition
