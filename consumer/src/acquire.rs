//! Takes the lease of a partition, however long Kafka or Postgres stay away, and says where to read on.

use crate::backoff;
use crate::board::Shared;
use crate::source::Client;
use crate::start::{self, Halt, Start, Watermarks};
use anyhow::Context as _;
use chrono::Utc;
use domain::NextOffset;
use rdkafka::consumer::Consumer;
use rdkafka::error::KafkaResult;
use rdkafka::metadata::{MetadataPartition, MetadataTopic};
use service::outage::Complaint;
use std::sync::Arc;
use std::time::Duration;
use store::{FirstContact, Holder, Lease, StoreError};
use tokio_util::sync::CancellationToken;

/// How long to wait for one answer of Kafka: short, so that a stop is not held up.
pub const ANSWER: Duration = Duration::from_secs(2);

/// After a change of leader its end may trail what was read before, for a moment: so often a stored
/// offset beyond the end is looked at again before it halts the partition.
const LOOKS_BEYOND_THE_END: u32 = 4;

/// Takes the lease. Nothing is returned only when `cancel` came first.
pub async fn acquire(
    shared: &Shared,
    client: &Arc<Client>,
    partition: i32,
    after: Duration,
    cancel: &CancellationToken,
) -> Option<Result<Start, Halt>> {
    wait(after, cancel).await?;
    let mut failures = 0;
    let refused = Complaint::new(format!("taking the lease of partition {partition}"));
    let (lease, cluster_id) = loop {
        match take(shared, client, partition).await {
            Ok(taken) => break taken,
            Err(problem) => problem.report(shared, &refused),
        }
        failures += 1;
        wait(backoff::pause(failures), cancel).await?;
    };
    // The end is asked for only now: it cannot be before an offset that was stored before.
    let mut looks = 0;
    loop {
        let asked = Utc::now();
        match watermarks(client, &shared.topic, partition).await {
            Ok(kafka) => {
                shared.board.ends_at(partition, kafka.high, asked);
                let beyond = lease.next > kafka.high;
                let decision = start::decide(partition, &lease, &cluster_id, kafka);
                if !beyond || decision.is_ok() || looks >= LOOKS_BEYOND_THE_END {
                    return Some(decision);
                }
                looks += 1;
                wait(Duration::from_millis(500), cancel).await?;
            }
            Err(error) => {
                Problem::Kafka(error).report(shared, &refused);
                failures += 1;
                wait(backoff::pause(failures), cancel).await?;
            }
        }
    }
}

/// Who did not answer.
enum Problem {
    Kafka(anyhow::Error),
    Postgres(StoreError),
}

impl Problem {
    fn report(self, shared: &Shared, call: &Complaint) {
        match self {
            Self::Kafka(error) => shared.kafka.missing(format!("{error:#}")),
            Self::Postgres(error) => shared.postgres_failed(&error, call),
        }
    }
}

/// One attempt to take the lease; returns it with the cluster's id.
async fn take(
    shared: &Shared,
    client: &Arc<Client>,
    partition: i32,
) -> Result<(Lease, String), Problem> {
    let cluster_id = cluster_id(client).await.map_err(Problem::Kafka)?;
    let known = shared
        .store
        .leases(&shared.topic)
        .await
        .map_err(Problem::Postgres)?;
    let lows = if known.is_empty() {
        lows(client, &shared.topic).await.map_err(Problem::Kafka)?
    } else {
        Vec::new()
    };
    let holder = Holder {
        owner: shared.owner.clone(),
        cluster_id: cluster_id.clone(),
    };
    let lease = shared
        .store
        .acquire(&shared.key(partition), &holder, &FirstContact { lows })
        .await
        .map_err(Problem::Postgres)?;
    shared.postgres.back();
    Ok((lease, cluster_id))
}

/// The first record of every partition that the topic has now.
async fn lows(client: &Arc<Client>, topic: &str) -> anyhow::Result<Vec<(i32, NextOffset)>> {
    let partitions = partitions(client, topic).await?;
    let mut lows = Vec::with_capacity(partitions.len());
    for partition in partitions {
        lows.push((partition, watermarks(client, topic, partition).await?.low));
    }
    anyhow::ensure!(!lows.is_empty(), "the topic {topic} has no partitions");
    Ok(lows)
}

/// Every partition of the topic.
pub async fn partitions(client: &Arc<Client>, topic: &str) -> anyhow::Result<Vec<i32>> {
    let topic = topic.to_owned();
    let metadata = ask(client, move |client| {
        client.fetch_metadata(Some(&topic), ANSWER)
    })
    .await?;
    let all = metadata.topics().iter().flat_map(MetadataTopic::partitions);
    Ok(all.map(MetadataPartition::id).collect())
}

/// What Kafka has of a partition.
pub async fn watermarks(
    client: &Arc<Client>,
    topic: &str,
    partition: i32,
) -> anyhow::Result<Watermarks> {
    let topic = topic.to_owned();
    let (low, high) = ask(client, move |client| {
        client.fetch_watermarks(&topic, partition, ANSWER)
    })
    .await?;
    Ok(Watermarks {
        low: NextOffset(low),
        high: NextOffset(high),
    })
}

/// The Kafka cluster's own id.
pub async fn cluster_id(client: &Arc<Client>) -> anyhow::Result<String> {
    ask(client, |client| {
        Ok(client.client().fetch_cluster_id(ANSWER))
    })
    .await?
    .context("no broker answers")
}

/// Asks Kafka a question that blocks, on a thread where it may.
pub async fn ask<T: Send + 'static>(
    client: &Arc<Client>,
    question: impl FnOnce(&Client) -> KafkaResult<T> + Send + 'static,
) -> anyhow::Result<T> {
    let client = client.clone();
    Ok(tokio::task::spawn_blocking(move || question(&client)).await??)
}

/// Waits; nothing when `cancel` came first.
async fn wait(pause: Duration, cancel: &CancellationToken) -> Option<()> {
    cancel.run_until_cancelled(tokio::time::sleep(pause)).await
}
