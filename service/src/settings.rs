//! Each concern's settings in one small struct, read from flags, the environment and `.env`, with the
//! documented default in code so that no setting is needed on a developer's machine.

use secrecy::SecretString;

/// Where Kafka is, and which topic and group are ours.
#[derive(Debug, Clone, clap::Args)]
pub struct KafkaSettings {
    /// Brokers to ask first, comma-separated `host:port`.
    #[arg(
        long,
        env = "KAFKA_BROKERS",
        default_value = "127.0.0.1:19092,127.0.0.1:29092,127.0.0.1:39092"
    )]
    pub kafka_brokers: String,
    /// The topic that carries the events.
    #[arg(long, env = "KAFKA_TOPIC", default_value = "clickstream")]
    pub kafka_topic: String,
}

/// Where Postgres is.
#[derive(Debug, Clone, clap::Args)]
pub struct DatabaseSettings {
    /// Postgres' address with user, password, database and `sslmode`.
    #[arg(
        long,
        env = "DATABASE_URL",
        default_value = "postgres://default:default123@127.0.0.1:5432/clickstream",
        hide_env_values = true
    )]
    pub database_url: SecretString,
}
