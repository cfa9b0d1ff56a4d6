//! The topic and the tables are there and as this build needs them, however often it is asked.
//!
//! The only place that creates the topic and runs the migrations; everything else waits for it.

use crate::settings::{Cli, SetupSettings};
use anyhow::{Context as _, bail};
use chrono::Utc;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, ResourceSpecifier, TopicReplication};
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::metadata::{Metadata, MetadataTopic};
use rdkafka::{ClientConfig, ClientContext};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};
use store::Store;

/// How long to wait for one answer.
const ANSWER: Duration = Duration::from_secs(5);
/// How soon to ask again.
const ASK_AGAIN: Duration = Duration::from_millis(500);

/// A segment is closed after a day; the days for which `store::partitions` makes tables rest on it.
const SEGMENT_MS: u64 = 24 * 3_600_000;

/// Librdkafka's own lines go where ours go.
#[derive(Clone, Default)]
pub(crate) struct Quiet;

impl ClientContext for Quiet {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        service::kafka::log_line(level, facility, message);
    }
}

type Admin = AdminClient<Quiet>;

/// Creates what is missing, and says what differs.
///
/// # Errors
/// Kafka or Postgres did not answer in time, or refused.
pub async fn setup(cli: &Cli, wanted: &SetupSettings) -> anyhow::Result<()> {
    let deadline = Instant::now() + Duration::from_secs(wanted.setup_timeout_s);
    let store = cli.store().context("DATABASE_URL")?;
    let config = service::kafka::client_config(&cli.kafka);
    let (tables, created) = tokio::join!(
        tables(&store, deadline),
        topic(&config, &cli.kafka.kafka_topic, wanted, deadline)
    );
    tables?;
    let created = created?;
    let leases = store.leases(&cli.kafka.kafka_topic).await?;
    if created && leases.iter().any(|row| row.lease.next.0 > 0) {
        tracing::warn!(
            "the topic {} is new, but Postgres remembers offsets of an older one, so the consumer will not read it. To read it from its beginning: cargo run -p consumer -- offsets reset --partition all --to beginning --recreated --yes",
            cli.kafka.kafka_topic
        );
    }
    store.close().await;
    tracing::info!("setup is complete");
    Ok(())
}

/// Brings the tables up to date.
async fn tables(store: &Store, deadline: Instant) -> anyhow::Result<()> {
    let mut said = false;
    while let Err(error) = store.ping().await {
        if Instant::now() >= deadline {
            return Err(error).context("Postgres (DATABASE_URL) did not answer in time");
        }
        if !std::mem::replace(&mut said, true) {
            tracing::info!(%error, "waiting for Postgres");
        }
        tokio::time::sleep(ASK_AGAIN).await;
    }
    let current = store.schema_is_current().await.unwrap_or(false);
    store
        .migrate()
        .await
        .context("bringing the tables up to date")?;
    let made = store
        .ensure_partitions(Utc::now())
        .await
        .context("making the daily partitions")?;
    if current {
        tracing::info!(new_daily_partitions = made, "the tables are up to date");
    } else {
        tracing::info!(new_daily_partitions = made, "brought the tables up to date");
    }
    Ok(())
}

/// Creates the topic, or compares the one that is there; says whether it was created.
async fn topic(
    config: &ClientConfig,
    name: &str,
    wanted: &SetupSettings,
    deadline: Instant,
) -> anyhow::Result<bool> {
    let admin: Arc<Admin> = Arc::new(
        config
            .create_with_context(Quiet)
            .map_err(service::kafka::explain)?,
    );
    let brokers = usize::try_from(wanted.kafka_replication_factor)?;
    wait_for(&admin, None, deadline, "brokers", |metadata| {
        let here = metadata.brokers().len();
        (here < brokers).then(|| format!("{here} of {brokers} brokers"))
    })
    .await?;
    let created = create(&admin, name, wanted, deadline).await?;
    let metadata = wait_for(
        &admin,
        Some(name),
        deadline,
        "the topic's leaders",
        |metadata| {
            let partitions = metadata
                .topics()
                .first()
                .map_or(&[][..], |topic| topic.partitions());
            let led = partitions.iter().filter(|p| p.leader() >= 0).count();
            (partitions.is_empty() || led < partitions.len())
                .then(|| format!("{led} of {} partitions have a leader", partitions.len()))
        },
    )
    .await?;
    let partitions = metadata
        .topics()
        .first()
        .map_or(0, |topic| topic.partitions().len());
    let replicas = metadata
        .topics()
        .iter()
        .flat_map(MetadataTopic::partitions)
        .map(|partition| partition.replicas().len())
        .min()
        .unwrap_or_default();
    let found = settings_of(&admin, name, deadline).await?;
    let differences = differences(wanted, replicas, &found);
    for difference in &differences {
        tracing::warn!("the topic {name} is there, but {difference}");
    }
    let verb = if created { "created" } else { "found" };
    tracing::info!(
        partitions,
        replicas,
        differences = differences.len(),
        "{verb} the topic {name}"
    );
    Ok(created)
}

