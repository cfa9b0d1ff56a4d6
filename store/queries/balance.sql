-- The books of a topic: what the collectors reported against what was counted.
--
-- Reads one small row for each boot, partition and reporter; no event.
WITH placed AS (
    SELECT boot, kafka_partition, sum(events) AS events, max(last_offset) AS last_offset
    FROM collector_places
    WHERE topic = $1
    GROUP BY boot, kafka_partition
),
-- What is given up when a topic is created anew is what its boots are short of then; events that lie in the new one
-- already, unread, are among it. Each of them that becomes a row takes back one.
counted AS (
    SELECT
        boot, kafka_partition, stored, duplicate, rejected, expired,
        stored + duplicate + rejected + expired AS events
    FROM (
        SELECT
            boot, kafka_partition, stored, duplicate, rejected,
            CASE
                WHEN boot = '00000000-0000-0000-0000-000000000000' THEN expired
                ELSE least(expired, greatest(coalesce(placed.events, 0) - stored - duplicate - rejected, 0))
            END AS expired
        FROM balance
        LEFT JOIN placed USING (boot, kafka_partition)
        WHERE topic = $1
    ) AS book
),
acknowledged AS (
    SELECT boot, sum(events) AS events FROM collector_acknowledged WHERE topic = $1 GROUP BY boot
),
-- Each boot in each partition. Settled: every place that was reported has been read.
compared AS (
    SELECT
        boot,
        kafka_partition,
        coalesce(placed.events, 0) AS placed,
        greatest(coalesce(placed.events, 0) - coalesce(counted.events, 0), 0) AS missing,
        greatest(coalesce(counted.events, 0) - coalesce(placed.events, 0), 0) AS ahead,
        coalesce(lease.next_offset > placed.last_offset, false) AS settled
    FROM placed
    FULL JOIN counted USING (boot, kafka_partition)
    LEFT JOIN partition_leases AS lease ON lease.topic = $1 AND lease.partition = kafka_partition
    WHERE boot <> '00000000-0000-0000-0000-000000000000'
),
-- Each boot. What is missing in one partition and too much in another is one copy that took another way.
boots AS (
    SELECT
        coalesce(sum(missing) FILTER (WHERE NOT settled), 0) AS unread,
        greatest(coalesce(sum(missing) FILTER (WHERE settled), 0) - coalesce(sum(ahead), 0), 0) AS gone,
        greatest(coalesce(max(acknowledged.events), 0) - coalesce(sum(placed), 0), 0) AS unplaced
    FROM compared
    FULL JOIN acknowledged USING (boot)
    GROUP BY boot
),
-- What an operator skipped may be what is missing there, and no more than that.
skipped AS (
    SELECT least(counted.expired, sum(compared.missing)) AS events
    FROM counted
    JOIN compared USING (kafka_partition)
    WHERE counted.boot = '00000000-0000-0000-0000-000000000000' AND compared.settled
    GROUP BY kafka_partition, counted.expired
),
spooled AS (
    SELECT coalesce(sum(waiting_events), 0) AS events FROM collector_spools WHERE topic = $1
),
sources AS (
    SELECT source, sum(events)::bigint AS events
    FROM collector_acknowledged
    WHERE topic = $1
    GROUP BY source
),
totals AS (
    SELECT
        coalesce(sum(stored) FILTER (WHERE has_boot), 0) AS stored,
        coalesce(sum(duplicate) FILTER (WHERE has_boot), 0) AS duplicate,
        coalesce(sum(rejected) FILTER (WHERE has_boot), 0) AS rejected,
        coalesce(sum(expired) FILTER (WHERE has_boot), 0) AS expired,
        coalesce(sum(stored) FILTER (WHERE NOT has_boot), 0) AS direct_stored,
        coalesce(sum(duplicate) FILTER (WHERE NOT has_boot), 0) AS direct_duplicate,
        coalesce(sum(rejected) FILTER (WHERE NOT has_boot), 0) AS direct_rejected,
        coalesce(sum(expired) FILTER (WHERE NOT has_boot), 0) AS direct_expired
    FROM (SELECT *, boot <> '00000000-0000-0000-0000-000000000000' AS has_boot FROM counted) AS book
),
shortfall AS (
    SELECT
        coalesce(sum(unread), 0) AS unread,
        coalesce(sum(gone), 0) AS gone,
        coalesce(sum(unplaced), 0) AS unplaced,
        (SELECT coalesce(sum(events), 0) FROM skipped) AS skipped
    FROM boots
)
SELECT
    ARRAY(SELECT source FROM sources ORDER BY source) AS "sources!",
    ARRAY(SELECT events FROM sources ORDER BY source) AS "acknowledged!",
    spooled.events::bigint AS "spooled!",
    unread::bigint AS "unread!",
    unplaced::bigint AS "unplaced!",
    gone::bigint AS "gone!",
    least(skipped, gone)::bigint AS "skipped!",
    stored::bigint AS "stored!",
    duplicate::bigint AS "duplicate!",
    rejected::bigint AS "rejected!",
    expired::bigint AS "expired!",
    direct_stored::bigint AS "direct_stored!",
    direct_duplicate::bigint AS "direct_duplicate!",
    direct_rejected::bigint AS "direct_rejected!",
    direct_expired::bigint AS "direct_expired!",
    (SELECT max(reported_at) FROM collector_reports WHERE topic = $1) AS reported_at
FROM totals, shortfall, spooled
