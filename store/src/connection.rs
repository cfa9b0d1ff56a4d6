//! A handle to Postgres that exists before Postgres does, and on which nothing waits for ever.

use crate::agents::Agents;
use crate::copy::Optimism;
use crate::error::StoreError;
use sqlx::pool::PoolConnection;
use sqlx::postgres::{PgConnectOptions, PgConnection, PgPool, PgPoolOptions};
use sqlx::{ConnectOptions, Connection, Postgres};
use std::future::Future;
use std::ops::{Deref, DerefMut};
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

/// How a process uses its connections.
#[derive(Debug, Clone)]
pub struct StoreOptions {
    /// The most connections at once. The consumer writes on one per busy partition.
    pub max_connections: u32,
    /// How long a caller waits for a free or new connection before it is told "unavailable".
    pub acquire_timeout: Duration,
    /// After how long Postgres itself ends a statement (SQLSTATE 57014).
    pub statement_timeout: Duration,
    /// After how long Postgres gives up waiting for another's lock (SQLSTATE 55P03).
    pub lock_timeout: Duration,
    /// Batches of at least so many events are written by COPY.
    pub copy_from: usize,
    /// What `pg_stat_activity` shows.
    pub application_name: String,
}

impl Default for StoreOptions {
    fn default() -> Self {
        Self {
            max_connections: 8,
            acquire_timeout: Duration::from_secs(5),
            // Shorter than the ten seconds in which a consumer must be able to stop.
            statement_timeout: Duration::from_secs(8),
            lock_timeout: Duration::from_secs(5),
            // Below, a transaction's more answers cost what COPY saves.
            copy_from: 2_000,
            application_name: "clickshop".to_owned(),
        }
    }
}

/// The database. Cheap to clone; all clones share one pool.
#[derive(Clone, Debug)]
pub struct Store {
    pool: PgPool,
    /// How long to wait for any answer: longer than Postgres' own limit, for when Postgres cannot speak.
    patience: Duration,
    pub(crate) lock_timeout: Duration,
    pub(crate) copy_from: usize,
    pub(crate) optimism: Arc<Optimism>,
    pub(crate) agents: Arc<Agents>,
}

impl Store {
    /// Prepares a pool and connects nowhere yet, so it works while Postgres is away.
    ///
    /// Must be called within a tokio runtime. Fails only when `database_url` cannot be understood.
    pub fn connect_lazy(database_url: &str, options: &StoreOptions) -> Result<Self, StoreError> {
        let connect = PgConnectOptions::from_str(database_url)
            .map_err(StoreError::Broken)?
            .application_name(&options.application_name)
            .options(session_settings(options))
            // The ingest statement is a page long; what is slow shows in the metrics of its caller.
            .disable_statement_logging();
        let pool = PgPoolOptions::new()
            .max_connections(options.max_connections)
            .acquire_timeout(options.acquire_timeout)
            .connect_lazy_with(connect);
        Ok(Self {
            pool,
            patience: options.statement_timeout + Duration::from_secs(2),
            lock_timeout: options.lock_timeout,
            copy_from: options.copy_from,
            optimism: Arc::default(),
            agents: Arc::default(),
        })
    }

    /// Asks Postgres for a sign of life.
    pub async fn ping(&self) -> Result<(), StoreError> {
        let mut session = self.session().await?;
        self.answer(session.ping()).await?;
        session.finish();
        Ok(())
    }

    /// A connection beside the pool, with session settings that override the pool's.
    pub(crate) async fn connect_with(
        &self,
        settings: &[(&'static str, &'static str)],
    ) -> sqlx::Result<PgConnection> {
        let options = PgConnectOptions::clone(&self.pool.connect_options());
        let connecting = options.options(settings.iter().copied());
        self.answer(async move { connecting.connect().await }).await
    }

    /// Closes every connection, after what is under way has ended.
    pub async fn close(&self) {
        self.pool.close().await;
    }

    /// A connection for one statement, or one transaction.
    pub(crate) async fn session(&self) -> sqlx::Result<Session> {
        Ok(Session {
            connection: self.pool.acquire().await?,
            finished: false,
        })
    }

    /// Waits for an answer, but not for ever: a cut network gives none.
    pub(crate) async fn answer<T>(
        &self,
        answer: impl Future<Output = sqlx::Result<T>>,
    ) -> sqlx::Result<T> {
        match tokio::time::timeout(self.patience, answer).await {
            Ok(answer) => answer,
            Err(_) => Err(sqlx::Error::Io(std::io::ErrorKind::TimedOut.into())),
        }
    }
}

/// A connection that goes back to the pool only when its work ended well.
///
/// When it did not, because of an error, a timeout or a caller that went away, an answer could still
/// be under way in it; so it is closed.
pub(crate) struct Session {
    connection: PoolConnection<Postgres>,
    finished: bool,
}

impl Session {
    /// Gives the connection back.
    pub(crate) fn finish(mut self) {
        self.finished = true;
    }
}

impl Deref for Session {
    type Target = PgConnection;

    fn deref(&self) -> &PgConnection {
        &self.connection
    }
}

impl DerefMut for Session {
    fn deref_mut(&mut self) -> &mut PgConnection {
        &mut self.connection
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        if !self.finished {
            self.connection.close_on_drop();
        }
    }
}

/// What each session tells Postgres at its start.
fn session_settings(options: &StoreOptions) -> Vec<(&'static str, String)> {
    let ms = |limit: Duration| format!("{}ms", limit.as_millis());
    let fixed = [
        // A client that froze inside a transaction lets go by itself; whoever takes its lease does not wait for that.
        ("idle_in_transaction_session_timeout", "10s"),
        // The server notices a client that is gone: while it works, and while it waits.
        ("client_connection_check_interval", "5s"),
        ("tcp_keepalives_idle", "10"),
        ("tcp_keepalives_interval", "5"),
        ("tcp_keepalives_count", "3"),
        ("tcp_user_timeout", "20s"),
        // The ingest statement hashes a batch's ids; spilling them would make it quadratic.
        ("work_mem", "32MB"),
        ("jit", "off"),
    ];
    fixed
        .into_iter()
        .map(|(name, value)| (name, value.to_owned()))
        .chain([
            ("statement_timeout", ms(options.statement_timeout)),
            ("lock_timeout", ms(options.lock_timeout)),
        ])
        .collect()
}
