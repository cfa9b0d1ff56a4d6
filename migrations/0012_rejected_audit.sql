-- What people did with rejected messages: one row for each time, never changed. `rejected_events.handled` is only the
-- newest of them.
CREATE TABLE rejected_audit (
    id              bigint      GENERATED ALWAYS AS IDENTITY,
    topic           text        NOT NULL,
    kafka_partition integer     NOT NULL,
    kafka_offset    bigint      NOT NULL,
    record_time_ms  bigint      NOT NULL,
    handled         text        NOT NULL CHECK (handled IN ('redriven', 'dismissed')),
    -- Who did it, by a name that others find, such as user and host.
    handled_by      text        NOT NULL,
    handled_at      timestamptz NOT NULL DEFAULT clock_timestamp(),
    note            text,
    CONSTRAINT rejected_audit_pkey PRIMARY KEY (id)
);

-- "What was done with this one?"
CREATE INDEX rejected_audit_record ON rejected_audit (topic, kafka_partition, kafka_offset, record_time_ms);

COMMENT ON TABLE rejected_audit IS 'Who redrove or dismissed a rejected message, when and why.';
