-- A writer that keeps a transaction open marks itself by an advisory lock, which ends with the transaction; its
-- successor finds it in `pg_locks`. That needs no write before each transaction, and can't name a backend that is gone.
ALTER TABLE partition_leases
    DROP COLUMN holder_backend_pid,
    DROP COLUMN holder_backend_start;
