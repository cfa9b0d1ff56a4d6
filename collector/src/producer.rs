//! To Kafka, with one wake-up per request.
