-- Every event, once. The columns are the keys of the wire format, by the same names.
--
-- Partitioned by the UTC day of `received_at`: the day that is written to stays small and in memory,
-- and a day that is too old is detached instead of deleted row by row. The partitions are made ahead
-- by the consumer (`store::partitions`). There is no DEFAULT partition on purpose: it would hide a
-- missing day, and then attaching that day would scan and lock it.
CREATE TABLE events (
    event_id        uuid        NOT NULL,
    -- When the collector took the event. It travels with the event, so it is the same in every copy.
    received_at     timestamptz NOT NULL,
    -- Whether a client chose the id; those ids are also claimed in `message_ids`.
    client_id       boolean     NOT NULL,
    type            text        NOT NULL,
    username        text,
    session_id      text,
    url             text,
    path            text,
    referrer        text,
    user_agent      text,
    ip              text,
    -- The visitor's clock, corrected where that was possible. Reports bucket by it.
    occurred_at     timestamptz NOT NULL,
    source          text        NOT NULL,
    -- How many clicks the event stands for.
    count           integer     NOT NULL,
    -- Which run of which collector acknowledged it; NULL for a producer that wrote to Kafka by itself.
    boot            uuid,
    properties      jsonb       NOT NULL,
    -- The product choice: category, gender, style, size, color, each a text or null.
    choice          jsonb,
    -- Where the record lies in Kafka.
    kafka_partition integer     NOT NULL,
    kafka_offset    bigint      NOT NULL,
    -- When the row was written, by this server's clock: the receipt shows stored_at - received_at.
    stored_at       timestamptz NOT NULL DEFAULT clock_timestamp(),

    -- A key of a partitioned table contains the partition column. An id minted by us comes with its own
    -- `received_at`, so this pair is enough; for a client's id, `message_ids` is the judge.
    -- Receipts are looked up by it, too; there is no other B-tree, because no other query needs one.
    CONSTRAINT events_pkey PRIMARY KEY (event_id, received_at),

    -- The rules of `domain::Event::check` that would hurt most if they were broken, named, so that a
    -- violation is known to be the event's fault.
    CONSTRAINT events_type_length CHECK (char_length(type) BETWEEN 1 AND 64),
    CONSTRAINT events_username_length CHECK (char_length(username) BETWEEN 1 AND 256),
    CONSTRAINT events_count_positive CHECK (count >= 1)
) PARTITION BY RANGE (received_at);

-- Rows arrive nearly in order of time, so a few bytes for each 32 pages find a window of time.
CREATE INDEX events_received_at_brin ON events USING brin (received_at) WITH (pages_per_range = 32);

COMMENT ON TABLE events IS 'Every accepted event exactly once, by day of received_at.';
