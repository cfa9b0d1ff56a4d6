//! A batch turned on its side: one array for each column, all of one length, as `unnest` takes them.

use crate::agents::Agents;
use crate::ingest::RejectedRecord;
use chrono::{DateTime, Utc};
use domain::agent::{Agent, Bot};
use domain::report::{CollectorReport, SpoolReport};
use domain::{Choice, Event, LastSeen, Source};
use serde_json::{Map, Value};
use sqlx::types::Json;
use std::collections::BTreeMap;
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
    pub browser: Vec<Option<&'static str>>,
    pub system: Vec<Option<&'static str>>,
    pub device: Vec<Option<&'static str>>,
    pub bot: Vec<Option<&'static str>>,
}

impl<'a> EventColumns<'a> {
    pub(crate) fn of(
        events: impl Iterator<Item = &'a (LastSeen, Event)> + Clone,
        agents: &Agents,
    ) -> Self {
        let each = || events.clone().map(|(_, event)| event);
        let agents: Vec<Agent> = agents.of(each().map(|event| event.user_agent.as_deref()));
        let of_agents =
            |tell: fn(&Agent) -> Option<&'static str>| agents.iter().map(tell).collect();
        Self {
            kafka_offset: events.clone().map(|(offset, _)| offset.0).collect(),
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
            browser: of_agents(|agent| agent.browser),
            system: of_agents(|agent| agent.system),
            device: of_agents(|agent| agent.device),
            bot: of_agents(|agent| agent.bot.map(Bot::as_str)),
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

/// What a batch's reports say, each line once: a statement may change a row only once.
///
/// In the order of the tables' keys, so that two consumers that meet in a row wait in one direction only.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct ReportColumns {
    pub reporter: Vec<Uuid>,
    pub reported_at: Vec<DateTime<Utc>>,
    pub acknowledged_reporter: Vec<Uuid>,
    pub acknowledged_boot: Vec<Uuid>,
    pub acknowledged_source: Vec<&'static str>,
    pub acknowledged_events: Vec<i64>,
    pub placed_reporter: Vec<Uuid>,
    pub placed_boot: Vec<Uuid>,
    pub placed_partition: Vec<i32>,
    pub placed_events: Vec<i64>,
    pub placed_last: Vec<i64>,
    pub spool: Vec<Uuid>,
    pub spool_events: Vec<i64>,
    pub spool_bytes: Vec<i64>,
    pub spool_reported_at: Vec<DateTime<Utc>>,
}

impl ReportColumns {
    pub(crate) fn of(reports: &[CollectorReport]) -> Self {
        let mut heard: BTreeMap<Uuid, DateTime<Utc>> = BTreeMap::new();
        let mut acknowledged: BTreeMap<(Uuid, Uuid, Source), u64> = BTreeMap::new();
        let mut placed: BTreeMap<(Uuid, Uuid, i32), (u64, i64)> = BTreeMap::new();
        let mut spools: BTreeMap<Uuid, (DateTime<Utc>, SpoolReport)> = BTreeMap::new();
        for report in reports {
            let (who, when) = (report.reporter, report.reported_at);
            let newest = heard.entry(who).or_insert(when);
            *newest = when.max(*newest);
            let mut tells_more = false;
            for boot in &report.boots {
                for (source, events) in &boot.acknowledged {
                    let most = acknowledged.entry((boot.boot, who, *source)).or_default();
                    tells_more |= events > most;
                    *most = (*most).max(*events);
                }
                for (partition, place) in &boot.places {
                    let most = placed
                        .entry((boot.boot, who, *partition))
                        .or_insert((0, place.last.0));
                    tells_more |= place.events > most.0;
                    // The offset of the later report; in a topic that was created anew it is a lower one.
                    *most = (*most).max((place.events, place.last.0));
                }
            }
            // What waits is compared with the totals of the same moment, which only the spool's own report has.
            if let Some(spool) = report.spool.filter(|spool| spool.id == who) {
                let newest = spools.entry(who).or_insert((when, spool));
                // Who tells of more speaks later, also when his clock was set back.
                if when > newest.0 || tells_more {
                    *newest = (when, spool);
                }
            }
        }
        let mut columns = Self::default();
        for (reporter, reported_at) in heard {
            columns.reporter.push(reporter);
            columns.reported_at.push(reported_at);
        }
        for ((boot, reporter, source), events) in acknowledged {
            columns.acknowledged_boot.push(boot);
            columns.acknowledged_reporter.push(reporter);
            columns.acknowledged_source.push(source.as_str());
            columns.acknowledged_events.push(bigint(events));
        }
        for ((boot, reporter, partition), (events, last)) in placed {
            columns.placed_boot.push(boot);
            columns.placed_reporter.push(reporter);
            columns.placed_partition.push(partition);
            columns.placed_events.push(bigint(events));
            columns.placed_last.push(last);
        }
        for (id, (reported_at, spool)) in spools {
            columns.spool.push(id);
            columns.spool_events.push(bigint(spool.waiting_events));
            columns.spool_bytes.push(bigint(spool.waiting_bytes));
            columns.spool_reported_at.push(reported_at);
        }
        columns
    }
}

/// A total as Postgres holds it. [`CollectorReport::decode`] lets none through that does not fit.
fn bigint(total: u64) -> i64 {
    i64::try_from(total).unwrap_or(i64::MAX)
}
