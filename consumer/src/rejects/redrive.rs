//! Sends rejects to the topic again. Kafka's acknowledgement comes first and the note that it was done
//! second: a crash between the two leaves a reject that looks untouched, and sending it once more makes a
//! second copy of the same event, not a second row.

use super::message::{self, Message, Refusal};
use super::{Pages, by, mark, one, print, untouched};
use crate::settings::Cli;
use crate::setup::Quiet;
use crate::verbs::Redrive;
use anyhow::{Context as _, bail, ensure};
use domain::wire;
use rdkafka::config::ClientConfig;
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{DeliveryFuture, FutureProducer, FutureRecord};
use std::io::Read as _;
use std::path::Path;
use std::time::Duration;
use store::{Handled, RejectRow, Store};

/// After this Kafka has not taken a message, and it stays a reject.
const ACKNOWLEDGED_WITHIN: Duration = Duration::from_secs(30);

/// Sends what was chosen.
///
/// # Errors
/// A chosen reject was not sent, with the reason; those before it were.
pub(super) async fn redrive(cli: &Cli, store: &Store, wanted: &Redrive) -> anyhow::Result<()> {
    let sender = Sender {
        store,
        topic: &cli.kafka.kafka_topic,
        producer: producer(cli)?,
        by: by(),
        wanted,
    };
    match wanted.chosen.place {
        Some(place) => {
            let mended = wanted.value.as_deref().map(read).transpose()?;
            let row = one(store, sender.topic, place).await?;
            if let Some((handled, at)) = row.handled {
                bail!("{place} was {} at {at}", handled.as_str());
            }
            let message = message::again(&row, mended.as_deref());
            let message = message.with_context(|| not_sent(&row, mended.is_some()))?;
            let delivery = sender.begin(&row, &message)?;
            sender.end(&row, &message, delivery).await
        }
        None => sender.send_all().await,
    }
}

/// What stands before the reason for which a single reject is not sent.
fn not_sent(row: &RejectRow, mended: bool) -> String {
    let what = if mended { "the mended message" } else { "it" };
    format!(
        "{} was not sent. To mend it, give {what} another value: --value FILE",
        print::place(row)
    )
}

/// Messages that are sent before their acknowledgements are waited for.
const AT_ONCE: u32 = 100;

struct Sender<'a> {
    store: &'a Store,
    topic: &'a str,
    producer: FutureProducer<Quiet>,
    by: String,
    wanted: &'a Redrive,
}

