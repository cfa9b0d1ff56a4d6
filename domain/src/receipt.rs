//! What the visitor is told about a click: where it lies now, and when it became a row.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// Where an acknowledged event lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "place")]
pub enum Place {
    /// In Kafka, on at least min-ISR replicas.
    Kafka {
        /// The partition's number.
        partition: i32,
        /// The record's offset.
        offset: i64,
    },
    /// In the collector's own spool, on its way to Kafka.
    Spool,
}

/// The collector's word that an event is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Receipt {
    /// The event's identity.
    pub event_id: Uuid,
    /// When the collector took it; the row carries the same time.
    pub received_at: DateTime<Utc>,
    /// Where it lies.
    #[serde(flatten)]
    pub place: Place,
}

/// The row of `clickstream_data` as Postgres gave it back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredRow {
    /// Who.
    pub username: String,
    /// `received_at` in UTC, microseconds.
    pub creation_timestamp: DateTime<Utc>,
    /// Shirt or trousers; NULL when left open, like the others.
    pub category: Option<String>,
    /// Whose cut.
    pub gender: Option<String>,
    /// Which garment.
    pub style: Option<String>,
    /// How large.
    pub size: Option<String>,
    /// `#RRGGBB`.
    pub hex_color: Option<String>,
}

/// How far an acknowledged event has come.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "state")]
pub enum Progress {
    /// Not yet a row, as far as anybody can say.
    Waiting,
    /// The consumer has passed this offset, and there is neither such a row nor a reject: the address
    /// is not that of an event, or its row has been removed since.
    Unknown,
    /// A row in Postgres.
    Stored {
        /// Milliseconds from `received_at` to the row's `stored_at`.
        after_ms: i64,
        /// The row of `clickstream_data`; none for events that are no product choice.
        row: Option<StoredRow>,
    },
    /// Kept in `rejected_events` instead.
    Rejected {
        /// The reason, for the visitor.
        reason: String,
    },
}
