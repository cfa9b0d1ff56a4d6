//! Keeps a session going from start to stop: waits for what must be there, replaces a client that is of
//! no more use, and ends in an orderly way within ten seconds.

use crate::acquire::ANSWER;
use crate::board::{Board, Reach, Shared};
use crate::inbox::Limits;
use crate::measures::METERS;
use crate::session::{Ended, Session};
use crate::settings::Cli;
use crate::source::{self, Client, Context};
use crate::{backoff, summary};
use anyhow::Context as _;
use chrono::Utc;
use rdkafka::config::ClientConfig;
use rdkafka::consumer::Consumer;
use service::health::{Health, Part};
use service::outage::Complaint;
use service::telemetry::Telemetry;
use std::sync::{Arc, LazyLock};
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

/// After this the process ends whether or not everything has ended: the leases keep the rows right.
const END_PATIENCE: Duration = Duration::from_secs(8);
/// How long Postgres may take to say goodbye.
const GOODBYE: Duration = Duration::from_secs(1);
/// How often the coming days' partitions are made.
const PARTITIONS_EVERY: Duration = Duration::from_hours(1);
/// How often something missing is looked for again.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// Reads and writes until SIGTERM or SIGINT.
///
/// # Errors
/// Only what no waiting mends: settings that cannot be used, a port that is taken.
pub async fn run(cli: &Cli, telemetry: &Telemetry) -> anyhow::Result<()> {
    let stop = service::shutdown::token()?;
    // From now on every number is shown, as 0.
    LazyLock::force(&METERS);
    let health = Health::new();
    telemetry
        .serve_ops(cli.ops.ops_addr, health.clone(), stop.clone())
        .await?;

    let setup = health.part_within("setup", Duration::MAX);
    let shared = Arc::new(Shared {
        store: cli.store().context("DATABASE_URL")?,
        topic: cli.kafka.kafka_topic.clone(),
        owner: owner(),
        limits: Limits::new(cli.consumer.batch_events as usize),
        permits: Semaphore::new(cli.consumer.write_connections as usize),
        board: Board::default(),
        kafka: Reach::new("Kafka", health.part("kafka")),
        postgres: Reach::new("Postgres", health.part("postgres")),
    });
    let config = source::client_config(&cli.kafka, &cli.consumer);

    let work = async {
        tables_are_there(&shared, &setup).await;
        make_partitions(&shared).await;
        tokio::spawn(keep_making_partitions(shared.clone()));
        tokio::spawn(summary::summarise(shared.clone()));
        tokio::spawn(watch_halts(shared.clone(), health.part("partitions")));
    };
    if stop.run_until_cancelled(work).await.is_none() {
        return Ok(());
    }
    let ended = sessions(&shared, &config, &setup, &stop).await;
    let _ = tokio::time::timeout(GOODBYE, shared.store.close()).await;
    tracing::info!("ended");
    ended
}

/// One session after another until `stop`.
async fn sessions(
    shared: &Arc<Shared>,
    config: &ClientConfig,
    setup: &Part,
    stop: &CancellationToken,
) -> anyhow::Result<()> {
    while !stop.is_cancelled() {
        let topic = topic_is_there(shared, config, setup);
        match stop.run_until_cancelled(topic).await {
            None => break,
            Some(there) => there?,
        }
        setup.ready();
        let client = client(config)?;
        client.subscribe(&[&shared.topic])?;
        let session = Session::new(shared.clone(), client, Handle::current());
        let (sender, ended) = tokio::sync::oneshot::channel();
        let stop_session = stop.clone();
        std::thread::Builder::new()
            .name("kafka-poll".to_owned())
            .spawn(move || {
                // The receiver is gone only when the process is ending anyway.
                let _ = sender.send(session.run(&stop_session));
            })?;
        let too_late = async {
            stop.cancelled().await;
            tokio::time::sleep(END_PATIENCE).await;
        };
        tokio::select! {
            ended = ended => match ended.context("the polling thread broke down")? {
                Ended::Asked => {}
                Ended::ClientBroken(reason) => {
                    tracing::error!(reason, "the Kafka client is of no more use; making a new one");
                    stop.run_until_cancelled(tokio::time::sleep(LOOK_AGAIN)).await;
                }
            },
            () = too_late => tracing::warn!("not everything ended in time; the leases keep the rows right"),
        }
    }
    Ok(())
}

