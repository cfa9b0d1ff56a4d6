//! What Kafka says of one topic, and what an operator can do to it.

use super::wait::until;
use anyhow::{Context as _, anyhow, ensure};
use rdkafka::admin::{AdminClient, AdminOptions, NewPartitions};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::message::Message as _;
use rdkafka::{ClientConfig, Offset, TopicPartitionList};
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How long to wait for one answer.
const ANSWER: Duration = Duration::from_secs(5);

/// One topic, seen from outside.
#[derive(Clone)]
pub struct Topic {
    name: String,
    config: ClientConfig,
    client: Arc<BaseConsumer>,
    admin: Arc<AdminClient<DefaultClientContext>>,
}

/// What Kafka has of a partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ends {
    /// The first offset that is there.
    pub low: i64,
    /// The offset that the next record will get.
    pub high: i64,
}

/// One partition's copies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Copies {
    /// The leading broker; below 0 without one.
    pub leader: i32,
    /// All brokers that have a copy, and those in sync.
    pub replicas: usize,
    pub in_sync: usize,
}

impl Topic {
    /// Connects nowhere yet.
    pub fn new(brokers: &str, name: &str) -> anyhow::Result<Self> {
        let mut config = ClientConfig::new();
        config
            .set("bootstrap.servers", brokers)
            .set("reconnect.backoff.max.ms", "500")
            .set("log_level", "0");
        Ok(Self {
            name: name.to_owned(),
            client: Arc::new(config.create()?),
            admin: Arc::new(config.create()?),
            config,
        })
    }

    /// Every partition's copies.
    pub async fn copies(&self) -> anyhow::Result<BTreeMap<i32, Copies>> {
        let (client, name) = (Arc::clone(&self.client), self.name.clone());
        let metadata =
            tokio::task::spawn_blocking(move || client.fetch_metadata(Some(&name), ANSWER))
                .await??;
        let topic = metadata.topics().first().context("no topic")?;
        if let Some(error) = topic.error() {
            let code = rdkafka::error::RDKafkaErrorCode::from(error);
            return Err(anyhow!("topic {}: {code}", self.name));
        }
        Ok(topic
            .partitions()
            .iter()
            .map(|partition| {
                let copies = Copies {
                    leader: partition.leader(),
                    replicas: partition.replicas().len(),
                    in_sync: partition.isr().len(),
                };
                (partition.id(), copies)
            })
            .collect())
    }

    /// The broker that leads a partition.
    pub async fn leader(&self, partition: i32) -> anyhow::Result<i32> {
        let copies = self.copies().await?;
        let leader = copies.get(&partition).map(|copies| copies.leader);
        leader
            .filter(|id| *id >= 0)
            .with_context(|| format!("partition {partition} has no leader"))
    }

    /// Waits until every copy of every partition is in sync.
    pub async fn until_in_sync(&self, deadline: Duration) -> anyhow::Result<()> {
        until("all replicas are in sync", deadline, || async {
            let copies = self.copies().await.map_err(|e| e.to_string())?;
            let behind: Vec<_> = copies
                .iter()
                .filter(|(_, copies)| copies.in_sync < copies.replicas || copies.leader < 0)
                .map(|(partition, copies)| format!("{partition}: {copies:?}"))
                .collect();
            if behind.is_empty() && !copies.is_empty() {
                Ok(())
            } else {
                Err(behind.join(", "))
            }
        })
        .await
    }

    /// What Kafka has of every partition.
    pub async fn ends(&self) -> anyhow::Result<BTreeMap<i32, Ends>> {
        let partitions: Vec<i32> = self.copies().await?.into_keys().collect();
        let (client, name) = (Arc::clone(&self.client), self.name.clone());
        let look = move || {
            let ask = |partition| {
                let (low, high) = client.fetch_watermarks(&name, partition, ANSWER)?;
                Ok((partition, Ends { low, high }))
            };
            partitions.into_iter().map(ask).collect()
        };
        tokio::task::spawn_blocking(look).await?
    }

