//! A topic, a group, a database and ports that no other test knows.

use super::{Gate, Producer, Program, until};
use sqlx::postgres::{PgPool, PgPoolOptions};
use sqlx::{AssertSqlSafe, FromRow, Row};
use std::path::PathBuf;
use std::time::Duration;
use tokio::sync::{RwLock, RwLockReadGuard, RwLockWriteGuard};
use uuid::Uuid;

/// Tests share the cluster; one that stops a broker has it for itself.
static CLUSTER: RwLock<()> = RwLock::const_new(());

#[expect(dead_code, reason = "held, never looked at")]
enum Share {
    Together(RwLockReadGuard<'static, ()>),
    Alone(RwLockWriteGuard<'static, ()>),
}

/// What one test works in.
pub struct World {
    pub name: String,
    pub brokers: String,
    pub topic: String,
    pub database_url: String,
    pub db: PgPool,
    logs: PathBuf,
    _share: Share,
}

/// How often each thing was counted in a world's database.
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromRow)]
pub struct Counts {
    pub events: i64,
    pub distinct_ids: i64,
    pub clickstream_data: i64,
    pub rejected: i64,
}

impl World {
    /// A world with its topic and tables made by `consumer setup`.
    pub async fn new(name: &str) -> Self {
        Self::make(name, Share::Together(CLUSTER.read().await)).await
    }

    /// The same, with the cluster to itself.
    pub async fn alone(name: &str) -> Self {
        Self::make(name, Share::Alone(CLUSTER.write().await)).await
    }

    async fn make(name: &str, share: Share) -> Self {
        let brokers = setting("KAFKA_BROKERS");
        let server = setting("DATABASE_URL");
        let unique = format!("{name}_{}", &Uuid::new_v4().simple().to_string()[..8]);
        let admin = PgPool::connect(&server).await.unwrap();
        sqlx::query(AssertSqlSafe(format!("CREATE DATABASE {unique}")))
            .execute(&admin)
            .await
            .unwrap();
        admin.close().await;
        let mut url = url_parts(&server);
        url.database = unique.clone();
        let database_url = url.to_string();
        let db = PgPoolOptions::new()
            .max_connections(3)
            .connect(&database_url)
            .await
            .unwrap();
        let world = Self {
            name: name.to_owned(),
            topic: unique,
            brokers,
            database_url,
            db,
            logs: log_folder(),
            _share: share,
        };
        let mut setup = world.start("consumer", &["setup"], "setup", &[]);
        let status = setup.wait(Duration::from_mins(1)).await;
        assert!(
            status.success(),
            "consumer setup failed ({status}): {}",
            setup.said()
        );
        world
    }

    /// A program of ours in this world; `settings` come last and win.
    pub fn start(
        &self,
        binary: &str,
        args: &[&str],
        log: &str,
        settings: &[(&str, String)],
    ) -> Program {
        let mut all = vec![
            ("KAFKA_BROKERS", self.brokers.clone()),
            ("KAFKA_TOPIC", self.topic.clone()),
            ("CONSUMER_GROUP", self.topic.clone()),
            ("DATABASE_URL", self.database_url.clone()),
            ("OPS_ADDR", "127.0.0.1:0".to_owned()),
        ];
        all.extend(settings.iter().cloned());
        let log = self.logs.join(format!("{}-{log}.log", self.name));
        Program::start(binary, args, &all, &log)
    }

    /// The consumer as the start script runs it.
    pub fn consumer(&self) -> Program {
        self.start("consumer", &[], "consumer", &[])
    }

    /// The consumer, which finds Postgres behind `gate`.
    pub fn consumer_behind(&self, gate: &Gate) -> Program {
        let settings = [("DATABASE_URL", self.database_url_behind(gate))];
        self.start("consumer", &[], "consumer", &settings)
    }

    /// A producer that is not ours.
    pub fn producer(&self) -> Producer {
        Producer::new(&self.brokers, &self.topic)
    }

    /// A shut gate before Postgres.
    pub async fn postgres_gate(&self) -> Gate {
        Gate::before(address(&url_parts(&self.database_url).server).await)
    }

    /// A shut gate before the first broker. Behind it, a program that does not know Kafka yet can't find
    /// it; one that does, goes to the addresses that the brokers gave it.
    pub async fn kafka_gate(&self) -> Gate {
        Gate::before(address(self.brokers.split(',').next().unwrap()).await)
    }

    /// This world's database as a program behind `gate` reaches it.
    pub fn database_url_behind(&self, gate: &Gate) -> String {
        let mut url = url_parts(&self.database_url);
        url.server = gate.addr().to_string();
        url.to_string()
    }

    /// What is stored now.
    pub async fn counts(&self) -> Counts {
        sqlx::query_as(
            "SELECT (SELECT count(*) FROM events) AS events,
                    (SELECT count(DISTINCT event_id) FROM events) AS distinct_ids,
                    (SELECT count(*) FROM clickstream_data) AS clickstream_data,
                    (SELECT count(*) FROM rejected_events) AS rejected",
        )
        .fetch_one(&self.db)
        .await
        .unwrap()
    }

    /// One number from the database.
    pub async fn number(&self, sql: &'static str) -> i64 {
        let row = sqlx::query(sql).fetch_one(&self.db).await.unwrap();
        row.get(0)
    }

    /// Waits until `sql` gives `wanted`.
    pub async fn until_number(
        &self,
        what: &str,
        wanted: i64,
        deadline: Duration,
        sql: &'static str,
    ) {
        until(what, deadline, || async {
            match self.number(sql).await {
                n if n == wanted => Ok(()),
                n => Err(format!("{n} instead of {wanted}")),
            }
        })
        .await;
    }

    /// Waits until that many events are rows.
    pub async fn until_events(&self, wanted: i64, deadline: Duration) {
        let what = format!("{wanted} events are rows");
        self.until_number(&what, wanted, deadline, "SELECT count(*) FROM events")
            .await;
    }
}

/// A setting that test.sh gives.
fn setting(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| {
        panic!(
            "{name} is not set: these tests need servers of their own, which ./test.sh brings up"
        )
    })
}

/// Where programs log: test.sh's artefacts, else the system's temporary folder.
fn log_folder() -> PathBuf {
    let folder = std::env::var_os("ARTIFACTS")
        .map_or_else(std::env::temp_dir, PathBuf::from)
        .join("logs/pipeline");
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

/// `postgres://user:password@server/database`, taken apart.
struct UrlParts {
    credentials: String,
    server: String,
    database: String,
}

fn url_parts(url: &str) -> UrlParts {
    let rest = url.split_once("://").unwrap().1;
    let (credentials, rest) = rest.rsplit_once('@').unwrap();
    let (server, database) = rest.split_once('/').unwrap();
    UrlParts {
        credentials: credentials.to_owned(),
        server: server.to_owned(),
        database: database.split('?').next().unwrap().to_owned(),
    }
}

impl std::fmt::Display for UrlParts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self {
            credentials,
            server,
            database,
        } = self;
        write!(f, "postgres://{credentials}@{server}/{database}")
    }
}

async fn address(server: &str) -> std::net::SocketAddr {
    tokio::net::lookup_host(server)
        .await
        .unwrap()
        .next()
        .unwrap()
}
