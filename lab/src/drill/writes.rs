//! Who moves the stored offsets, as Postgres sees it: which connection, under whose lease.
//!
//! A connection belongs to one process. One that has written under the leases of two holders is a process that went on
//! writing after another one had taken over, whatever became of what it wrote.

use sqlx::PgPool;

/// Notes each connection with each holder under whose lease it has committed a write. A holder, or an operator, who
/// takes a lease raises its epoch and is no writer.
const NOTE: &str = "
CREATE TABLE drill_writes (
    backend integer,
    started timestamptz,
    owner   text,
    PRIMARY KEY (backend, started, owner)
);
CREATE FUNCTION drill_note_write() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO drill_writes (backend, started, owner)
    SELECT pid, backend_start, coalesce(NEW.owner, '')
    FROM pg_stat_activity
    WHERE pid = pg_backend_pid()
    ON CONFLICT DO NOTHING;
    RETURN NULL;
END
$$;
CREATE TRIGGER drill_note_write AFTER UPDATE ON partition_leases
FOR EACH ROW WHEN (NEW.epoch = OLD.epoch AND NEW.next_offset <> OLD.next_offset)
EXECUTE FUNCTION drill_note_write();";

/// What was noted.
#[derive(Debug, PartialEq, Eq)]
pub struct Writers {
    /// How many connections have written.
    pub connections: usize,
    /// The holders under whose leases one and the same connection has written, for each that has more than one.
    pub usurped: Vec<Vec<String>>,
}

/// Begins to note. Once in a database.
pub async fn note(db: &PgPool) -> anyhow::Result<()> {
    sqlx::raw_sql(NOTE).execute(db).await?;
    Ok(())
}

/// What was noted so far.
pub async fn noted(db: &PgPool) -> anyhow::Result<Writers> {
    let owners: Vec<Vec<String>> = sqlx::query_scalar(
        "SELECT array_agg(owner ORDER BY owner) FROM drill_writes GROUP BY backend, started",
    )
    .fetch_all(db)
    .await?;
    Ok(Writers {
        connections: owners.len(),
        usurped: owners.into_iter().filter(|one| one.len() > 1).collect(),
    })
}
