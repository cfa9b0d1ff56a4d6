-- Who sent an event, as far as its user agent tells (`domain::agent`): read by the consumer as it writes the row, so it
-- is so for every door, and for what a producer wrote to Kafka by itself. The wire format does not know of it; what is
-- learned about programs later holds for what is written from then on.
--
-- Of people it is known with what they came, of programs why they are taken for such. A report of people has
-- `bot IS NULL`. A `user_agent` that is empty is that of a browser's request which came without one; one that is NULL is
-- that of somebody of whom only another program told, or who asked not to be followed.
ALTER TABLE events
    ADD COLUMN browser text,
    ADD COLUMN system  text,
    ADD COLUMN device  text,
    -- 'crawler', 'headless browser', 'HTTP library', 'no user agent'; NULL for whoever may be a person.
    ADD COLUMN bot     text;

COMMENT ON COLUMN events.bot IS 'Why the sender is taken for a program; NULL for people.';

-- Programs are counted beside people, not with them: a report of people has `NOT bot`. What was counted before this
-- column is taken for people's. A consumer of the version before does not know the new key: stop it before
-- `consumer setup`.
ALTER TABLE rollup_minute
    ADD COLUMN bot boolean NOT NULL DEFAULT false,
    DROP CONSTRAINT rollup_minute_pkey,
    ADD CONSTRAINT rollup_minute_pkey PRIMARY KEY (bucket, type, kafka_partition, bot);

COMMENT ON TABLE rollup_minute IS
    'Events and clicks by minute of occurred_at, type and whether a program sent them; sum over partitions.';

-- Clicks since ever (0015) begin with what the minutes say, none of which has been given up so far. A batch is in both
-- tables or in neither: one that is being written is waited for by the change of the key above, and after it a consumer of
-- the version before can write none.
INSERT INTO rollup_ever (type, topic, kafka_partition, events, clicks)
SELECT
    type,
    -- The minutes don't know their topic; it matters to nobody who reads.
    coalesce((SELECT topic FROM partition_leases ORDER BY acquired_at DESC NULLS LAST LIMIT 1), 'clickstream'),
    kafka_partition, sum(events), sum(clicks)
FROM rollup_minute
WHERE type IN ('item_click', 'add_to_cart', 'buy')
GROUP BY type, kafka_partition;
