-- What collectors say about themselves: how much they have acknowledged, and where in Kafka it lies.
--
-- A report comes through the topic and is written in the ingest statement. Its numbers are totals since the
-- beginning, so of several the highest is the truth: a report that comes late or twice changes nothing.
-- A reporter is a collector's run, or a spool's folder, which outlives runs; each event is told of by one reporter,
-- so the totals of a boot are summed over reporters.
CREATE TABLE collector_reports (
    topic       text        NOT NULL,
    reporter    uuid        NOT NULL,
    -- The newest report's time, by the reporter's clock.
    reported_at timestamptz NOT NULL,
    CONSTRAINT collector_reports_pkey PRIMARY KEY (topic, reporter)
) WITH (fillfactor = 50);

-- Events that were acknowledged.
CREATE TABLE collector_acknowledged (
    topic    text   NOT NULL,
    -- The run of the collector that acknowledged them.
    boot     uuid   NOT NULL,
    reporter uuid   NOT NULL,
    -- By which door they came in.
    source   text   NOT NULL,
    events   bigint NOT NULL,
    CONSTRAINT collector_acknowledged_pkey PRIMARY KEY (topic, boot, reporter, source)
) WITH (fillfactor = 50);

-- Those of them that Kafka took.
CREATE TABLE collector_places (
    topic           text    NOT NULL,
    boot            uuid    NOT NULL,
    reporter        uuid    NOT NULL,
    kafka_partition integer NOT NULL,
    events          bigint  NOT NULL,
    -- The highest of their offsets: when it has been read, all of them must have been counted.
    last_offset     bigint  NOT NULL,
    CONSTRAINT collector_places_pkey PRIMARY KEY (topic, boot, reporter, kafka_partition)
) WITH (fillfactor = 50);

-- Those that wait on a disk. This number also falls, so here the newest report is the truth.
CREATE TABLE collector_spools (
    topic          text        NOT NULL,
    -- The folder, by an id that it keeps when another process takes it over.
    spool          uuid        NOT NULL,
    waiting_events bigint      NOT NULL,
    waiting_bytes  bigint      NOT NULL,
    reporter       uuid        NOT NULL,
    reported_at    timestamptz NOT NULL,
    CONSTRAINT collector_spools_pkey PRIMARY KEY (topic, spool)
) WITH (fillfactor = 50);

COMMENT ON TABLE collector_reports IS 'Who has reported to a topic, and when last.';
COMMENT ON TABLE collector_acknowledged IS 'Acknowledged events by boot and source, as reported; sum over reporters.';
COMMENT ON TABLE collector_places IS 'Where Kafka took them, as reported; sum over reporters.';
COMMENT ON TABLE collector_spools IS 'What waits on collectors'' disks for Kafka, as last reported.';
