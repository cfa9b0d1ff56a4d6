//! The operator's view of the stored offsets, and the command that every halt names as its repair.

use crate::acquire::{self, ANSWER};
use crate::run::owner;
use crate::settings::{Cli, OffsetsVerb, Reset, To, Which};
use crate::source::{self, Client, Context};
use crate::start::{self, Watermarks};
use anyhow::{Context as _, bail, ensure};
use domain::NextOffset;
use rdkafka::consumer::Consumer;
use rdkafka::metadata::MetadataTopic;
use std::collections::BTreeMap;
use std::sync::Arc;
use store::{FirstContact, Holder, LeaseRow, PartitionKey, Store};

/// Does what the verb says.
///
/// # Errors
/// Kafka or Postgres does not answer, a partition cannot be read on (`show`), or what was asked for is
/// not possible.
pub async fn offsets(cli: &Cli, verb: &OffsetsVerb) -> anyhow::Result<()> {
    let store = cli.store().context("DATABASE_URL")?;
    let mut config = source::client_config(&cli.kafka, &cli.consumer);
    // Only asks; it must not join the group.
    config.remove("group.id");
    let client: Arc<Client> = Arc::new(
        config
            .create_with_context(Context::default())
            .map_err(service::kafka::explain)?,
    );
    let topic = &cli.kafka.kafka_topic;
    let kafka = watermarks(&client, topic)
        .await
        .context("Kafka (KAFKA_BROKERS)")?;
    let cluster_id = acquire::cluster_id(&client).await?;
    let leases = store.leases(topic).await?;
    let done = match verb {
        OffsetsVerb::Show => show(&kafka, &leases, &cluster_id),
        OffsetsVerb::Reset(reset) => {
            let holder = Holder {
                owner: format!("{} (reset)", owner()),
                cluster_id,
            };
            apply(&store, topic, reset, &kafka, &leases, &holder).await
        }
    };
    store.close().await;
    done
}

/// What Kafka has of each partition.
async fn watermarks(
    client: &Arc<Client>,
    topic: &str,
) -> anyhow::Result<BTreeMap<i32, Watermarks>> {
    let name = topic.to_owned();
    let metadata = acquire::ask(client, move |client| {
        client.fetch_metadata(Some(&name), ANSWER)
    })
    .await?;
    let mut kafka = BTreeMap::new();
    for partition in metadata.topics().iter().flat_map(MetadataTopic::partitions) {
        kafka.insert(
            partition.id(),
            acquire::watermarks(client, topic, partition.id()).await?,
        );
    }
    ensure!(
        !kafka.is_empty(),
        "the topic {topic} is not there; run: cargo run -p consumer -- setup"
    );
    Ok(kafka)
}

/// Prints a line for each partition; an error at the end when one of them cannot be read on.
fn show(
    kafka: &BTreeMap<i32, Watermarks>,
    leases: &[LeaseRow],
    cluster_id: &str,
) -> anyhow::Result<()> {
    println!(
        "{:>9} {:>12} {:>12} {:>12} {:>9} {:>6}  {:<20} holder",
        "partition", "kafka first", "kafka end", "stored next", "lag", "epoch", "since (UTC)"
    );
    let mut halts = Vec::new();
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
        if let Err(halt) = start::decide(*partition, &row.lease, cluster_id, *marks) {
            halts.push(format!(
                "partition {partition}: {}\n  {}",
                halt.reason, halt.repair
            ));
        }
    }
    for row in leases
        .iter()
        .filter(|row| !kafka.contains_key(&row.partition))
    {
        halts.push(format!(
            "partition {}: Postgres has its offset {}, Kafka has no such partition",
            row.partition, row.lease.next
        ));
    }
    if halts.is_empty() {
        return Ok(());
    }
    println!();
    bail!("some partitions cannot be read on:\n{}", halts.join("\n"))
}

/// One partition's move, as it is shown before it is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Move {
    partition: i32,
    from: Option<NextOffset>,
    to: NextOffset,
}

