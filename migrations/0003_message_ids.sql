-- The ids that clients chose, each claimed by the first copy that came.
--
-- A client that got no answer sends the same id again: minutes or days later, with another
-- `received_at`, perhaps through another partition of Kafka. The primary key of `events` cannot see that;
-- this table can, because it is not partitioned. A claim and the row it allows are one statement.
--
-- An id is remembered for at least 30 days, and longer than Kafka keeps a record or a spool a message.
CREATE TABLE message_ids (
    event_id        uuid        NOT NULL,
    -- Where the first copy lies: with `event_id` the key of its row in `events`.
    received_at     timestamptz NOT NULL,
    -- And in Kafka.
    kafka_partition integer     NOT NULL,
    kafka_offset    bigint      NOT NULL,
    claimed_at      timestamptz NOT NULL DEFAULT clock_timestamp(),
    CONSTRAINT message_ids_pkey PRIMARY KEY (event_id)
);

-- For forgetting: old claims lie together.
CREATE INDEX message_ids_claimed_at_brin ON message_ids USING brin (claimed_at);

COMMENT ON TABLE message_ids IS 'Ids chosen by clients, with where the first copy lies; a second copy is a duplicate.';
