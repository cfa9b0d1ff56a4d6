//! What any process of ours needs, and nothing that knows what an event is:
//! settings ([`settings`]), logs and metrics ([`telemetry`]), health ([`health`]), an orderly end
//! ([`shutdown`]), and the settings of a Kafka client ([`kafka`]).

pub mod settings;