/// Decides the moves.
///
/// # Errors
/// A partition or an offset that Kafka does not have.
fn plan(
    reset: &Reset,
    kafka: &BTreeMap<i32, Watermarks>,
    leases: &[LeaseRow],
) -> anyhow::Result<Vec<Move>> {
    let chosen: Vec<_> = kafka
        .iter()
        .filter(|(number, _)| match reset.partition {
            Which::All => true,
            Which::One(one) => one == **number,
        })
        .collect();
    ensure!(
        !chosen.is_empty(),
        "the topic has partitions 0 to {}",
        kafka.len().saturating_sub(1)
    );
    chosen
        .into_iter()
        .map(|(partition, marks)| {
            let to = match reset.to {
                To::Beginning => marks.low,
                To::End => marks.high,
                To::Offset(offset) => NextOffset(offset),
            };
            ensure!(
                (marks.low..=marks.high).contains(&to),
                "partition {partition} has offsets {} to {}; {to} is outside",
                marks.low,
                marks.high
            );
            let lease = leases.iter().find(|row| row.partition == *partition);
            Ok(Move {
                partition: *partition,
                from: lease.map(|row| row.lease.next),
                to,
            })
        })
        .collect()
}

impl Move {
    /// What it means, in words.
    fn explain(self, recreated: bool) -> String {
        let Move {
            partition,
            from,
            to,
        } = self;
        match from {
            _ if recreated => {
                format!("partition {partition}: to {to}, in a new topic; what was stored stays")
            }
            None => format!("partition {partition}: to {to}; it was never read"),
            Some(from) if to > from => format!(
                "partition {partition}: from {from} to {to}: SKIPS up to {} records, which will never be stored",
                to.0 - from.0
            ),
            Some(from) if to < from => format!(
                "partition {partition}: from {from} to {to}: reads {} records again, which changes nothing for what is stored",
                from.0 - to.0
            ),
            Some(from) => format!("partition {partition}: stays at {from}"),
        }
    }
}

/// Shows the moves, and makes them when told to.
async fn apply(
    store: &Store,
    topic: &str,
    reset: &Reset,
    kafka: &BTreeMap<i32, Watermarks>,
    leases: &[LeaseRow],
    holder: &Holder,
) -> anyhow::Result<()> {
    let moves = plan(reset, kafka, leases)?;
    for one in &moves {
        println!("{}", one.explain(reset.recreated));
    }
    if !reset.yes {
        println!("Nothing was changed. Add --yes to do it.");
        return Ok(());
    }
    for one in moves {
        let key = PartitionKey {
            topic: topic.to_owned(),
            partition: one.partition,
        };
        if one.from.is_none() {
            // A lease must be there to be moved.
            let lows = kafka
                .iter()
                .map(|(number, marks)| (*number, marks.low))
                .collect();
            store.acquire(&key, holder, &FirstContact { lows }).await?;
        }
        store
            .reset_offset(&key, holder, one.to, reset.recreated)
            .await?
            .with_context(|| format!("partition {} has no lease", one.partition))?;
    }
    println!("Done. A consumer that runs takes it up within a few seconds.");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;
    use store::Lease;

    fn kafka() -> BTreeMap<i32, Watermarks> {
        let marks = |low, high| Watermarks {
            low: NextOffset(low),
            high: NextOffset(high),
        };
        BTreeMap::from([(0, marks(0, 10)), (1, marks(5, 9))])
    }

    fn leases() -> Vec<LeaseRow> {
        let lease = Lease {
            epoch: 1,
            next: NextOffset(7),
            last: None,
            cluster_id: "c".into(),
        };
        vec![LeaseRow {
            partition: 0,
            owner: None,
            acquired_at: None,
            lease,
        }]
    }

    fn reset(partition: Which, to: To) -> Reset {
        Reset {
            partition,
            to,
            recreated: false,
            dry_run: false,
            yes: false,
        }
    }

    #[rstest]
    #[case(reset(Which::One(0), To::End), "from 7 to 10: SKIPS up to 3 records")]
    #[case(
        reset(Which::One(0), To::Beginning),
        "from 7 to 0: reads 7 records again"
    )]
    #[case(reset(Which::One(0), To::Offset(7)), "stays at 7")]
    #[case(
        reset(Which::One(1), To::Beginning),
        "partition 1: to 5; it was never read"
    )]
    fn a_move_says_what_it_means(#[case] reset: Reset, #[case] says: &str) {
        let moves = plan(&reset, &kafka(), &leases()).unwrap();
        assert!(
            moves[0].explain(false).contains(says),
            "{}",
            moves[0].explain(false)
        );
    }

    #[rstest]
    #[case(reset(Which::One(2), To::Beginning), "partitions 0 to 1")]
    #[case(reset(Which::One(1), To::Offset(4)), "4 is outside")]
    #[case(reset(Which::All, To::Offset(10)), "partition 1 has offsets 5 to 9")]
    fn what_kafka_does_not_have_is_refused(#[case] reset: Reset, #[case] says: &str) {
        let error = plan(&reset, &kafka(), &leases()).unwrap_err().to_string();
        assert!(error.contains(says), "{error}");
    }
}
