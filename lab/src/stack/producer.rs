//! A producer that is not ours: it writes bytes to the topic as any other program could.

use anyhow::{Context as _, anyhow};
use rdkafka::ClientConfig;
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{FutureProducer, FutureRecord};
use std::time::Duration;

/// Writes to one topic.
pub struct Producer {
    topic: String,
    producer: FutureProducer,
}

/// Where a message came to lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    pub partition: i32,
    pub offset: i64,
}

impl Producer {
    /// One that does not compress.
    pub fn new(brokers: &str, topic: &str) -> anyhow::Result<Self> {
        Self::compressing(brokers, topic, "none")
    }

    /// One that compresses its batches; `codec` as librdkafka calls it.
    pub fn compressing(brokers: &str, topic: &str, codec: &str) -> anyhow::Result<Self> {
        let producer = ClientConfig::new()
            .set("bootstrap.servers", brokers)
            .set("acks", "all")
            .set("linger.ms", "5")
            .set("compression.type", codec)
            .set("message.timeout.ms", "30000")
            // A broken message may be as large as a broker takes.
            .set("message.max.bytes", "1048000")
            .create()?;
        Ok(Self {
            topic: topic.to_owned(),
            producer,
        })
    }

    /// Sends one message and waits until Kafka has it. No value is a tombstone.
    pub async fn send(
        &self,
        partition: Option<i32>,
        value: Option<&[u8]>,
    ) -> anyhow::Result<Place> {
        self.send_with(partition, value, OwnedHeaders::new()).await
    }

    /// Sends one message whose header claims another version of the wire format.
    pub async fn send_schema(
        &self,
        partition: i32,
        schema: &str,
        value: &[u8],
    ) -> anyhow::Result<Place> {
        let headers = OwnedHeaders::new().insert(Header {
            key: domain::wire::HEADER_SCHEMA,
            value: Some(schema),
        });
        self.send_with(Some(partition), Some(value), headers).await
    }

    async fn send_with(
        &self,
        partition: Option<i32>,
        value: Option<&[u8]>,
        headers: OwnedHeaders,
    ) -> anyhow::Result<Place> {
        let mut record: FutureRecord<'_, [u8], [u8]> =
            FutureRecord::to(&self.topic).headers(headers);
        record.partition = partition;
        record.payload = value;
        let delivery = self
            .producer
            .send(record, Duration::from_secs(30))
            .await
            .map_err(|(e, _)| anyhow!("Kafka did not take a message: {e}"))?;
        Ok(Place {
            partition: delivery.partition,
            offset: delivery.offset,
        })
    }

    /// Sends many messages, spread over the partitions by key, and waits until Kafka has them all.
    pub async fn send_all(
        &self,
        messages: impl IntoIterator<Item = (String, Vec<u8>)>,
    ) -> anyhow::Result<()> {
        let mut deliveries = Vec::new();
        for (key, value) in messages {
            let mut record = FutureRecord::to(&self.topic).key(&key).payload(&value);
            let delivery = loop {
                match self.producer.send_result(record) {
                    Ok(delivery) => break delivery,
                    // The queue is full: let it drain a little.
                    Err((_, refused)) => record = refused,
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            };
            deliveries.push(delivery);
        }
        for delivery in deliveries {
            delivery
                .await?
                .map_err(|(e, _)| e)
                .context("Kafka did not take a message")?;
        }
        Ok(())
    }
}