    /// Makes the topic have `count` partitions.
    pub async fn grow_to(&self, count: usize) -> anyhow::Result<()> {
        let wanted = [NewPartitions::new(&self.name, count)];
        let grown = self.admin.create_partitions(&wanted, &options()).await?;
        all_well("adding partitions", grown)
    }

    /// Deletes the topic, and waits until no broker knows it.
    pub async fn delete(&self) -> anyhow::Result<()> {
        let gone = self.admin.delete_topics(&[&self.name], &options()).await?;
        all_well("deleting the topic", gone)?;
        let what = format!("the topic {} is gone", self.name);
        until(&what, Duration::from_secs(20), || async {
            match self.copies().await {
                Err(_) => Ok(()),
                Ok(_) => Err("it is there".to_owned()),
            }
        })
        .await
    }

    /// The values of a partition's records at these offsets, which are there; none for a tombstone.
    pub async fn values(
        &self,
        partition: i32,
        offsets: Range<i64>,
    ) -> anyhow::Result<Vec<Option<Vec<u8>>>> {
        let mut config = self.config.clone();
        // Reading assigned partitions wants a name, which no broker ever hears of.
        config.set("group.id", "clickshop-drill");
        config.set("enable.auto.commit", "false");
        config.set("auto.offset.reset", "error");
        let mut from = TopicPartitionList::new();
        from.add_partition_offset(&self.name, partition, Offset::Offset(offsets.start))?;
        let read = move || {
            let client: BaseConsumer = config.create()?;
            client.assign(&from)?;
            let deadline = Instant::now() + 2 * ANSWER;
            let mut values = Vec::new();
            let mut next = offsets.start;
            while next < offsets.end {
                let left = deadline.saturating_duration_since(Instant::now());
                let record = client.poll(left).context("no record came in time")??;
                if offsets.contains(&record.offset()) {
                    values.push(record.payload().map(<[u8]>::to_vec));
                }
                next = record.offset() + 1;
            }
            Ok(values)
        };
        tokio::task::spawn_blocking(read).await?
    }

    /// Deletes a partition's records before an offset, as retention does.
    pub async fn forget_before(&self, partition: i32, offset: i64) -> anyhow::Result<()> {
        let mut list = TopicPartitionList::new();
        list.add_partition_offset(&self.name, partition, Offset::Offset(offset))?;
        let left = self.admin.delete_records(&list, &options()).await?;
        for one in left.elements() {
            one.error().context("deleting records")?;
        }
        let low = self.ends().await?.get(&partition).map(|ends| ends.low);
        ensure!(
            low == Some(offset),
            "partition {partition} begins at {low:?} instead of {offset}"
        );
        Ok(())
    }
}

fn options() -> AdminOptions {
    AdminOptions::new().operation_timeout(Some(Duration::from_secs(20)))
}

fn all_well(what: &str, results: Vec<rdkafka::admin::TopicResult>) -> anyhow::Result<()> {
    for result in results {
        result.map_err(|(topic, code)| anyhow!("{what} {topic}: {code}"))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use rdkafka::mocking::MockCluster;
    use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _};

    #[tokio::test]
    async fn the_records_at_some_offsets_are_read_and_no_others() {
        let kafka = MockCluster::new(1).unwrap();
        kafka.create_topic("topic", 2, 1).unwrap();
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", kafka.bootstrap_servers());
        let producer: BaseProducer = config.create().unwrap();
        for number in 0..9 {
            let value = format!("{number}");
            let record = BaseRecord::<(), str>::to("topic").payload(&value);
            producer.send(record.partition(1)).unwrap();
        }
        producer.flush(ANSWER).unwrap();
        let topic = Topic::new(&kafka.bootstrap_servers(), "topic").unwrap();
        let values = topic.values(1, 3..6).await.unwrap();
        let values: Vec<_> = values.into_iter().flatten().collect();
        assert_eq!(values, [b"3", b"4", b"5"]);
        assert!(topic.values(1, 4..4).await.unwrap().is_empty());
    }
}