impl Sender<'_> {
    /// Sends every reject of a code with which nothing was done yet, a page at a time.
    async fn send_all(&self) -> anyhow::Result<()> {
        let mut pages = Pages::new(untouched(self.wanted.chosen.code.clone()));
        let (mut sent, mut refused) = (0_u64, 0_u64);
        loop {
            let listed = pages.next(self.store, self.topic, AT_ONCE).await?;
            if listed.is_empty() {
                break;
            }
            let mut under_way = Vec::new();
            // The list begins with the newest; a visitor's events had better keep their order.
            for listed in listed.iter().rev() {
                match self.whole(listed).await? {
                    Ok((row, message)) => {
                        let delivery = self.begin(&row, &message)?;
                        under_way.push((row, message, delivery));
                        sent += 1;
                    }
                    Err(refusal) => {
                        println!("{} is not sent: {refusal}", print::place(listed));
                        refused += 1;
                    }
                }
            }
            for (row, message, delivery) in under_way {
                self.end(&row, &message, delivery).await?;
            }
        }
        let verb = if self.wanted.dry_run {
            "would be"
        } else {
            "were"
        };
        println!("{sent} rejects {verb} sent again, {refused} not.");
        ensure!(
            refused == 0,
            "{refused} rejects have to be mended one by one: cargo run -p consumer -- rejects redrive PLACE --value FILE"
        );
        Ok(())
    }

    /// A listed reject with its whole message, and what to send for it.
    async fn whole(
        &self,
        listed: &RejectRow,
    ) -> anyhow::Result<Result<(RejectRow, Message), Refusal>> {
        let key = &listed.key;
        let row = self.store.reject(self.topic, key.partition, key.offset);
        let row = row.await?.filter(|row| row.key == *key);
        let row = row.with_context(|| {
            format!(
                "the reject at {} is from before the topic was created anew, and another one lies there now; dismiss that first",
                print::place(listed)
            )
        })?;
        Ok(message::again(&row, None).map(|message| (row, message)))
    }

    /// Sends one message, or only shows it: then there is no delivery to wait for.
    fn begin(&self, row: &RejectRow, message: &Message) -> anyhow::Result<Option<DeliveryFuture>> {
        let Message {
            event_id,
            event_type,
            json,
        } = message;
        let place = print::place(row);
        if self.wanted.dry_run {
            let json = String::from_utf8_lossy(json);
            println!("{place} would be sent as {event_type} {event_id}: {json}");
            return Ok(None);
        }
        let id = event_id.to_string();
        let schema = wire::SCHEMA_VERSION.to_string();
        let headers = [
            (wire::HEADER_EVENT, event_type.as_str()),
            (wire::HEADER_EVENT_ID, &id),
            (wire::HEADER_SCHEMA, &schema),
        ];
        let headers = headers
            .into_iter()
            .fold(OwnedHeaders::new(), |all, (key, value)| {
                let value = Some(value);
                all.insert(Header { key, value })
            });
        let mut record = FutureRecord::to(self.topic).payload(json).headers(headers);
        if let Some(key) = &row.record_key {
            record = record.key(key);
        }
        let sent = self.producer.send_result(record);
        let delivery = sent.map_err(|(error, _)| error);
        Ok(Some(delivery.with_context(|| unacknowledged(&place))?))
    }

    /// Waits until Kafka has the message, then notes that.
    async fn end(
        &self,
        row: &RejectRow,
        message: &Message,
        delivery: Option<DeliveryFuture>,
    ) -> anyhow::Result<()> {
        let Some(delivery) = delivery else {
            return Ok(());
        };
        let place = print::place(row);
        let delivered = delivery.await.context("the Kafka client ended")?;
        let lies = delivered
            .map_err(|(error, _)| error)
            .with_context(|| unacknowledged(&place))?;
        let mended = if self.wanted.value.is_some() {
            "mended, "
        } else {
            ""
        };
        let mut note = format!(
            "{mended}sent to {}/{} as event {}",
            lies.partition, lies.offset, message.event_id
        );
        if let Some(said) = &self.wanted.note {
            note = format!("{note}: {said}");
        }
        let noted = mark(self.store, row, Handled::Redriven, &self.by, Some(&note)).await;
        noted.with_context(|| {
            format!("{place} was {note}, but that could not be noted; sending it again would change nothing")
        })?;
        println!("{place} was {note}");
        Ok(())
    }
}

fn unacknowledged(place: &str) -> String {
    format!("Kafka did not acknowledge {place}, which stays as it is")
}

/// A producer to whose acknowledgement one can hold it: on as many replicas as the topic wants, and not twice.
fn producer(cli: &Cli) -> anyhow::Result<FutureProducer<Quiet>> {
    producer_config(cli)
        .create_with_context(Quiet)
        .map_err(service::kafka::explain)
}

fn producer_config(cli: &Cli) -> ClientConfig {
    let mut config = service::kafka::client_config_with(&cli.kafka, &[("compression.type", "lz4")]);
    config
        .set("client.id", "clickshop-redrive")
        .set("acks", "all")
        .set("enable.idempotence", "true")
        // The partition that a collector would choose for this key, so that a visitor's events stay together.
        .set("partitioner", "murmur2_random")
        .set(
            "message.timeout.ms",
            ACKNOWLEDGED_WITHIN.as_millis().to_string(),
        );
    config
}

/// The mended message.
fn read(path: &Path) -> anyhow::Result<Vec<u8>> {
    if path != Path::new("-") {
        return std::fs::read(path).with_context(|| format!("reading {}", path.display()));
    }
    let mut value = Vec::new();
    let stdin = std::io::stdin();
    stdin.lock().read_to_end(&mut value)?;
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser as _;

    #[test]
    fn what_is_sent_again_is_kept_as_well_as_what_a_collector_sends() {
        let cli = Cli::try_parse_from(["consumer", "rejects", "redrive", "3/17"]).unwrap();
        let config = producer_config(&cli);
        for (name, value) in [
            ("acks", "all"),
            ("enable.idempotence", "true"),
            ("partitioner", "murmur2_random"),
        ] {
            assert_eq!(config.get(name), Some(value), "{name}");
        }
    }
}
