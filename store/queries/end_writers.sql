-- Ends every transaction that writes a partition now, and waits up to half a second for each to be gone.
--
-- A client that froze in the middle of one would keep its locks until Postgres' own timeouts. Whoever calls this has
-- the right to the lease, so nothing that such a transaction could still do would be kept anyway.
SELECT count(pg_terminate_backend(writer.pid, 500)) AS "ended!"
FROM (
    SELECT DISTINCT held.pid
    FROM pg_locks AS held
    WHERE
        held.locktype = 'advisory'
        AND held.granted
        AND held.database = (SELECT oid FROM pg_database WHERE datname = current_database())
        -- How Postgres shows a key of 64 bits.
        AND (held.classid::bigint << 32) | held.objid::bigint = hashtextextended($1, $2)
        AND held.objsubid = 1
        AND held.pid <> pg_backend_pid()
) AS writer
