//! The consumer's settings, beside those of every process.

use crate::verbs::Verb;
use clap::{Args, Parser};
use secrecy::ExposeSecret as _;
use service::settings::{DatabaseSettings, KafkaSettings, OpsSettings};
use std::time::Duration;
use store::{Store, StoreError, StoreOptions};

/// Reads the click stream from Kafka and writes it to Postgres, each event exactly once.
#[derive(Debug, Parser)]
#[command(name = "consumer", version)]
pub struct Cli {
    #[command(flatten)]
    pub kafka: KafkaSettings,
    #[command(flatten)]
    pub database: DatabaseSettings,
    #[command(flatten)]
    pub ops: OpsSettings<9465>,
    #[command(flatten)]
    pub consumer: ConsumerSettings,
    #[command(subcommand)]
    pub verb: Option<Verb>,
}

/// How this consumer reads and writes.
#[derive(Debug, Clone, Args)]
pub struct ConsumerSettings {
    /// The consumer group; all members of a group share the partitions.
    #[arg(long, env = "CONSUMER_GROUP", value_name = "NAME", default_value = "clickshop-consumer",
          value_parser = clap::builder::NonEmptyStringValueParser::new())]
    pub consumer_group: String,
    /// The most records written by one statement.
    // Well above what is written by COPY; larger ones are no faster and take memory several times over.
    #[arg(long, env = "BATCH_EVENTS", value_name = "N", default_value_t = 3_000,
          value_parser = clap::value_parser!(u32).range(1..=50_000))]
    pub batch_events: u32,
    /// The most batches written at the same time, each on its own connection.
    // With three, one is read while two are written. Tried on two cores with batches of 3,000: 120,000 and 130,000
    // rows a second, with two connections 89,000 and 107,000; with batches of 5,000 there was no difference.
    #[arg(long, env = "WRITE_CONNECTIONS", value_name = "N", default_value_t = 3,
          value_parser = clap::value_parser!(u32).range(1..=64))]
    pub write_connections: u32,
}

/// The topic as `setup` creates it.
#[derive(Debug, Clone, Args)]
pub struct SetupSettings {
    /// Partitions of a new topic.
    #[arg(long, env = "KAFKA_TOPIC_PARTITIONS", value_name = "N", default_value_t = 6,
          value_parser = clap::value_parser!(i32).range(1..=10_000))]
    pub kafka_topic_partitions: i32,
    /// Copies of each partition of a new topic; two of three must confirm, one of fewer.
    #[arg(long, env = "KAFKA_REPLICATION_FACTOR", value_name = "N", default_value_t = 3,
          value_parser = clap::value_parser!(i32).range(1..=100))]
    pub kafka_replication_factor: i32,
    /// How long Kafka keeps a record of a new topic, in hours.
    #[arg(long, env = "KAFKA_RETENTION_HOURS", value_name = "HOURS", default_value_t = 7 * 24,
          value_parser = clap::value_parser!(u32).range(1..=7 * 24))]
    pub kafka_retention_hours: u32,
    /// How long `setup` waits for Kafka and for Postgres, in seconds.
    #[arg(
        long,
        env = "SETUP_TIMEOUT_S",
        value_name = "SECONDS",
        default_value_t = 120
    )]
    pub setup_timeout_s: u64,
}

impl Cli {
    /// The store that these settings name; connects nowhere yet. Within a tokio runtime.
    pub fn store(&self) -> Result<Store, StoreError> {
        let options = StoreOptions {
            // Beside the writers: leases, the summary and the daily partitions.
            max_connections: self.consumer.write_connections + 3,
            acquire_timeout: Duration::from_secs(3),
            application_name: "clickshop-consumer".to_owned(),
            ..StoreOptions::default()
        };
        Store::connect_lazy(self.database.database_url.expose_secret(), &options)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn the_readme_has_every_setting() {
        service::settings::check_readme(Cli::command()).unwrap();
    }
}
