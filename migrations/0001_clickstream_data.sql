-- The table that people look at: one row for each product choice that was put into a cart.
--
-- Its first seven columns, their names and their widths are a contract with everyone who already reads
-- this table. An option that the visitor left open is NULL, never a default.
-- No report reads it; those read `events` and the rollups.
CREATE TABLE clickstream_data (
    username           varchar(32)  NOT NULL,
    -- `received_at` of the event, in UTC: the contract's type has no time zone.
    creation_timestamp timestamp(6) NOT NULL,
    category           varchar(10),
    gender             varchar(10),
    style              varchar(20),
    size               varchar(5),
    hex_color          varchar(8),
    event_id           uuid         NOT NULL,
    -- The id is part of the key, so that two clicks of one visitor in one microsecond are two rows.
    PRIMARY KEY (username, creation_timestamp, event_id)
);

COMMENT ON TABLE clickstream_data IS
    'Product choices put into a cart, one row each; for people who look.';
