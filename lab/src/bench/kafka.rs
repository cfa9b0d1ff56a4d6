//! What Kafka alone can do: a bare loop on librdkafka with the collector's own settings, save for the linger, and
//! Kafka's own producer benchmark.

use super::mix;
use crate::stack::World;
use ::collector::{CollectorSettings, Tuning};
use anyhow::{Context as _, ensure};
use domain::wire;
use rdkafka::ClientContext;
use rdkafka::config::FromClientConfigAndContext as _;
use rdkafka::message::{DeliveryResult, Header, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _, ProducerContext};
use service::settings::KafkaSettings;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// How many different records.
const DIFFERENT: u64 = 1_000;

/// How long the last answers may take.
const LAST_ANSWERS: Duration = Duration::from_secs(10);

/// Counts answers.
#[derive(Default)]
struct Counter {
    delivered: AtomicU64,
    failed: AtomicU64,
}

impl ClientContext for Counter {}

impl ProducerContext for Counter {
    type DeliveryOpaque = ();

    fn delivery(&self, report: &DeliveryResult<'_>, (): ()) {
        let counter = if report.is_ok() {
            &self.delivered
        } else {
            &self.failed
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }
}

/// One record, ready to be sent.
struct Ready {
    key: String,
    json: Vec<u8>,
    headers: OwnedHeaders,
}

/// Our wire records as the collector sends them.
fn records() -> Vec<Ready> {
    let now = chrono::Utc::now();
    let ready = |number| {
        let event = mix::record(0, number, now);
        let (id, schema) = (event.event_id.to_string(), wire::SCHEMA_VERSION.to_string());
        let headers = [
            (wire::HEADER_EVENT, event.event_type.as_str()),
            (wire::HEADER_EVENT_ID, id.as_str()),
            (wire::HEADER_SCHEMA, schema.as_str()),
        ];
        let headers = headers
            .into_iter()
            .fold(OwnedHeaders::new(), |all, header| {
                let (key, value) = (header.0, Some(header.1));
                all.insert(Header { key, value })
            });
        Ready {
            key: event.key().into_owned(),
            json: wire::encode(&event),
            headers,
        }
    };
    (0..DIFFERENT).map(ready).collect()
}

/// Where the ceilings write: a topic of their own, since they write the same records again and again.
pub fn settings_of(world: &World) -> KafkaSettings {
    KafkaSettings {
        kafka_brokers: world.brokers.clone(),
        kafka_topic: world.topic.clone(),
    }
}

/// The rate, in records a second, of a loop that always has `outstanding` records under way.
pub fn bare_loop(
    kafka: &KafkaSettings,
    outstanding: u64,
    warm_up: Duration,
    measured: Duration,
) -> anyhow::Result<f64> {
    let settings = CollectorSettings::new(kafka.clone());
    let mut config = ::collector::producer_config(&settings, Tuning::Latency);
    // The collector's clients linger as its lanes need it; without lanes librdkafka's own choice is the faster one.
    config.remove("linger.ms");
    let producer = BaseProducer::<Counter>::from_config_and_context(&config, Counter::default())?;
    let records = records();
    let mut records = records.iter().cycle();
    let (began, mut sent) = (Instant::now(), 0_u64);
    let mut counted_from = None;
    let delivered = || producer.context().delivered.load(Ordering::Relaxed);
    loop {
        let elapsed = began.elapsed();
        if elapsed >= warm_up && counted_from.is_none() {
            counted_from = Some((Instant::now(), delivered()));
        }
        if elapsed >= warm_up + measured {
            break;
        }
        let failed = producer.context().failed.load(Ordering::Relaxed);
        ensure!(failed == 0, "{failed} records were not delivered");
        while sent - delivered() < outstanding {
            let record = records.next().context("no records")?;
            let message = BaseRecord::to(&kafka.kafka_topic)
                .key(record.key.as_str())
                .payload(record.json.as_slice())
                .headers(record.headers.clone());
            producer.send(message).map_err(|(error, _)| error)?;
            sent += 1;
        }
        producer.poll(Duration::from_millis(1));
    }
    let (since, before) = counted_from.context("nothing was counted")?;
    let counted = delivered() - before;
    let rate = crate::figures::rate(usize::try_from(counted)?, since.elapsed());
    producer.flush(LAST_ANSWERS)?;
    ensure!(delivered() == sent, "some records were not delivered");
    Ok(rate)
}

/// Records a second of Kafka's own producer benchmark, with our records and the collector's settings.
pub fn producer_benchmark(
    kafka: &KafkaSettings,
    records_to_send: u64,
    folder: &Path,
) -> anyhow::Result<f64> {
    let payloads = folder.join("payloads.json");
    let mut file = std::io::BufWriter::new(std::fs::File::create(&payloads)?);
    for record in records() {
        file.write_all(&record.json)?;
        file.write_all(b"\n")?;
    }
    file.flush()?;
    let mut command = Command::new("java");
    command
        .args([
            "-Xmx512m",
            "-Dorg.slf4j.simpleLogger.defaultLogLevel=error",
            "-cp",
        ])
        .arg(kafka_jars()?.join("*"))
        .arg("org.apache.kafka.tools.ProducerPerformance")
        .args(["--topic", &kafka.kafka_topic])
        .args(["--num-records", &records_to_send.to_string()])
        .args(["--throughput", "-1", "--payload-file"])
        .arg(&payloads)
        .arg("--producer-props")
        .arg(format!("bootstrap.servers={}", kafka.kafka_brokers))
        .args(java_settings(&::collector::producer_config(
            &CollectorSettings::new(kafka.clone()),
            Tuning::Throughput,
        )));
    let done = command.output().context("java")?;
    let said = String::from_utf8_lossy(&done.stdout);
    let why = String::from_utf8_lossy(&done.stderr);
    ensure!(
        done.status.success(),
        "Kafka's benchmark failed: {said}{why}"
    );
    last_rate(&said).with_context(|| format!("Kafka's benchmark said no rate: {said}"))
}

/// The collector's settings as Java's client calls them; what is not there has librdkafka's default.
fn java_settings(config: &rdkafka::ClientConfig) -> Vec<String> {
    let of = |name: &str, default: &str| config.get(name).unwrap_or(default).to_owned();
    vec![
        format!("acks={}", of("acks", "all")),
        format!("enable.idempotence={}", of("enable.idempotence", "false")),
        format!("compression.type={}", of("compression.type", "none")),
        format!("linger.ms={}", of("linger.ms", "5")),
        format!("batch.size={}", of("batch.size", "1000000")),
    ]
}

/// The rate in the benchmark's last line: `… records sent, 123456.7 records/sec (…`.
fn last_rate(said: &str) -> Option<f64> {
    let line = said
        .lines()
        .rfind(|line| line.contains(" records sent, "))?;
    let (before, _) = line.split_once(" records/sec")?;
    // A comma stands for the point where the system's language has it so.
    before.rsplit(' ').next()?.replace(',', ".").parse().ok()
}

/// The jars that the native stack runs Kafka from.
fn kafka_jars() -> anyhow::Result<PathBuf> {
    let cache = std::env::var_os("CLICKSHOP_CACHE").map(PathBuf::from);
    let home = std::env::var_os("HOME").map(|home| Path::new(&home).join(".cache/clickshop"));
    let cache = cache.or(home).context("HOME is not set")?;
    let mut found: Vec<PathBuf> = std::fs::read_dir(&cache)
        .with_context(|| format!("no {}", cache.display()))?
        .flatten()
        .map(|entry| entry.path().join("libs"))
        .filter(|libs| libs.is_dir() && libs.to_string_lossy().contains("/kafka-"))
        .collect();
    found.sort();
    found
        .pop()
        .with_context(|| format!("no Kafka in {}", cache.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_benchmarks_last_word_is_its_rate() {
        let said = "200 records sent, 1.0 records/sec (0 MB/sec), 1.0 ms avg latency\n\
            1000 records sent, 45678.9 records/sec (15.25 MB/sec), 12.34 ms avg latency, 1 ms max\n";
        assert_eq!(last_rate(said), Some(45678.9));
        assert_eq!(last_rate("nothing"), None);
    }

    #[test]
    fn java_is_told_what_librdkafka_is_told() {
        let mut config = rdkafka::ClientConfig::new();
        config.set("acks", "all").set("linger.ms", "2");
        let settings = java_settings(&config);
        assert!(settings.contains(&"acks=all".to_owned()));
        assert!(settings.contains(&"linger.ms=2".to_owned()));
        assert!(settings.contains(&"compression.type=none".to_owned()));
    }
}
