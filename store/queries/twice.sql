-- A look at some rows of a time: how many of them have another row's id, under another `received_at`? (Under the
-- same one the key allows no second.)
--
-- The BRIN index leads to the time, and reading stops at the limit, so the cost does not grow with the table; each
-- row's other ones are looked up by the key's first column, once a day's partition.
SELECT
    count(*) AS "among!",
    count(*) FILTER (
        WHERE EXISTS (
            SELECT FROM events AS other
            WHERE other.event_id = one.event_id AND other.received_at <> one.received_at
        )
    ) AS "found!"
FROM (SELECT event_id, received_at FROM events WHERE received_at >= $1 LIMIT $2) AS one
