//! From Kafka to Postgres, each event exactly once.
