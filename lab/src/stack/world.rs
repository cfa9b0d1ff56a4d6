//! A topic, a group, a database and ports that nobody else knows.

use super::url::{DatabaseUrl, address};
use super::{Gate, Producer, Program, Servers, Topic, until};
use anyhow::{Context as _, ensure};
use sqlx::postgres::{PgPool, PgPoolOptions};
use sqlx::{AssertSqlSafe, FromRow, Row};
use std::path::{Path, PathBuf};
use std::time::Duration;
use uuid::Uuid;

/// What one test, or one case of the drill, works in.
pub struct World {
    pub name: String,
    pub brokers: String,
    pub topic: String,
    pub database_url: String,
    pub db: PgPool,
    logs: PathBuf,
    server: String,
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
    /// A world in these servers, with its topic and tables made by `consumer setup`; its programs log into
    /// the folder `logs`.
    pub async fn make(servers: &Servers, name: &str, logs: &Path) -> anyhow::Result<Self> {
        std::fs::create_dir_all(logs)?;
        let unique = format!("{name}_{}", &Uuid::new_v4().simple().to_string()[..8]);
        let server = servers.database_url();
        run_sql(server, format!("CREATE DATABASE {unique}")).await?;
        let database_url = DatabaseUrl::parse(server)?.database(&unique).to_string();
        let world = Self {
            name: name.to_owned(),
            topic: unique,
            brokers: servers.brokers().to_owned(),
            db: pool(&database_url)?,
            database_url,
            logs: logs.to_owned(),
            server: server.to_owned(),
        };
        world.set_up().await?;
        Ok(world)
    }

    /// `consumer setup`, which may be repeated.
    pub async fn set_up(&self) -> anyhow::Result<()> {
        self.operate(&["setup"]).await.map(drop)
    }

    /// Deletes the database and the topic; only to save room, so it may fail.
    pub async fn clear(self) {
        self.db.close().await;
        let dropped = format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", self.topic);
        let database = run_sql(&self.server, dropped).await;
        let topic = match Topic::new(&self.brokers, &self.topic) {
            Ok(topic) => topic.delete().await,
            Err(error) => Err(error),
        };
        for error in [database.err(), topic.err()].into_iter().flatten() {
            tracing::debug!("{} was not cleared away: {error:#}", self.name);
        }
    }

    /// A program of ours in this world; `settings` come last and win.
    pub fn start(
        &self,
        binary: &str,
        args: &[&str],
        log: &str,
        settings: &[(&str, String)],
    ) -> anyhow::Result<Program> {
        let mut all = vec![
            ("KAFKA_BROKERS", self.brokers.clone()),
            ("KAFKA_TOPIC", self.topic.clone()),
            ("CONSUMER_GROUP", self.topic.clone()),
            ("DATABASE_URL", self.database_url.clone()),
            ("OPS_ADDR", "127.0.0.1:0".to_owned()),
            ("GRPC_ADDR", "127.0.0.1:0".to_owned()),
        ];
        all.extend(settings.iter().cloned());
        Program::start(binary, args, &all, &self.log(log))
    }

    /// Where the programs log that were started under this name.
    pub fn log(&self, name: &str) -> PathBuf {
        self.logs.join(format!("{}-{name}.log", self.name))
    }

    /// The consumer as the start script runs it.
    pub fn consumer(&self) -> anyhow::Result<Program> {
        self.start("consumer", &[], "consumer", &[])
    }

    /// The consumer, which finds Postgres behind `gate`.
    pub fn consumer_behind(&self, gate: &Gate) -> anyhow::Result<Program> {
        let settings = [("DATABASE_URL", self.database_url_behind(gate.addr())?)];
        self.start("consumer", &[], "consumer", &settings)
    }

    /// Runs an operator's verb of the consumer to its end and returns what it said.
    ///
    /// # Errors
    /// It failed, with what it said.
    pub async fn operate(&self, args: &[&str]) -> anyhow::Result<String> {
        let name = format!("operator-{}", Uuid::new_v4().simple());
        let mut program = self.start("consumer", args, &name, &[])?;
        let status = program.wait(Duration::from_mins(1)).await?;
        let said = program.said()?;
        // One log for all of them.
        let log = self.log("operator");
        let told = format!("$ consumer {}\n{said}", args.join(" "));
        let mut file = std::fs::File::options()
            .create(true)
            .append(true)
            .open(log)?;
        std::io::Write::write_all(&mut file, told.as_bytes())?;
        std::fs::remove_file(program.log())?;
        ensure!(
            status.success(),
            "consumer {} failed ({status}): {said}",
            args.join(" ")
        );
        Ok(said)
    }

