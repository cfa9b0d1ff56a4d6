-- The books: for each run ("boot") of each collector, what became of the events that it acknowledged.
--
-- Counted in the ingest statement, from the rows that it really inserted, so the counts are as exact as the rows.
-- One row for each Kafka partition, which only the holder of that partition's lease writes: nobody waits
-- for anybody. Readers sum over partitions.
CREATE TABLE balance (
    -- The nil UUID stands for no boot: producers that write to the topic by themselves, and messages too broken
    -- to tell.
    boot            uuid    NOT NULL,
    kafka_partition integer NOT NULL,
    stored          bigint  NOT NULL DEFAULT 0,
    duplicate       bigint  NOT NULL DEFAULT 0,
    rejected        bigint  NOT NULL DEFAULT 0,
    -- Acknowledged, but gone from Kafka before it was read.
    expired         bigint  NOT NULL DEFAULT 0,
    CONSTRAINT balance_pkey PRIMARY KEY (boot, kafka_partition)
) WITH (fillfactor = 50);

COMMENT ON TABLE balance IS 'What became of acknowledged events, by boot of the collector; sum over partitions.';
