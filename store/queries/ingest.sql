-- One batch of one partition: rows, rejects, reports, counts and the offset, in one statement, so that they are all
-- there or none is.
--
-- Small batches are nothing but this statement, in autocommit: a client that freezes holds no transaction open. For
-- large ones most rows have been copied into the tables before it, in the same transaction (`store::copy`); then
-- `$9` to `$26` and `$55` to `$58` hold only the other events, `$34` to `$39` and `$59` what the copied ones add to
-- the counts.
--
-- Everything hangs on the lease: without its row, `batch` and all other givens are empty, and so is all that follows.
-- Every part runs on one snapshot and hands on what it really inserted by RETURNING; so the counts are those of rows
-- that are new, and a replay counts nothing. The lease row is updated once: a second update of one row in one
-- statement silently vanishes.
--
-- Ids are claimed and inserted in the order of ids: two consumers that meet in the same ids then wait for each other
-- in one direction only; reports meet in the rows of spools, which come last and in the order of ids, too. The
-- remaining tables have the partition, or the event, in their keys: nobody meets there.
WITH lease AS (
    -- The compare-and-set. It waits for whoever is changing the row, then looks again.
    UPDATE partition_leases
    SET next_offset = $5, last_offset = $6, last_record_time_ms = $7, last_record_hash = $8
    WHERE topic = $1 AND partition = $2 AND epoch = $3 AND next_offset = $4
    RETURNING 1
),
batch AS MATERIALIZED (
    SELECT *
    FROM unnest(
        $9::bigint[], $10::uuid[], $11::boolean[], $12::timestamptz[], $13::timestamptz[], $14::text[],
        $15::text[], $16::text[], $17::text[], $18::text[], $19::text[], $20::text[], $21::text[],
        $22::text[], $23::integer[], $24::uuid[], $25::jsonb[], $26::jsonb[],
        $55::text[], $56::text[], $57::text[], $58::text[]
    ) AS given (
        kafka_offset, event_id, client_id, received_at, occurred_at, type,
        username, session_id, url, path, referrer, user_agent, ip,
        source, count, boot, properties, choice, browser, system, device, bot
    )
    WHERE EXISTS (SELECT FROM lease)
),
refusals AS MATERIALIZED (
    SELECT *
    FROM unnest(
        $27::bigint[], $28::bigint[], $29::bytea[], $30::bytea[], $31::text[], $32::text[], $33::uuid[]
    ) AS given (kafka_offset, record_time_ms, key, raw, code, reason, boot)
    WHERE EXISTS (SELECT FROM lease)
),
-- Of several copies of a client's id, the one with the lowest offset claims it; the others find it taken, be they
-- in this batch, in this table, or in another consumer's statement.
claimed AS (
    INSERT INTO message_ids (event_id, received_at, kafka_partition, kafka_offset)
    SELECT event_id, received_at, $2, kafka_offset
    FROM batch
    WHERE client_id
    ORDER BY event_id, kafka_offset
    ON CONFLICT (event_id) DO NOTHING
    RETURNING kafka_offset
),
stored AS (
    INSERT INTO events (
        event_id, received_at, client_id, type, username, session_id, url, path, referrer,
        user_agent, ip, occurred_at, source, count, boot, properties, choice,
        kafka_partition, kafka_offset, browser, system, device, bot
    )
    SELECT
        event_id, received_at, client_id, type, username, session_id, url, path, referrer,
        user_agent, ip, occurred_at, source, count, boot, properties, choice,
        $2, kafka_offset, browser, system, device, bot
    FROM batch
    WHERE NOT client_id OR kafka_offset IN (SELECT kafka_offset FROM claimed)
    ORDER BY event_id, received_at, kafka_offset
    ON CONFLICT (event_id, received_at) DO NOTHING
    RETURNING
        event_id, received_at, type, username, occurred_at, count, choice, kafka_offset, bot,
        coalesce(boot, '00000000-0000-0000-0000-000000000000') AS boot
),
-- The events that are no rows because their id is there already.
copies AS MATERIALIZED (
    SELECT event_id, received_at, coalesce(boot, '00000000-0000-0000-0000-000000000000') AS boot
    FROM batch
    WHERE kafka_offset NOT IN (SELECT kafka_offset FROM stored)
),
known AS MATERIALIZED (
    SELECT event_id, received_at, boot
    FROM stored_boots((SELECT array_agg(event_id) FROM copies), (SELECT array_agg(received_at) FROM copies))
),
-- A copy of an acknowledgement that is stored, now or before, is Kafka's or an operator's doing; any other is a
-- client's next try.
retried AS (
    INSERT INTO retries (event_id, received_at, boot)
    SELECT event_id, received_at, boot
    FROM copies
    WHERE
        (event_id, received_at, boot) NOT IN (SELECT event_id, received_at, boot FROM stored)
        AND (event_id, received_at, boot) NOT IN (SELECT event_id, received_at, boot FROM known)
    ORDER BY event_id, received_at, boot
    ON CONFLICT (event_id, received_at, boot) DO NOTHING
    RETURNING boot
),
refused AS (
    INSERT INTO rejected_events (
        topic, kafka_partition, kafka_offset, record_time_ms, key, raw, code, reason, boot
    )
    SELECT $1, $2, kafka_offset, record_time_ms, key, raw, code, reason, boot
    FROM refusals
    ON CONFLICT (topic, kafka_partition, kafka_offset, record_time_ms) DO NOTHING
    RETURNING coalesce(boot, '00000000-0000-0000-0000-000000000000') AS boot
),
cart AS (
    INSERT INTO clickstream_data (
        username, creation_timestamp, category, gender, style, size, hex_color, event_id
    )
    SELECT
        username, received_at AT TIME ZONE 'UTC',
        choice ->> 'category', choice ->> 'gender', choice ->> 'style', choice ->> 'size',
        choice ->> 'color', event_id
    FROM stored
    WHERE type = 'add_to_cart' AND username IS NOT NULL AND choice IS NOT NULL
    ON CONFLICT (username, creation_timestamp, event_id) DO NOTHING
),
-- What is new, by minute, type and whether a program sent it; the rollups add it up.
counted AS MATERIALIZED (
    SELECT bucket, type, bot, sum(events) AS events, sum(clicks) AS clicks
    FROM (
        SELECT
            date_bin('1 minute', occurred_at, '2000-01-01 00:00:00+00') AS bucket, type,
            bot IS NOT NULL AS bot, 1 AS events, count AS clicks
        FROM stored
        UNION ALL
        SELECT bucket, type, bot, events, clicks
        FROM unnest($34::timestamptz[], $35::text[], $59::boolean[], $36::bigint[], $37::bigint[])
            AS copied (bucket, type, bot, events, clicks)
        WHERE EXISTS (SELECT FROM lease)
    ) AS new
    GROUP BY bucket, type, bot
),
minutes AS (
    INSERT INTO rollup_minute AS rollup (bucket, type, kafka_partition, bot, events, clicks)
    SELECT bucket, type, $2, bot, events, clicks
    FROM counted
    ON CONFLICT (bucket, type, kafka_partition, bot) DO UPDATE
    SET events = rollup.events + excluded.events, clicks = rollup.clicks + excluded.clicks
),
ever AS (
    INSERT INTO rollup_ever AS rollup (type, topic, kafka_partition, events, clicks)
    SELECT type, $1, $2, sum(events), sum(clicks)
    FROM counted
    -- Those that are counted live: a table that never forgets must not hold whatever clients call their events.
    WHERE type IN ('item_click', 'add_to_cart', 'buy')
    GROUP BY type
    ON CONFLICT (type, topic, kafka_partition) DO UPDATE
    SET events = rollup.events + excluded.events, clicks = rollup.clicks + excluded.clicks
),
-- What became of each record, by the boot that acknowledged it.
books AS (
    INSERT INTO balance AS book (topic, boot, kafka_partition, stored, duplicate, rejected)
    SELECT $1, boot, $2, sum(stored), sum(duplicate), sum(refused)
    FROM (
        SELECT boot, 1 AS stored, 0 AS duplicate, 0 AS refused FROM stored
        UNION ALL
        SELECT boot, events, 0, 0
        FROM unnest($38::uuid[], $39::bigint[]) AS copied (boot, events)
        WHERE EXISTS (SELECT FROM lease)
        UNION ALL
        SELECT boot, 0, 1, 0 FROM retried
        UNION ALL
        SELECT boot, 0, 0, 1 FROM refused
    ) AS outcome
    GROUP BY boot
    ON CONFLICT (topic, boot, kafka_partition) DO UPDATE
    SET
        stored = book.stored + excluded.stored,
        duplicate = book.duplicate + excluded.duplicate,
        rejected = book.rejected + excluded.rejected
),
-- What collectors report, each line once: totals only rise, whichever report comes first.
heard AS (
    INSERT INTO collector_reports AS known (topic, reporter, reported_at)
    SELECT $1, reporter, reported_at
    FROM unnest($40::uuid[], $41::timestamptz[]) AS given (reporter, reported_at)
    WHERE EXISTS (SELECT FROM lease)
    ON CONFLICT (topic, reporter) DO UPDATE
    SET reported_at = greatest(known.reported_at, excluded.reported_at)
),
acknowledged AS (
    INSERT INTO collector_acknowledged AS known (topic, reporter, boot, source, events)
    SELECT $1, reporter, boot, source, events
    FROM unnest($42::uuid[], $43::uuid[], $44::text[], $45::bigint[]) AS given (reporter, boot, source, events)
    WHERE EXISTS (SELECT FROM lease)
    ON CONFLICT (topic, boot, reporter, source) DO UPDATE
    SET events = greatest(known.events, excluded.events)
),
placed AS (
    INSERT INTO collector_places AS known (topic, reporter, boot, kafka_partition, events, last_offset)
    SELECT $1, reporter, boot, kafka_partition, events, last_offset
    FROM unnest($46::uuid[], $47::uuid[], $48::integer[], $49::bigint[], $50::bigint[])
        AS given (reporter, boot, kafka_partition, events, last_offset)
    WHERE EXISTS (SELECT FROM lease)
    ON CONFLICT (topic, boot, reporter, kafka_partition) DO UPDATE
    SET
        events = greatest(known.events, excluded.events),
        -- Of the later report: in a topic that was created anew, offsets are lower.
        last_offset = CASE WHEN excluded.events > known.events THEN excluded.last_offset ELSE known.last_offset END
),
-- Reporters who tell of more than was known of them: what they say is later, also when their clock was set back.
tells_more AS (
    SELECT given.reporter
    FROM unnest($42::uuid[], $43::uuid[], $44::text[], $45::bigint[]) AS given (reporter, boot, source, events)
    LEFT JOIN collector_acknowledged AS known
        ON known.topic = $1 AND known.boot = given.boot AND known.reporter = given.reporter
        AND known.source = given.source
    WHERE given.events > coalesce(known.events, 0)
    UNION ALL
    SELECT given.reporter
    FROM unnest($46::uuid[], $47::uuid[], $48::integer[], $49::bigint[])
        AS given (reporter, boot, kafka_partition, events)
    LEFT JOIN collector_places AS known
        ON known.topic = $1 AND known.boot = given.boot AND known.reporter = given.reporter
        AND known.kafka_partition = given.kafka_partition
    WHERE given.events > coalesce(known.events, 0)
),
-- What waits on a disk, by the spool's own report: it is compared with the totals in the same report.
spooled AS (
    INSERT INTO collector_spools AS known (topic, spool, waiting_events, waiting_bytes, reporter, reported_at)
    SELECT $1, spool, waiting_events, waiting_bytes, spool, reported_at
    FROM unnest($51::uuid[], $52::bigint[], $53::bigint[], $54::timestamptz[])
        AS given (spool, waiting_events, waiting_bytes, reported_at)
    WHERE EXISTS (SELECT FROM lease)
    ON CONFLICT (topic, spool) DO UPDATE
    SET
        waiting_events = excluded.waiting_events,
        waiting_bytes = excluded.waiting_bytes,
        reporter = excluded.reporter,
        reported_at = excluded.reported_at
    WHERE
        excluded.reported_at > known.reported_at
        OR excluded.spool IN (SELECT reporter FROM tells_more)
)
SELECT
    EXISTS (SELECT FROM lease) AS "held!",
    (SELECT count(*) FROM stored) AS "stored!",
    (SELECT count(*) FROM retried) AS "retried!",
    (SELECT count(*) FROM refused) AS "refused!"