    /// A producer that is not ours.
    pub fn producer(&self) -> anyhow::Result<Producer> {
        Producer::new(&self.brokers, &self.topic)
    }

    /// The topic as Kafka sees it.
    pub fn topic(&self) -> anyhow::Result<Topic> {
        Topic::new(&self.brokers, &self.topic)
    }

    /// Where Postgres really is.
    pub async fn postgres(&self) -> anyhow::Result<std::net::SocketAddr> {
        address(&DatabaseUrl::parse(&self.database_url)?.server).await
    }

    /// A shut gate before Postgres.
    pub async fn postgres_gate(&self) -> anyhow::Result<Gate> {
        Gate::before(self.postgres().await?)
    }

    /// A shut gate before the first broker. Behind it, a program that does not know Kafka yet can't find
    /// it; one that does, goes to the addresses that the brokers gave it.
    pub async fn kafka_gate(&self) -> anyhow::Result<Gate> {
        let first = self.brokers.split(',').next().context("no broker")?;
        Gate::before(address(first).await?)
    }

    /// This world's database as a program behind a gate at `addr` reaches it.
    pub fn database_url_behind(&self, addr: std::net::SocketAddr) -> anyhow::Result<String> {
        Ok(DatabaseUrl::parse(&self.database_url)?
            .behind(addr)
            .to_string())
    }

    /// Replaces the database by a new and empty one of the same name, whoever is connected.
    pub async fn empty_database(&self) -> anyhow::Result<()> {
        for sql in ["DROP DATABASE {} WITH (FORCE)", "CREATE DATABASE {}"] {
            run_sql(&self.server, sql.replace("{}", &self.topic)).await?;
        }
        Ok(())
    }

    /// What is stored now.
    pub async fn counts(&self) -> anyhow::Result<Counts> {
        let counts = sqlx::query_as(
            "SELECT (SELECT count(*) FROM events) AS events,
                    (SELECT count(DISTINCT event_id) FROM events) AS distinct_ids,
                    (SELECT count(*) FROM clickstream_data) AS clickstream_data,
                    (SELECT count(*) FROM rejected_events) AS rejected",
        );
        Ok(counts.fetch_one(&self.db).await?)
    }

    /// One number from the database.
    pub async fn number(&self, sql: &'static str) -> anyhow::Result<i64> {
        let row = sqlx::query(sql).fetch_one(&self.db).await?;
        Ok(row.try_get(0)?)
    }

    /// Waits until `sql` gives `wanted`.
    pub async fn until_number(
        &self,
        what: &str,
        wanted: i64,
        deadline: Duration,
        sql: &'static str,
    ) -> anyhow::Result<()> {
        until(what, deadline, || async {
            match self.number(sql).await {
                Ok(n) if n == wanted => Ok(()),
                Ok(n) => Err(format!("{n} instead of {wanted}")),
                Err(error) => Err(format!("{error:#}")),
            }
        })
        .await
    }

    /// Waits until that many events are rows.
    pub async fn until_events(&self, wanted: i64, deadline: Duration) -> anyhow::Result<()> {
        let what = format!("{wanted} events are rows");
        self.until_number(&what, wanted, deadline, "SELECT count(*) FROM events")
            .await
    }
}

/// A small pool that survives Postgres going away.
fn pool(url: &str) -> anyhow::Result<PgPool> {
    let pool = PgPoolOptions::new()
        .max_connections(4)
        .acquire_timeout(Duration::from_secs(5));
    Ok(pool.connect_lazy(url)?)
}

/// One statement on a connection of its own.
async fn run_sql(url: &str, sql: String) -> anyhow::Result<()> {
    use sqlx::Connection as _;
    let mut connection = sqlx::PgConnection::connect(url).await?;
    sqlx::query(AssertSqlSafe(sql))
        .execute(&mut connection)
        .await?;
    connection.close().await?;
    Ok(())
}
