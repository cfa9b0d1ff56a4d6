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
        greatest(coalesce(sum(missing) FILTER (WHERE settled), 0) - coalesce(sum(ahead), 0), 0) AS gone
    FROM compared
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
-- Each spool. What it took and did not bring to Kafka waits on its disk, as far as it says so itself; the rest is gone
-- from there. (A process tells only of what Kafka took from it.) What it says of its disk counts only in its own report,
-- where it stands beside the totals of the same moment; where there is none yet, nothing is known to be gone.
spools AS (
    SELECT
        spool, reported_at,
        least(unplaced, coalesce(waiting_events, unplaced)) AS waiting,
        greatest(unplaced - coalesce(waiting_events, unplaced), 0) AS gone
    FROM (
        SELECT reporter AS spool, told.events - coalesce(brought.events, 0) AS unplaced
        FROM (
            SELECT reporter, sum(events) AS events FROM collector_acknowledged WHERE topic = $1 GROUP BY reporter
        ) AS told
        LEFT JOIN (
            SELECT reporter, sum(events) AS events FROM collector_places WHERE topic = $1 GROUP BY reporter
        ) AS brought USING (reporter)
    ) AS short
    JOIN (SELECT reporter AS spool, reported_at FROM collector_reports WHERE topic = $1) AS heard USING (spool)
    LEFT JOIN (
        SELECT spool, waiting_events FROM collector_spools WHERE topic = $1 AND reporter = spool
    ) AS disk USING (spool)
    WHERE unplaced > 0
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
        (SELECT coalesce(sum(events), 0) FROM skipped) AS skipped
    FROM boots
)
SELECT
    ARRAY(SELECT source FROM sources ORDER BY source) AS "sources!",
    ARRAY(SELECT events FROM sources ORDER BY source) AS "acknowledged!",
    ARRAY(SELECT spool FROM spools ORDER BY spool) AS "spools!",
    ARRAY(SELECT waiting::bigint FROM spools ORDER BY spool) AS "spools_waiting!",
    ARRAY(SELECT gone::bigint FROM spools ORDER BY spool) AS "spools_gone!",
    ARRAY(SELECT reported_at FROM spools ORDER BY spool) AS "spools_reported_at!",
    unread::bigint AS "unread!",
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
FROM totals, shortfall
