-- The rows of `clickstream_data` for events that were copied before this, in one transaction with it. A row that is
-- there already is refused, and with it all of the transaction.
INSERT INTO clickstream_data (
    username, creation_timestamp, category, gender, style, size, hex_color, event_id
)
SELECT *
FROM unnest(
    $1::text[], $2::timestamp[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::uuid[]
)
