-- One batch of one partition: rows, rejects, counts and the offset, in one autocommit statement, so that
-- they are all there or none is, and a client that freezes never holds a transaction open.
--
-- Everything hangs on the lease: without its row, `batch` and `refusals` are empty, and so is all that follows.
-- Every part runs on one snapshot and hands on what it really inserted by RETURNING; so the counts are those of rows
-- that are new, and a replay counts nothing. The lease row is updated once: a second update of one row in one
-- statement silently vanishes.
--
-- Ids are claimed and inserted in the order of ids: two consumers that meet in the same ids then wait for each other
-- in one direction only. The remaining tables have the partition, or the event, in their keys: nobody meets there.
WITH lease AS (
    -- The compare-and-set. It waits for whoever is changing the row, then looks again.
    UPDATE partition_leases
    SET next_offset = $5, last_offset = $6, last_record_time_ms = $7, last_record_hash = $8
    WHERE topic = $1 AND partition = $2 AND epoch = $3 AND next_offset = $4
    RETURNING replay_until
),
batch AS MATERIALIZED (
    SELECT *
    FROM unnest(
        $9::bigint[], $10::uuid[], $11::boolean[], $12::timestamptz[], $13::timestamptz[], $14::text[],
        $15::text[], $16::text[], $17::text[], $18::text[], $19::text[], $20::text[], $21::text[],
        $22::text[], $23::integer[], $24::uuid[], $25::jsonb[], $26::jsonb[]
    ) AS given (
        kafka_offset, event_id, client_id, received_at, occurred_at, type,
        username, session_id, url, path, referrer, user_agent, ip,
        source, count, boot, properties, choice
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
        kafka_partition, kafka_offset
    )
    SELECT
        event_id, received_at, client_id, type, username, session_id, url, path, referrer,
        user_agent, ip, occurred_at, source, count, boot, properties, choice,
        $2, kafka_offset
    FROM batch
    WHERE NOT client_id OR kafka_offset IN (SELECT kafka_offset FROM claimed)
    ORDER BY event_id, received_at, kafka_offset
    ON CONFLICT (event_id, received_at) DO NOTHING
    RETURNING event_id, received_at, type, username, occurred_at, count, boot, choice, kafka_offset
),
refused AS (
    INSERT INTO rejected_events (
        topic, kafka_partition, kafka_offset, record_time_ms, key, raw, code, reason, boot
    )
    SELECT $1, $2, kafka_offset, record_time_ms, key, raw, code, reason, boot
    FROM refusals
    ON CONFLICT (topic, kafka_partition, kafka_offset, record_time_ms) DO NOTHING
    RETURNING boot
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
minutes AS (
    INSERT INTO rollup_minute AS rollup (bucket, type, kafka_partition, events, clicks)
    SELECT date_bin('1 minute', occurred_at, '2000-01-01 00:00:00+00'), type, $2, count(*), sum(count)
    FROM stored
    GROUP BY 1, 2
    ON CONFLICT (bucket, type, kafka_partition) DO UPDATE
    SET events = rollup.events + excluded.events, clicks = rollup.clicks + excluded.clicks
),
-- What became of each record, by the boot that acknowledged it. A duplicate is an event that was not stored, unless
-- its record was counted before and is only being replayed.
tally AS (
    SELECT
        coalesce(boot, '00000000-0000-0000-0000-000000000000') AS boot,
        sum(stored) AS stored, sum(duplicate) AS duplicate, sum(refused) AS refused
    FROM (
        SELECT boot, 0 AS stored, (kafka_offset >= replay_until)::integer AS duplicate, 0 AS refused
        FROM batch, lease
        UNION ALL
        SELECT boot, 1, -(kafka_offset >= replay_until)::integer, 0 FROM stored, lease
        UNION ALL
        SELECT boot, 0, 0, 1 FROM refused
    ) AS outcome
    GROUP BY 1
),
books AS (
    INSERT INTO balance AS book (boot, kafka_partition, stored, duplicate, rejected)
    SELECT boot, $2, stored, duplicate, refused
    FROM tally
    WHERE stored <> 0 OR duplicate <> 0 OR refused <> 0
    ON CONFLICT (boot, kafka_partition) DO UPDATE
    SET
        stored = book.stored + excluded.stored,
        duplicate = book.duplicate + excluded.duplicate,
        rejected = book.rejected + excluded.rejected
)
SELECT
    EXISTS (SELECT FROM lease) AS "held!",
    (SELECT count(*) FROM batch) AS "events!",
    (SELECT count(*) FROM stored) AS "stored!",
    (SELECT count(*) FROM refusals) AS "refusals!",
    (SELECT count(*) FROM refused) AS "refused!"
