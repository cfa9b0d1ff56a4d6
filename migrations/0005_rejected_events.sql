-- The messages that cannot become rows, as they came, each with its reason. The stream goes on without them.
CREATE TABLE rejected_events (
    topic           text        NOT NULL,
    kafka_partition integer     NOT NULL,
    kafka_offset    bigint      NOT NULL,
    -- The record's time as the broker wrote it: milliseconds since 1970, kept as a number, so that a time that no
    -- calendar knows can be kept, too.
    record_time_ms  bigint      NOT NULL,
    key             bytea,
    raw             bytea       NOT NULL,
    -- A short, stable word for the kind of reason, for counting; then the reason itself, for people.
    code            text        NOT NULL,
    reason          text        NOT NULL,
    boot            uuid,
    rejected_at     timestamptz NOT NULL DEFAULT clock_timestamp(),

    -- What was done with it since, and when; NULL while nothing was.
    handled         text CHECK (handled IN ('redriven', 'dismissed')),
    handled_at      timestamptz,
    handled_note    text,

    -- A replay meets the same record at the same place with the same time, and keeps it once. The time tells the
    -- records of a recreated topic from those of the one before. Receipts are looked up by the first three.
    CONSTRAINT rejected_events_pkey PRIMARY KEY (topic, kafka_partition, kafka_offset, record_time_ms),
    CONSTRAINT rejected_events_handled CHECK ((handled IS NULL) = (handled_at IS NULL))
);

-- For retention, and for "what was rejected since".
CREATE INDEX rejected_events_rejected_at_brin ON rejected_events USING brin (rejected_at);

COMMENT ON TABLE rejected_events IS 'Messages that cannot become rows: raw bytes, reason, place, and what was done since.';
