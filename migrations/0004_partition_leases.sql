-- How far each partition of Kafka has been read, and who may write what comes next.
--
-- The offset lives here, not in Kafka, because it must move in the same statement as the rows: then a
-- record is either dealt with and counted, or neither. Kafka's own fencing does not reach into another
-- system, so this table fences: every holder bumps `epoch`, and a write that names an older epoch, or
-- another offset than the one that stands here, changes nothing at all.
CREATE TABLE partition_leases (
    topic                text    NOT NULL,
    partition            integer NOT NULL,
    -- Raised by every holder and by every operator who moves the offset; never lowered.
    epoch                bigint  NOT NULL DEFAULT 0,
    -- The offset that is to be read next; everything below it is dealt with.
    next_offset          bigint  NOT NULL CHECK (next_offset >= 0),
    -- Records below this offset have been counted in `balance` before. It is above `next_offset` only during a
    -- replay, which then counts no duplicate a second time. Stored and rejected ones count themselves: by the rows
    -- that were really inserted.
    replay_until         bigint  NOT NULL DEFAULT 0,
    -- Who holds it, by a name that an operator finds; NULL before the first time.
    owner                text,
    acquired_at          timestamptz,
    -- The Kafka cluster in which the offsets were counted: in another one they mean nothing.
    cluster_id           text    NOT NULL,
    -- The last record that was dealt with. Another record at that place tells a recreated topic.
    last_offset          bigint,
    last_record_time_ms  bigint,
    last_record_hash     bigint,
    -- The backend in which the holder writes, for a holder that keeps a transaction open: its successor ends that
    -- backend instead of waiting for it. NULL while every write is one autocommit statement.
    holder_backend_pid   integer,
    holder_backend_start timestamptz,
    CONSTRAINT partition_leases_pkey PRIMARY KEY (topic, partition),
    CONSTRAINT partition_leases_last_record CHECK (
        num_nulls(last_offset, last_record_time_ms, last_record_hash) IN (0, 3)
    )
-- A handful of rows, each rewritten by every batch: room on the page keeps the new version beside the old one.
) WITH (fillfactor = 20, autovacuum_vacuum_threshold = 500, autovacuum_vacuum_scale_factor = 0);

COMMENT ON TABLE partition_leases IS 'Offsets, committed with the rows, and the right to move them.';
