//! Which partitions cannot be read on, and why, as a consumer would find out when it takes them.
//!
//! Offsets alone can look right over a topic that was created anew, as soon as that one has grown past them. So the
//! last record that was read is looked at once more: it must be the same.

use super::View;
use crate::source::{Client, Context, Record};
use crate::start::{self, Halt};
use anyhow::{Context as _, ensure};
use rdkafka::config::ClientConfig;
use rdkafka::consumer::Consumer as _;
use rdkafka::{Message as _, Offset, TopicPartitionList};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};
use store::LastRecord;

/// How long Kafka may take to hand out one record of each partition.
const READ: Duration = Duration::from_secs(10);
/// How long one wait for a record lasts.
const POLL: Duration = Duration::from_millis(100);

impl View {
    /// By partition, why it cannot be read on.
    ///
    /// # Errors
    /// Kafka does not hand out the records that were read last.
    pub(crate) async fn halts(&self) -> anyhow::Result<BTreeMap<i32, Halt>> {
        let (mut halts, mut epochs, mut known) =
            (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        for row in &self.leases {
            let (n, lease) = (row.partition, &row.lease);
            let Some(marks) = self.kafka.get(&n) else {
                continue;
            };
            match start::decide(n, lease, &self.holder.cluster_id, *marks) {
                Ok(start) => {
                    epochs.insert(n, start.epoch);
                    known.extend(start.verify.map(|last| (n, last)));
                }
                Err(halt) => {
                    halts.insert(n, halt);
                }
            }
        }
        let (config, topic) = (self.config.clone(), self.topic.clone());
        let others = tokio::task::spawn_blocking(move || others(&config, &topic, known));
        let others = others
            .await?
            .context("reading once more the records that were read last")?;
        for (n, last) in others {
            let epoch = epochs.get(&n).copied().unwrap_or_default();
            halts.insert(n, start::another_record(n, epoch, last.offset));
        }
        Ok(halts)
    }
}

/// Those of the `known` records, by partition, in whose place Kafka has another one. Blocks.
fn others(
    config: &ClientConfig,
    topic: &str,
    mut known: BTreeMap<i32, LastRecord>,
) -> anyhow::Result<BTreeMap<i32, LastRecord>> {
    let mut others = BTreeMap::new();
    if known.is_empty() {
        return Ok(others);
    }
    let client: Client = config.create_with_context(Context::default())?;
    let mut from = TopicPartitionList::new();
    for (partition, last) in &known {
        from.add_partition_offset(topic, *partition, Offset::Offset(last.offset.0))?;
    }
    // Of its own choice: so it is no member of its group.
    client.assign(&from)?;
    let began = Instant::now();
    while !known.is_empty() {
        let left: Vec<i32> = known.keys().copied().collect();
        ensure!(
            began.elapsed() < READ,
            "partitions {left:?} handed out nothing for {} s",
            READ.as_secs()
        );
        let Some(message) = client.poll(POLL) else {
            continue;
        };
        let message = message?;
        // The first record is the one, or one after it: then there is none any more to compare with.
        let Some(last) = known.remove(&message.partition()) else {
            continue;
        };
        let record = Record::from_message(&message);
        if record.offset == last.offset && record.print() != last {
            others.insert(message.partition(), last);
        }
    }
    Ok(others)
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::LastSeen;
    use rdkafka::mocking::MockCluster;
    use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _};

    const TOPIC: &str = "clickstream";

    #[test]
    fn a_record_is_told_from_another_one_in_its_place() {
        let kafka = MockCluster::new(1).unwrap();
        kafka.create_topic(TOPIC, 2, 1).unwrap();
        let mut config = ClientConfig::new();
        config
            .set("bootstrap.servers", kafka.bootstrap_servers())
            .set("group.id", "test")
            .set("enable.auto.commit", "false");
        let producer: BaseProducer = config.create().unwrap();
        for (partition, value) in [(0, "a"), (0, "b"), (1, "c")] {
            let record = BaseRecord::<(), str>::to(TOPIC).payload(value);
            producer.send(record.partition(partition)).unwrap();
        }
        producer.flush(READ).unwrap();
        let read = |partition, offset| {
            let client: Client = config.create_with_context(Context::default()).unwrap();
            let mut from = TopicPartitionList::new();
            from.add_partition_offset(TOPIC, partition, Offset::Offset(offset))
                .unwrap();
            client.assign(&from).unwrap();
            let message = client.poll(READ).unwrap().unwrap();
            Record::from_message(&message).print()
        };
        let (b, c) = (read(0, 1), read(1, 0));
        let known = [(0, b), (1, c)];
        assert_eq!(others(&config, TOPIC, known.into()).unwrap(), [].into());
        let a_there = LastRecord {
            offset: LastSeen(0),
            ..b
        };
        let known = [(0, a_there), (1, c)];
        assert_eq!(
            others(&config, TOPIC, known.into()).unwrap(),
            [(0, a_there)].into()
        );
    }
}
