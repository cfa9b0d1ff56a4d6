-- The row of an event, by its key. A client's id leads to the key of its first copy.
SELECT
    event.received_at,
    event.stored_at,
    cart.username AS "cart_username?",
    cart.creation_timestamp AS "creation_timestamp?",
    cart.category,
    cart.gender,
    cart.style,
    cart.size,
    cart.hex_color
FROM events AS event
LEFT JOIN clickstream_data AS cart
    ON cart.username = event.username
    AND cart.creation_timestamp = event.received_at AT TIME ZONE 'UTC'
    AND cart.event_id = event.event_id
WHERE
    event.event_id = $1
    AND event.received_at = coalesce((SELECT received_at FROM message_ids WHERE event_id = $1), $2)
