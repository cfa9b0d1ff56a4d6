-- The books are kept by topic, like the offsets: reports and counts of two topics must not be compared.
-- What was counted so far belongs to the topic that was read last.
ALTER TABLE balance ADD COLUMN topic text;

UPDATE balance
SET topic = coalesce(
    (SELECT topic FROM partition_leases ORDER BY acquired_at DESC NULLS LAST LIMIT 1),
    'clickstream'
);

ALTER TABLE balance
    ALTER COLUMN topic SET NOT NULL,
    DROP CONSTRAINT balance_pkey,
    ADD CONSTRAINT balance_pkey PRIMARY KEY (topic, boot, kafka_partition);
