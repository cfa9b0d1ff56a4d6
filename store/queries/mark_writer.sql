-- Marks this transaction as one that writes the partition, until it ends; see end_writers.sql. Shared: it never waits.
SELECT pg_advisory_xact_lock_shared(hashtextextended($1, $2))
