-- The second and later tries of clients, each counted once as a duplicate.
--
-- A client that got no answer sends its event again; each try that is acknowledged has a `received_at` of its own, and
-- (event_id, received_at, boot) names that acknowledgement. Kafka may hold one acknowledgement twice (a collector kept
-- on its disk what Kafka took after all) and an operator may read the topic again: such a copy is no new try. It is
-- known by its row in `events`, or by its row here, and counts nothing; so what was counted stays comparable with what
-- the collectors acknowledged. What was counted before this table was there is not in it: replaying those records
-- counts their duplicates once more.
CREATE TABLE retries (
    event_id    uuid        NOT NULL,
    received_at timestamptz NOT NULL,
    -- The nil UUID stands for no boot, as in `balance`.
    boot        uuid        NOT NULL,
    counted_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
    CONSTRAINT retries_pkey PRIMARY KEY (event_id, received_at, boot)
);

-- For forgetting: what is older than any record of Kafka can't come again.
CREATE INDEX retries_counted_at_brin ON retries USING brin (counted_at);

COMMENT ON TABLE retries IS 'Tries of clients after the first, by acknowledgement; each is one duplicate in balance.';

-- Its meaning has changed: duplicates need no such bound any more.
COMMENT ON COLUMN partition_leases.replay_until IS
    'Records below this offset have been read before: skipping them again makes none expire.';
