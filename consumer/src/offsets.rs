//! The operator's view of the stored offsets, and the command that every halt names as its repair.

use crate::acquire;
use crate::consent;
use crate::run::owner;
use crate::settings::Cli;
use crate::source::{self, Client, Context};
use crate::start::{self, Watermarks};
use crate::verbs::{OffsetsVerb, Reset};
use anyhow::{Context as _, bail, ensure};
use moves::Move;
use rdkafka::config::ClientConfig;
use std::collections::BTreeMap;
use std::sync::Arc;
use store::{FirstContact, Holder, LeaseRow, PartitionKey, Store};

mod halts;
pub(crate) mod moves;

/// Does what the verb says.
///
/// # Errors
/// Kafka or Postgres does not answer, a partition cannot be read on (`show`), or what was asked for is
/// not possible.
pub async fn offsets(cli: &Cli, verb: &OffsetsVerb) -> anyhow::Result<()> {
    let view = View::look(cli).await?;
    let done = match verb {
        OffsetsVerb::Show => view.show().await,
        OffsetsVerb::Reset(reset) => view.reset(reset).await,
    };
    view.store.close().await;
    done
}

/// Both sides of the offsets at one moment, and the ways to ask on.
pub(crate) struct View {
    /// The rows and the leases.
    pub store: Store,
    /// A client that asks, and is no member of the group.
    pub client: Arc<Client>,
    /// The settings of a client that reads.
    config: ClientConfig,
    /// The topic's name.
    pub topic: String,
    /// What Kafka has of each partition.
    pub kafka: BTreeMap<i32, Watermarks>,
    /// What Postgres knows of each partition.
    pub leases: Vec<LeaseRow>,
    /// The operator who asks, in this cluster.
    pub holder: Holder,
}

impl View {
    /// Asks Kafka and Postgres.
    pub async fn look(cli: &Cli) -> anyhow::Result<Self> {
        let store = cli.store().context("DATABASE_URL")?;
        let config = source::client_config(&cli.kafka, &cli.consumer);
        let mut asking = config.clone();
        // Only asks; it must not join the group.
        asking.remove("group.id");
        let client: Arc<Client> = Arc::new(
            asking
                .create_with_context(Context::default())
                .map_err(service::kafka::explain)?,
        );
        let topic = &cli.kafka.kafka_topic;
        let kafka = watermarks(&client, topic)
            .await
            .context("Kafka (KAFKA_BROKERS)")?;
        let cluster_id = acquire::cluster_id(&client).await?;
        let leases = store.leases(topic).await?;
        Ok(Self {
            store,
            client,
            config,
            topic: topic.clone(),
            kafka,
            leases,
            holder: Holder {
                owner: format!("{} (operator)", owner()),
                cluster_id,
            },
        })
    }

    /// Prints a line for each partition; an error at the end when one of them cannot be read on.
    async fn show(&self) -> anyhow::Result<()> {
        table(&self.kafka, &self.leases);
        let halts = self.halts().await?;
        let mut lines: Vec<String> = halts
            .iter()
            .map(|(n, halt)| format!("partition {n}: {}\n  {}", halt.reason, halt.repair))
            .collect();
        let unread = self.store.unread(&self.topic).await?;
        for gone in moves::without_kafka(&self.kafka, &self.leases, &unread) {
            lines.push(format!(
                "partition {}: Kafka has no such partition; {} events that collectors put there were not read\n  {}",
                gone.partition,
                gone.unread,
                start::give_up(gone.partition)
            ));
        }
        if lines.is_empty() {
            return Ok(());
        }
        println!();
        bail!("some partitions cannot be read on:\n{}", lines.join("\n"))
    }

    /// Shows the moves, and makes them when told to.
    async fn reset(&self, reset: &Reset) -> anyhow::Result<()> {
        let unread = self.store.unread(&self.topic).await?;
        let plan = moves::plan(reset, &self.kafka, &self.leases, &unread)?;
        for one in &plan.moves {
            println!("{}", one.explain(reset.recreated));
        }
        for one in &plan.given_up {
            println!("{}", one.explain());
        }
        if !consent::given(reset.consent)? {
            return Ok(());
        }
        for one in &plan.given_up {
            let key = self.key(one.partition);
            self.store.give_up(&key).await?;
        }
        self.make(&plan.moves, reset.recreated).await
    }

    fn key(&self, partition: i32) -> PartitionKey {
        PartitionKey {
            topic: self.topic.clone(),
            partition,
        }
    }

    /// Makes the moves.
    pub async fn make(&self, moves: &[Move], recreated: bool) -> anyhow::Result<()> {
        for one in moves {
            let key = self.key(one.partition);
            if one.from.is_none() {
                // A lease must be there to be moved.
                let lows = self.kafka.iter().map(|(n, marks)| (*n, marks.low));
                let lows = lows.collect();
                let first = FirstContact { lows };
                self.store.acquire(&key, &self.holder, &first).await?;
            }
            self.store
                .reset_offset(&key, &self.holder, one.to, recreated)
                .await?
                .with_context(|| format!("partition {} has no lease", one.partition))?;
        }
        println!("Done. A consumer that runs takes it up within ten seconds.");
        Ok(())
    }
}

/// What Kafka has of each partition.
async fn watermarks(
    client: &Arc<Client>,
    topic: &str,
) -> anyhow::Result<BTreeMap<i32, Watermarks>> {
    let mut kafka = BTreeMap::new();
    for partition in acquire::partitions(client, topic).await? {
        kafka.insert(
            partition,
            acquire::watermarks(client, topic, partition).await?,
        );
    }
    ensure!(
        !kafka.is_empty(),
        "the topic {topic} is not there; run: cargo run -p consumer -- setup"
    );
    Ok(kafka)
}

/// Prints a line for each partition.
fn table(kafka: &BTreeMap<i32, Watermarks>, leases: &[LeaseRow]) {
    println!(
        "{:>9} {:>12} {:>12} {:>12} {:>9} {:>6}  {:<20} holder",
        "partition", "kafka first", "kafka end", "stored next", "lag", "epoch", "since (UTC)"
    );
    for (partition, marks) in kafka {
        let Some(row) = leases.iter().find(|row| row.partition == *partition) else {
            println!(
                "{partition:>9} {:>12} {:>12} {:>12}",
                marks.low.0, marks.high.0, "never read"
            );
            continue;
        };
        let since = row.acquired_at.map_or_else(
            || "never held".to_owned(),
            |at| at.format("%Y-%m-%d %H:%M:%S").to_string(),
        );
        println!(
            "{partition:>9} {:>12} {:>12} {:>12} {:>9} {:>6}  {since:<20} {}",
            marks.low.0,
            marks.high.0,
            row.lease.next.0,
            marks.high.0 - row.lease.next.0,
            row.lease.epoch,
            row.owner.as_deref().unwrap_or("nobody"),
        );
    }
}
