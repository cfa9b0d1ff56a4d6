//! A batch turned on its side: one array for each column, all of one length, as `unnest` takes them.

use crate::ingest::RejectedRecord;
use chrono::{DateTime, Utc};
use domain::{Choice, Event, LastSeen};
use serde_json::{Map, Value};
use sqlx::types::Json;
use uuid::Uuid;

/// The columns of `events` that a batch gives.
#[derive(Default)]
pub(crate) struct EventColumns<'a> {
    pub kafka_offset: Vec<i64>,
    pub event_id: Vec<Uuid>,
    pub client_id: Vec<bool>,
    pub received_at: Vec<DateTime<Utc>>,
    pub occurred_at: Vec<DateTime<Utc>>,
    pub event_type: Vec<&'a str>,
    pub username: Vec<Option<&'a str>>,
    pub session_id: Vec<Option<&'a str>>,
    pub url: Vec<Option<&'a str>>,
    pub path: Vec<Option<&'a str>>,
    pub referrer: Vec<Option<&'a str>>,
    pub user_agent: Vec<Option<&'a str>>,
    pub ip: Vec<Option<&'a str>>,
    pub source: Vec<&'static str>,
    pub count: Vec<i32>,
    pub boot: Vec<Option<Uuid>>,
    pub properties: Vec<Json<&'a Map<String, Value>>>,
    pub choice: Vec<Option<Json<&'a Choice>>>,
}

impl<'a> EventColumns<'a> {
    pub(crate) fn of(events: &'a [(LastSeen, Event)]) -> Self {
        let each = || events.iter().map(|(_, event)| event);
        Self {
            kafka_offset: events.iter().map(|(offset, _)| offset.0).collect(),
            event_id: each().map(|e| e.event_id).collect(),
            client_id: each().map(|e| e.client_id).collect(),
            received_at: each().map(|e| e.received_at).collect(),
            occurred_at: each().map(|e| e.occurred_at).collect(),
            event_type: each().map(|e| e.event_type.as_str()).collect(),
            username: each().map(|e| e.username.as_deref()).collect(),
            session_id: each().map(|e| e.session_id.as_deref()).collect(),
            url: each().map(|e| e.url.as_deref()).collect(),
            path: each().map(|e| e.path.as_deref()).collect(),
            referrer: each().map(|e| e.referrer.as_deref()).collect(),
            user_agent: each().map(|e| e.user_agent.as_deref()).collect(),
            ip: each().map(|e| e.ip.as_deref()).collect(),
            source: each().map(|e| e.source.as_str()).collect(),
            count: each().map(|e| e.count).collect(),
            boot: each().map(|e| e.boot).collect(),
            properties: each().map(|e| Json(&e.properties)).collect(),
            choice: each().map(|e| e.choice.as_ref().map(Json)).collect(),
        }
    }
}

/// The columns of `rejected_events` that a batch gives.
pub(crate) struct RejectColumns<'a> {
    pub kafka_offset: Vec<i64>,
    pub record_time_ms: Vec<i64>,
    pub key: Vec<Option<&'a [u8]>>,
    pub raw: Vec<&'a [u8]>,
    pub code: Vec<&'static str>,
    pub reason: Vec<String>,
    pub boot: Vec<Option<Uuid>>,
}

impl<'a> RejectColumns<'a> {
    pub(crate) fn of(rejects: &'a [RejectedRecord]) -> Self {
        let each = || rejects.iter();
        Self {
            kafka_offset: each().map(|r| r.offset.0).collect(),
            record_time_ms: each().map(|r| r.record_time_ms).collect(),
            key: each().map(|r| r.key.as_deref()).collect(),
            raw: each().map(|r| r.raw.as_slice()).collect(),
            code: each().map(|r| r.reason.code()).collect(),
            // A reason may quote the message; that a message is bad must never be hard to write down.
            reason: each()
                .map(|r| r.reason.to_string().replace('\0', "\u{FFFD}"))
                .collect(),
            boot: each().map(|r| r.boot).collect(),
        }
    }
}