fn client(config: &ClientConfig) -> anyhow::Result<Client> {
    config
        .create_with_context(Context::default())
        .map_err(service::kafka::explain)
}

/// Waits until the tables are as this build needs them.
async fn tables_are_there(shared: &Shared, part: &Part) {
    let mut said = false;
    let refused = Complaint::new("looking at the tables");
    loop {
        match shared.store.schema_is_current().await {
            Ok(true) => {
                shared.postgres.back();
                return;
            }
            Ok(false) => {
                shared.postgres.back();
                say_once(
                    &mut said,
                    part,
                    "the tables are not there yet, or older than this build",
                );
            }
            Err(error) => shared.postgres_failed(&error, &refused),
        }
        tokio::time::sleep(LOOK_AGAIN).await;
    }
}

/// Waits until the topic exists.
async fn topic_is_there(shared: &Shared, config: &ClientConfig, part: &Part) -> anyhow::Result<()> {
    let client = Arc::new(client(config)?);
    let mut said = false;
    loop {
        let topic = shared.topic.clone();
        let look = move |client: &Client| client.fetch_metadata(Some(&topic), ANSWER);
        match crate::acquire::ask(&client, look).await {
            Ok(metadata) => {
                shared.kafka.back();
                let there = metadata
                    .topics()
                    .iter()
                    .any(|topic| topic.error().is_none() && !topic.partitions().is_empty());
                if there {
                    return Ok(());
                }
                say_once(
                    &mut said,
                    part,
                    &format!("the topic {} is not there yet", shared.topic),
                );
            }
            Err(error) => shared.kafka.missing(format!("{error:#}")),
        }
        tokio::time::sleep(LOOK_AGAIN).await;
    }
}

fn say_once(said: &mut bool, part: &Part, what: &str) {
    part.unready(what);
    if !std::mem::replace(said, true) {
        tracing::warn!(
            "{what}; waiting. Run: cargo run -p consumer -- setup, or: bash start_script.sh"
        );
    }
}

/// Makes the partitions of `events` for the days around today; tries until it is done.
async fn make_partitions(shared: &Shared) {
    let mut failures = 0;
    let refused = Complaint::new("making the coming days' tables");
    loop {
        match shared.store.ensure_partitions(Utc::now()).await {
            Ok(made) => {
                refused.over();
                if made > 0 {
                    tracing::info!(made, "made daily partitions");
                }
                return;
            }
            Err(error) => shared.postgres_failed(&error, &refused),
        }
        failures += 1;
        tokio::time::sleep(backoff::pause(failures)).await;
    }
}

async fn keep_making_partitions(shared: Arc<Shared>) {
    loop {
        tokio::time::sleep(PARTITIONS_EVERY).await;
        make_partitions(&shared).await;
    }
}

/// Makes a partition that stands still visible in `/readyz`.
async fn watch_halts(shared: Arc<Shared>, part: Part) {
    let mut tick = tokio::time::interval(Duration::from_secs(2));
    loop {
        tick.tick().await;
        let halted: Vec<String> = shared
            .board
            .views()
            .into_iter()
            .filter_map(|(number, view)| {
                Some(format!("partition {number} stands still: {}", view.halted?))
            })
            .collect();
        if halted.is_empty() {
            part.ready();
        } else {
            part.unready(halted.join("; "));
        }
    }
}

/// This process by host and id, as `consumer offsets show` prints it.
pub fn owner() -> String {
    format!("{}:{}", host(), std::process::id())
}

/// The host's name, as far as it tells it.
pub fn host() -> String {
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname")
        .or_else(|_| std::env::var("HOSTNAME"))
        .unwrap_or_else(|_| "consumer".to_owned());
    host.trim().to_owned()
}
