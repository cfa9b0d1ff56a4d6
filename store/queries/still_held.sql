-- Whether a batch still joins, and what time it is; no row when it does not. After the mark, on a snapshot of its own:
-- whoever took the lease and did not see the mark has been seen here.
SELECT clock_timestamp() AS "now!"
FROM partition_leases
WHERE topic = $1 AND partition = $2 AND epoch = $3 AND next_offset = $4
