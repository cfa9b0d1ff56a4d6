-- Counts by minute, so that a report's cost does not grow with the events stored.
--
-- A row for each minute of `occurred_at` (the visitor's clock: that is when it happened), type and Kafka partition;
-- only the holder of the partition's lease writes it. Counted in the ingest statement from the rows
-- that it really inserted, so a replay changes nothing. Readers sum over partitions.
CREATE TABLE rollup_minute (
    bucket          timestamptz NOT NULL,
    type            text        NOT NULL,
    kafka_partition integer     NOT NULL,
    -- How many events, and how many clicks they stand for.
    events          bigint      NOT NULL,
    clicks          bigint      NOT NULL,
    -- A report asks for a span of time.
    CONSTRAINT rollup_minute_pkey PRIMARY KEY (bucket, type, kafka_partition)
-- The current minute's rows are rewritten by every batch.
) WITH (fillfactor = 50);

COMMENT ON TABLE rollup_minute IS 'Events and clicks by minute of occurred_at and type; sum over partitions.';
