-- The newest page views of people that the shop has counted itself: how many are looked at, and of how many of them
-- no tracker told.
--
-- The shop tells of a view once, and only its page knows the id; so a second acknowledgement under that id is the
-- tracker's. The partial index gives the newest ones in their order and reading stops at the limit: the cost does not
-- grow with the table. The bound on `received_at` only spares the older days a look.
SELECT
    count(*) AS "among!",
    count(*) FILTER (
        WHERE NOT EXISTS (SELECT FROM retries WHERE retries.event_id = view.event_id)
    ) AS "server_only!"
FROM (
    SELECT event_id
    FROM events
    WHERE
        client_id AND source = 'shop' AND type = 'page_view' AND bot IS NULL
        AND received_at >= $1 AND stored_at <= $2
    ORDER BY stored_at DESC
    LIMIT $3
) AS view
