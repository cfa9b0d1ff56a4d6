-- Types, pages and users of the events written since a time, in one pass over them.
--
-- Written, not received: after a backlog, what comes late is news, too. The bound on `received_at` is as long as Kafka
-- keeps a record; it only spares the older days a look.
--
-- Three groupings of the same rows; `grouping` tells which one a line belongs to (a bit for each column that is
-- not part of it).
WITH seen AS (
    SELECT type, CASE WHEN type = 'page_view' THEN path END AS page, username, count
    FROM events
    WHERE stored_at >= $1 AND received_at >= $1 - interval '7 days'
),
grouped AS (
    SELECT type, page, username, grouping(type, page, username) AS left_out, sum(count)::bigint AS clicks
    FROM seen
    GROUP BY GROUPING SETS ((type), (page), (username))
)
SELECT 'type' AS "what!", type AS "name?", clicks AS "n!" FROM grouped WHERE left_out = 3
UNION ALL
(
    SELECT 'page', page, clicks
    FROM grouped
    WHERE left_out = 5 AND page IS NOT NULL
    ORDER BY clicks DESC, page
    LIMIT 10
)
UNION ALL
SELECT 'users', NULL, count(*) FROM grouped WHERE left_out = 6 AND username IS NOT NULL
ORDER BY 1, 3 DESC, 2