/// Asks for metadata until `missing` has nothing to say; shows what it waits for, and ends at the deadline.
async fn wait_for(
    admin: &Arc<Admin>,
    topic: Option<&str>,
    deadline: Instant,
    what: &str,
    missing: impl Fn(&Metadata) -> Option<String>,
) -> anyhow::Result<Metadata> {
    let mut said = String::new();
    loop {
        let (asked, name) = (admin.clone(), topic.map(str::to_owned));
        let answer = tokio::task::spawn_blocking(move || {
            asked.inner().fetch_metadata(name.as_deref(), ANSWER)
        })
        .await?;
        let seen = match answer {
            Ok(metadata) => match missing(&metadata) {
                None => return Ok(metadata),
                Some(seen) => seen,
            },
            Err(error) => error.to_string(),
        };
        if Instant::now() >= deadline {
            bail!("Kafka (KAFKA_BROKERS) was not ready in time: waited for {what}, saw {seen}");
        }
        if seen != said {
            tracing::info!("waiting for Kafka: {seen}");
            said = seen;
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
}

/// Asks until there is an answer, at most until the deadline: brokers that have just come up may close the connection
/// through which they were asked.
async fn answered<T>(
    deadline: Instant,
    ask: impl AsyncFn() -> KafkaResult<T>,
) -> anyhow::Result<T> {
    loop {
        match ask().await {
            Ok(answer) => return Ok(answer),
            Err(error @ KafkaError::AdminOp(_)) if Instant::now() < deadline => {
                tracing::info!(%error, "Kafka has not answered; asking again");
            }
            Err(error) => return Err(error.into()),
        }
        tokio::time::sleep(ASK_AGAIN).await;
    }
}

/// Creates the topic; says whether it was not there before.
async fn create(
    admin: &Admin,
    name: &str,
    wanted: &SetupSettings,
    deadline: Instant,
) -> anyhow::Result<bool> {
    let settings = topic_settings(wanted);
    let replication = TopicReplication::Fixed(wanted.kafka_replication_factor);
    let mut topic = NewTopic::new(name, wanted.kafka_topic_partitions, replication);
    for (setting, value) in &settings {
        topic = topic.set(setting, value);
    }
    let options = AdminOptions::new().operation_timeout(Some(Duration::from_secs(30)));
    let ask = || admin.create_topics([&topic], &options);
    match answered(deadline, ask).await?.pop() {
        Some(Ok(_)) => Ok(true),
        Some(Err((_, RDKafkaErrorCode::TopicAlreadyExists))) => Ok(false),
        Some(Err((_, code))) => bail!(
            "Kafka refuses to create the topic {name}: {code} (KAFKA_TOPIC_PARTITIONS={}, KAFKA_REPLICATION_FACTOR={})",
            wanted.kafka_topic_partitions,
            wanted.kafka_replication_factor
        ),
        None => bail!("Kafka did not say whether it created the topic {name}"),
    }
}

/// What the topic must be set to.
fn topic_settings(wanted: &SetupSettings) -> BTreeMap<&'static str, String> {
    // Two of three copies must confirm; with fewer copies, one: else no broker might be stopped.
    let min_isr = if wanted.kafka_replication_factor >= 3 {
        2
    } else {
        1
    };
    let retention_ms = u64::from(wanted.kafka_retention_hours) * 3_600_000;
    BTreeMap::from([
        ("min.insync.replicas", min_isr.to_string()),
        // The broker's clock decides which day a record belongs to, whatever its producer says.
        ("message.timestamp.type", "LogAppendTime".to_owned()),
        ("retention.ms", retention_ms.to_string()),
        // Kafka deletes whole segments: with the default of a week a record could stay for two.
        ("segment.ms", SEGMENT_MS.to_string()),
        ("cleanup.policy", "delete".to_owned()),
        ("unclean.leader.election.enable", "false".to_owned()),
    ])
}

/// Reads the settings of a topic.
async fn settings_of(
    admin: &Admin,
    name: &str,
    deadline: Instant,
) -> anyhow::Result<BTreeMap<String, String>> {
    let (topic, options) = ([ResourceSpecifier::Topic(name)], AdminOptions::new());
    let results = answered(deadline, || admin.describe_configs(&topic, &options)).await?;
    let resource = results
        .into_iter()
        .next()
        .context("Kafka did not describe the topic")?
        .map_err(|code| anyhow::anyhow!("Kafka does not describe the topic {name}: {code}"))?;
    Ok(resource
        .entries
        .into_iter()
        .filter_map(|entry| Some((entry.name, entry.value?)))
        .collect())
}

/// How a topic differs from what was wanted, in words, each with what mends it.
fn differences(
    wanted: &SetupSettings,
    replicas: usize,
    found: &BTreeMap<String, String>,
) -> Vec<String> {
    let mut differences = Vec::new();
    if replicas < usize::try_from(wanted.kafka_replication_factor).unwrap_or_default() {
        differences.push(format!(
            "a partition of it has {replicas} copies instead of {}: a broker's loss can lose clicks",
            wanted.kafka_replication_factor
        ));
    }
    for (setting, value) in topic_settings(wanted) {
        let is = found.get(setting).map_or("not set", String::as_str);
        if is != value {
            differences.push(format!(
                "{setting} is {is} instead of {value}; to change it: kafka-configs.sh --alter --entity-type topics --add-config {setting}={value}"
            ));
        }
    }
    differences
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU32, Ordering};

    fn wanted(copies: i32) -> SetupSettings {
        SetupSettings {
            kafka_topic_partitions: 6,
            kafka_replication_factor: copies,
            kafka_retention_hours: 168,
            setup_timeout_s: 1,
        }
    }

    fn as_created(wanted: &SetupSettings) -> BTreeMap<String, String> {
        topic_settings(wanted)
            .into_iter()
            .map(|(k, v)| (k.to_owned(), v))
            .collect()
    }

    #[tokio::test]
    async fn kafka_is_asked_again_until_it_answers_or_the_time_is_over() {
        let closed = || KafkaError::AdminOp(RDKafkaErrorCode::BrokerDestroy);
        let asked = AtomicU32::new(0);
        let third_time = async || match asked.fetch_add(1, Ordering::Relaxed) {
            2 => Ok("created"),
            _ => Err(closed()),
        };
        let soon = Instant::now() + Duration::from_mins(1);
        assert_eq!(answered(soon, third_time).await.unwrap(), "created");
        let never = async || KafkaResult::<()>::Err(closed());
        let over = answered(Instant::now(), never).await.unwrap_err();
        assert_eq!(over.to_string(), closed().to_string());
        // What is wrong with the question stays wrong.
        let wrong = async || KafkaResult::<()>::Err(KafkaError::Canceled);
        assert!(answered(soon, wrong).await.is_err());
    }

    #[test]
    fn a_topic_as_we_create_it_does_not_differ() {
        let wanted = wanted(3);
        assert_eq!(as_created(&wanted)["retention.ms"], "604800000");
        assert_eq!(as_created(&wanted)["segment.ms"], "86400000");
        assert_eq!(as_created(&wanted)["min.insync.replicas"], "2");
        assert!(differences(&wanted, 3, &as_created(&wanted)).is_empty());
    }

    #[test]
    fn a_smaller_cluster_can_stop_a_broker_too() {
        assert_eq!(as_created(&wanted(1))["min.insync.replicas"], "1");
        assert_eq!(as_created(&wanted(2))["min.insync.replicas"], "1");
    }

    #[test]
    fn each_difference_names_the_setting_and_what_changes_it() {
        let mut found = as_created(&wanted(3));
        found.insert("message.timestamp.type".into(), "CreateTime".into());
        let differences = differences(&wanted(3), 1, &found);
        assert_eq!(differences.len(), 2);
        assert!(differences[0].contains("1 copies instead of 3"));
        assert!(
            differences[1]
                .contains("message.timestamp.type is CreateTime instead of LogAppendTime")
        );
        assert!(differences[1].contains("--add-config message.timestamp.type=LogAppendTime"));
    }
}
