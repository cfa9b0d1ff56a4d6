//! What a collector says about itself: how many events it has acknowledged so far, and where they lie.
//!
//! A report travels through the topic like an event, so it arrives when what it speaks of has arrived,
//! or can be asked about: once the consumer has passed every place that a report names, it must have
//! counted at least as many events of that boot in that partition. Fewer means that some were lost.
//!
//! All numbers are totals since the boot began, never differences: a report that is lost, late or read
//! twice does no harm, the highest numbers are the truth.

use crate::event::{Source, field};
use crate::offset::LastSeen;
use crate::reject::Reject;
use crate::wire::time_text;
use chrono::{DateTime, SubsecRound, Utc};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use uuid::Uuid;

/// The value of the key `type`, and of the record's header `event`. No client may send an event of it.
pub const COLLECTOR_REPORT: &str = "collector_report";

/// One process's totals at one moment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CollectorReport {
    /// Who speaks: a process, by its boot, or a spool, by its id.
    pub reporter: Uuid,
    /// When, in whole microseconds.
    pub reported_at: DateTime<Utc>,
    /// What waits in the spool that speaks, at the moment of its totals. Older collectors say it also in a process's
    /// own report, where nothing belongs to it.
    pub spool: Option<SpoolReport>,
    /// Its own boot, and each boot whose events it found in its spool and brought to Kafka. One that has
    /// nothing new to tell since it was last heard may be left out.
    pub boots: Vec<BootReport>,
}

/// What waits in a spool for Kafka.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct SpoolReport {
    /// The spool's folder, by an id that it keeps when another process takes it over.
    pub id: Uuid,
    /// Events that were acknowledged and are not in Kafka yet.
    pub waiting_events: u64,
    /// Their bytes on the disk.
    pub waiting_bytes: u64,
}

/// What one process knows about the events of one boot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BootReport {
    /// The run of the collector that acknowledged the events.
    pub boot: Uuid,
    /// Acknowledged so far, in Kafka or on the disk; empty for another process's boot.
    pub acknowledged: BTreeMap<Source, u64>,
    /// Where Kafka took them from this reporter, by partition.
    pub places: BTreeMap<i32, Placed>,
}

/// The events of one boot that one reporter brought into one partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Placed {
    /// How many.
    pub events: u64,
    /// The highest of their offsets; of a topic that was created anew, the highest there, as soon as that is certain.
    pub last: LastSeen,
}

/// A report as the topic holds it: recognised by its `type`, like an event.
#[derive(Serialize, Deserialize)]
struct Message {
    #[serde(rename = "type")]
    kind: String,
    boot: Uuid,
    received_at: String,
    report: CollectorReport,
}

impl CollectorReport {
    /// Writes the report as UTF-8 JSON. Its record's key is the reporter's id.
    pub fn encode(&self) -> Vec<u8> {
        let message = Message {
            kind: COLLECTOR_REPORT.to_owned(),
            boot: self.reporter,
            received_at: time_text(self.reported_at),
            report: self.clone(),
        };
        // Text keys and numbers only: there is nothing in it that JSON could not hold.
        serde_json::to_vec(&message).unwrap_or_default()
    }

    /// Reads a report; `None` when the message is something else, which [`crate::wire::decode`] may know.
    ///
    /// An error means that it says it is a report and cannot be one.
    pub fn decode(value: &[u8]) -> Option<Result<Self, Reject>> {
        /// The one key that tells.
        #[derive(Deserialize)]
        struct Kind<'a> {
            #[serde(rename = "type", borrow)]
            kind: std::borrow::Cow<'a, str>,
        }
        // Nearly every message is no report: don't read it twice to find that out.
        let named = COLLECTOR_REPORT.as_bytes();
        value.windows(named.len()).find(|part| *part == named)?;
        let kind: Kind<'_> = serde_json::from_slice(value).ok()?;
        if kind.kind != COLLECTOR_REPORT {
            return None;
        }
        Some(
            serde_json::from_slice::<Message>(value)
                .map_err(|error| field("report", error.to_string()))
                .and_then(|message| message.report.checked()),
        )
    }

    /// Refuses numbers that no table can hold.
    fn checked(mut self) -> Result<Self, Reject> {
        self.reported_at = self.reported_at.trunc_subsecs(6);
        let fits = |n: u64| i64::try_from(n).is_ok();
        let numbers_fit = self
            .spool
            .iter()
            .all(|spool| fits(spool.waiting_events) && fits(spool.waiting_bytes))
            && self.boots.iter().all(|boot| {
                boot.acknowledged.values().all(|n| fits(*n))
                    && boot.places.values().all(|placed| fits(placed.events))
            });
        if numbers_fit {
            Ok(self)
        } else {
            Err(field("report", "has a number above 2^63 - 1"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report() -> CollectorReport {
        CollectorReport {
            reporter: Uuid::from_u128(1),
            reported_at: DateTime::from_timestamp_micros(1_790_000_000_123_456).unwrap(),
            spool: Some(SpoolReport {
                id: Uuid::from_u128(9),
                waiting_events: 2,
                waiting_bytes: 700,
            }),
            boots: vec![BootReport {
                boot: Uuid::from_u128(1),
                acknowledged: [(Source::Shop, 5), (Source::Seed, 1)].into(),
                places: [(
                    3,
                    Placed {
                        events: 4,
                        last: LastSeen(41),
                    },
                )]
                .into(),
            }],
        }
    }

    #[test]
    fn a_report_is_read_back_as_it_was_written() {
        let json = report().encode();
        assert_eq!(CollectorReport::decode(&json), Some(Ok(report())));
    }

    #[test]
    fn an_event_is_no_report_even_when_it_speaks_of_one() {
        for message in [
            r#"{"type":"page_view"}"#,
            r#"{"type":"search","query":"collector_report"}"#,
            r#"{"query":"collector_report"}"#,
            "collector_report",
            "",
        ] {
            assert_eq!(
                CollectorReport::decode(message.as_bytes()),
                None,
                "{message}"
            );
        }
    }

    #[test]
    fn a_report_that_cannot_be_one_says_why() {
        let broken = br#"{"type":"collector_report"}"#;
        let reject = CollectorReport::decode(broken).unwrap().unwrap_err();
        assert_eq!(reject.code(), "field");
        let mut large = report();
        large.boots[0].acknowledged.insert(Source::Shop, u64::MAX);
        let reject = CollectorReport::decode(&large.encode())
            .unwrap()
            .unwrap_err();
        assert!(reject.to_string().contains("2^63"), "{reject}");
    }
}
