//! The settings that every Kafka client of ours shares, and the way to any other one.
//!
//! Who wins, from the weakest: our tuning, `KAFKA_PROPERTY_…` of the environment, and what a crate
//! sets on the result itself, because its promise rests on it (`acks=all`, no auto-commit).

use crate::settings::KafkaSettings;
use rdkafka::ClientConfig;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::KafkaError;

/// The variables that become settings of librdkafka begin so.
const PREFIX: &str = "KAFKA_PROPERTY_";

/// A client's settings: brokers, our common tuning, then every `KAFKA_PROPERTY_…`.
pub fn client_config(settings: &KafkaSettings) -> ClientConfig {
    client_config_with(settings, &[])
}

/// Like [`client_config`], with tuning that `KAFKA_PROPERTY_…` may still change.
pub fn client_config_with(settings: &KafkaSettings, tuning: &[(&str, &str)]) -> ClientConfig {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", &settings.kafka_brokers);
    // New partitions, and leaders that moved, are seen within this time.
    config.set("topic.metadata.refresh.interval.ms", "10000");
    // A broker that came back is found within a second.
    config.set("reconnect.backoff.max.ms", "1000");
    config.set("socket.keepalive.enable", "true");
    for (name, value) in tuning {
        config.set(*name, *value);
    }
    for (name, value) in
        properties(std::env::vars_os().filter_map(|(name, value)| {
            Some((name.into_string().ok()?, value.into_string().ok()?))
        }))
    {
        config.set(name, value);
    }
    config
}

/// Other names that librdkafka has for settings that we set, and those by which we set them: of two names of one setting
/// either might win.
const ALIASES: [(&str, &str); 6] = [
    ("metadata.broker.list", "bootstrap.servers"),
    ("queue.buffering.max.ms", "linger.ms"),
    ("compression.codec", "compression.type"),
    ("delivery.timeout.ms", "message.timeout.ms"),
    ("request.required.acks", "acks"),
    ("max.partition.fetch.bytes", "fetch.message.max.bytes"),
];

/// The settings of librdkafka among environment variables: `KAFKA_PROPERTY_SASL_USERNAME=x` is
/// `sasl.username=x`.
pub fn properties(
    variables: impl IntoIterator<Item = (String, String)>,
) -> impl Iterator<Item = (String, String)> {
    variables.into_iter().filter_map(|(name, value)| {
        let name = name.strip_prefix(PREFIX).filter(|rest| !rest.is_empty())?;
        let name = name.to_ascii_lowercase().replace('_', ".");
        let ours = ALIASES.into_iter().find(|(alias, _)| *alias == name);
        Some((ours.map_or(name, |(_, ours)| ours.to_owned()), value))
    })
}

/// What is wrong with a client's settings, with the variable to change; values are not repeated, since
/// they may be secret.
pub fn explain(error: KafkaError) -> anyhow::Error {
    match error {
        KafkaError::ClientConfig(_, problem, name, _) => {
            let others = ALIASES.into_iter().filter(|(_, ours)| *ours == name);
            let names = std::iter::once(name.as_str()).chain(others.map(|(alias, _)| alias));
            let variable =
                |name: &str| format!("{PREFIX}{}", name.to_ascii_uppercase().replace('.', "_"));
            let variables: Vec<_> = names.map(variable).collect();
            let variables = variables.join(" or ");
            anyhow::anyhow!("Kafka client setting {name}: {problem} (set by {variables}?)")
        }
        KafkaError::ClientCreation(problem) => {
            anyhow::anyhow!(
                "the Kafka client cannot be made from its settings (KAFKA_BROKERS, {PREFIX}…): {problem}"
            )
        }
        other => other.into(),
    }
}

/// Writes one of librdkafka's own log lines.
///
/// It repeats "connection refused" for every attempt and broker; our processes say once what is
/// missing ([`crate::outage`]), so these lines appear only with `RUST_LOG=librdkafka=debug`.
/// A client's `ClientContext::log` should call this.
pub fn log_line(level: RDKafkaLogLevel, facility: &str, message: &str) {
    match level {
        RDKafkaLogLevel::Emerg | RDKafkaLogLevel::Alert | RDKafkaLogLevel::Critical => {
            tracing::error!(target: "librdkafka", facility, "{message}");
        }
        RDKafkaLogLevel::Debug => tracing::trace!(target: "librdkafka", facility, "{message}"),
        _ => tracing::debug!(target: "librdkafka", facility, "{message}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn found(variables: &[(&str, &str)]) -> Vec<(String, String)> {
        let owned = variables
            .iter()
            .map(|(n, v)| ((*n).to_owned(), (*v).to_owned()));
        properties(owned.collect::<Vec<_>>()).collect()
    }

    #[test]
    fn a_property_is_the_variables_name_in_lower_case_with_dots() {
        assert_eq!(
            found(&[
                ("KAFKA_PROPERTY_SASL_USERNAME", "Ann_B"),
                ("KAFKA_BROKERS", "x:1"),
                ("KAFKA_PROPERTY_", "nothing"),
                ("MY_KAFKA_PROPERTY_X", "no"),
            ]),
            [("sasl.username".to_owned(), "Ann_B".to_owned())]
        );
    }

    #[test]
    fn another_name_of_a_setting_is_the_one_we_use() {
        let variable = ("KAFKA_PROPERTY_QUEUE_BUFFERING_MAX_MS", "7");
        let linger = ("linger.ms".to_owned(), "7".to_owned());
        assert_eq!(found(&[variable]), [linger]);
        // Each pair is one setting to librdkafka.
        for (alias, ours) in ALIASES {
            let of = |name: &str, value: &str| {
                let mut config = ClientConfig::new();
                config.set(name, value);
                let config = config.create_native_config().unwrap();
                [alias, ours].map(|name| config.get(name).unwrap())
            };
            let value = match ours {
                "bootstrap.servers" => "a:1",
                "compression.type" => "zstd",
                "acks" => "1",
                _ => "7777",
            };
            assert_eq!(of(alias, value), of(ours, value), "{alias}");
            assert_eq!(of(alias, value)[0], of(alias, value)[1], "{alias}");
        }
    }

    proptest! {
        #[test]
        fn every_dotted_name_can_be_reached(name in "[a-z]{1,8}(\\.[a-z0-9]{1,8}){0,4}", value in ".{0,20}") {
            let variable = format!("{PREFIX}{}", name.to_uppercase().replace('.', "_"));
            prop_assert_eq!(found(&[(&variable, &value)]), [(name, value)]);
        }
    }

    #[test]
    fn a_wrong_setting_names_its_variable_and_not_its_value() {
        let mut config = ClientConfig::new();
        config.set("acks", "geheim");
        let error = config
            .create::<rdkafka::producer::BaseProducer>()
            .err()
            .unwrap();
        let text = explain(error).to_string();
        let variables = "KAFKA_PROPERTY_ACKS or KAFKA_PROPERTY_REQUEST_REQUIRED_ACKS?";
        assert!(text.contains(variables), "{text}");
    }
}
