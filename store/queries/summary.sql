-- Types, pages and users of the events written since a time, in one pass over them: of people's events. Programs' clicks
-- are one number beside them.
--
-- Written, not received: after a backlog, what comes late is news, too. The bound on `received_at` is as long as Kafka
-- keeps a record; it only spares the older days a look. No more than `$2` rows are read: where there are so many, the
-- answer is of some of them, and says so by their number.
--
-- Five groupings of the same rows, the last of all of them; `grouping` tells which one a line belongs to (a bit for each column that is
-- not part of it). What a program did has none of the first three columns.
WITH seen AS (
    SELECT
        CASE WHEN bot IS NULL THEN type END AS type,
        CASE WHEN bot IS NULL AND type = 'page_view' THEN path END AS page,
        CASE WHEN bot IS NULL THEN username END AS username,
        bot IS NOT NULL AS bot, count
    FROM events
    WHERE stored_at >= $1 AND received_at >= $1 - interval '7 days'
    LIMIT $2
),
grouped AS (
    SELECT
        type, page, username, bot, grouping(type, page, username, bot) AS left_out, sum(count)::bigint AS clicks,
        count(*) AS events
    FROM seen
    GROUP BY GROUPING SETS ((type), (page), (username), (bot), ())
)
SELECT 'type' AS "what!", type AS "name?", clicks AS "n!" FROM grouped WHERE left_out = 7 AND type IS NOT NULL
UNION ALL
(
    SELECT 'page', page, clicks
    FROM grouped
    WHERE left_out = 11 AND page IS NOT NULL
    ORDER BY clicks DESC, page
    LIMIT 10
)
UNION ALL
SELECT 'users', NULL, count(*) FROM grouped WHERE left_out = 13 AND username IS NOT NULL
UNION ALL
SELECT 'bots', NULL, clicks FROM grouped WHERE left_out = 14 AND bot
UNION ALL
SELECT 'rows', NULL, events FROM grouped WHERE left_out = 15
ORDER BY 1, 3 DESC, 2
