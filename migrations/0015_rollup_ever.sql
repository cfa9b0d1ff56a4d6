-- Clicks since ever, by type: the coarsest rollup, and the only one that never forgets. The live counters read it once
-- a second, so it must stay small however long the shop has been open, and whatever clients call their events: minutes
-- are many and are given up after some days, this is one row for each of the three types that are counted live and each
-- Kafka partition. It gets what was counted so far in the next migration, which no consumer of the version before can
-- write beside.
--
-- Like every rollup it is counted in the ingest statement from the rows that were really inserted, so a replay changes
-- nothing, and what it says belongs to the same instant as `partition_leases.next_offset`. Only the holder of the
-- partition's lease writes a row; readers sum over topics and partitions.
CREATE TABLE rollup_ever (
    type            text    NOT NULL,
    topic           text    NOT NULL,
    kafka_partition integer NOT NULL,
    -- How many events, and how many clicks they stand for.
    events          bigint  NOT NULL,
    clicks          bigint  NOT NULL,
    -- A reader asks for a few types.
    CONSTRAINT rollup_ever_pkey PRIMARY KEY (type, topic, kafka_partition)
-- Few rows, rewritten by every batch: room on the page keeps the new version beside the old one.
) WITH (fillfactor = 20, autovacuum_vacuum_threshold = 500, autovacuum_vacuum_scale_factor = 0);

COMMENT ON TABLE rollup_ever IS 'Events and clicks since ever, by type; sum over topics and partitions.';
