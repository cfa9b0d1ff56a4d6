//! What goes wrong between this process and each broker, as librdkafka counts it every few seconds: also
//! what it mends by itself, of which no message's outcome tells.

use serde::Deserialize;
use service::telemetry::{Label, Metric, Unit};
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

pub(super) const BROKER_ERRORS: Metric = Metric::counter(
    "collector_produce_broker_errors_total",
    Unit::Count,
    "What went wrong with a broker, also where a second try mended it: a connection that could not be made or that ended (idle ones, too), a request that could not be sent, that was answered with nonsense or not at all, or that had to be sent again. `broker` is its number, or bootstrap while that is not known. A collector has two connections to each",
)
.by(&[
    Label {
        name: "broker",
        values: &[],
    },
    Label {
        name: "error",
        values: &ERRORS,
    },
]);

const ERRORS: [&str; 6] = [
    "connect",
    "disconnect",
    "send",
    "receive",
    "timeout",
    "retry",
];

/// How often librdkafka tells, in milliseconds.
pub(crate) const EVERY_MS: &str = "5000";

/// So many of each of [`ERRORS`].
type Counts = [u64; ERRORS.len()];

/// What one client has told of its brokers, by their addresses: an address stays when a broker's number
/// becomes known.
#[derive(Debug, Default)]
pub(crate) struct Brokers(Mutex<HashMap<String, Counts>>);

/// The part of librdkafka's statistics that is looked at.
#[derive(Debug, Deserialize)]
struct Statistics {
    brokers: HashMap<String, Broker>,
}

#[derive(Debug, Deserialize)]
struct Broker {
    /// `HOST:PORT/NUMBER`.
    name: String,
    nodeid: i32,
    source: String,
    state: String,
    txerrs: u64,
    rxerrs: u64,
    req_timeouts: u64,
    txretries: u64,
    connects: i64,
    disconnects: i64,
}

impl Brokers {
    /// Counts what is new in a client's statistics.
    pub fn heard(&self, statistics: &[u8]) {
        match serde_json::from_slice(statistics) {
            Ok(statistics) => {
                for (broker, news) in self.news(statistics) {
                    for (error, count) in ERRORS.iter().zip(news) {
                        // Also when it is 0, so that a first error is seen as one.
                        BROKER_ERRORS.to_counter(&[&broker, error]).increment(count);
                    }
                }
            }
            Err(error) => tracing::debug!(%error, "librdkafka's statistics cannot be read"),
        }
    }

    /// What has come since the last time, by the broker's label.
    fn news(&self, statistics: Statistics) -> Vec<(String, Counts)> {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let brokers = statistics.brokers.into_values();
        // The others are no servers.
        let servers = brokers.filter(|one| matches!(one.source.as_str(), "learned" | "configured"));
        servers
            .map(|broker| {
                let known = known.entry(broker.address()).or_default();
                let mut news = broker.counts();
                for (now, before) in news.iter_mut().zip(known.iter_mut()) {
                    let highest = (*now).max(*before);
                    *now = highest - *before;
                    *before = highest;
                }
                (broker.label(), news)
            })
            .collect()
    }
}

impl Broker {
    fn address(&self) -> String {
        let address = self.name.rsplit_once('/').map(|(address, _)| address);
        address.unwrap_or(&self.name).to_owned()
    }

    fn label(&self) -> String {
        if self.nodeid < 0 {
            "bootstrap".to_owned()
        } else {
            self.nodeid.to_string()
        }
    }

    fn counts(&self) -> Counts {
        // An attempt is under way, has led to the connection that there is or was, or has failed.
        let has_one = !matches!(self.state.as_str(), "INIT" | "DOWN" | "TRY_CONNECT");
        let failed = self.connects - self.disconnects - i64::from(has_one);
        [
            u64::try_from(failed).unwrap_or(0),
            u64::try_from(self.disconnects).unwrap_or(0),
            self.txerrs,
            self.rxerrs,
            self.req_timeouts,
            self.txretries,
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn broker(name: &str, id: i32, state: &str, connects: i64, disconnects: i64) -> Value {
        json!({"name": name, "nodeid": id, "source": "learned", "state": state, "txerrs": 1, "rxerrs": 0,
               "req_timeouts": 2, "txretries": 3, "connects": connects, "disconnects": disconnects, "rtt": {}})
    }

    fn news(brokers: &Brokers, one: &Value) -> (String, Counts) {
        let statistics = json!({"brokers": {"x": one}, "topics": {}});
        let mut news = brokers.news(serde_json::from_value(statistics).unwrap());
        assert_eq!(news.len(), 1);
        news.remove(0)
    }

    #[test]
    fn only_what_is_new_is_counted_also_when_a_brokers_number_becomes_known() {
        let brokers = Brokers::default();
        let begin = broker("a:9092/bootstrap", -1, "DOWN", 2, 0);
        let label = |text: &str| text.to_owned();
        assert_eq!(
            news(&brokers, &begin),
            (label("bootstrap"), [2, 0, 1, 0, 2, 3])
        );
        let known = broker("a:9092/1", 1, "UP", 3, 0);
        assert_eq!(news(&brokers, &known), (label("1"), [0; 6]));
        let ended = broker("a:9092/1", 1, "DOWN", 3, 1);
        assert_eq!(news(&brokers, &ended), (label("1"), [0, 1, 0, 0, 0, 0]));
        // It pauses before the next attempt, which is not counted yet.
        let pausing = broker("a:9092/1", 1, "TRY_CONNECT", 4, 1);
        assert_eq!(news(&brokers, &pausing), (label("1"), [1, 0, 0, 0, 0, 0]));
        let again = broker("a:9092/1", 1, "CONNECT", 6, 1);
        assert_eq!(news(&brokers, &again), (label("1"), [1, 0, 0, 0, 0, 0]));
        assert_eq!(news(&brokers, &again), (label("1"), [0; 6]));
    }

    #[test]
    fn what_is_no_server_is_left_out() {
        let mut internal = broker(":0/internal", -1, "INIT", 0, 0);
        internal["source"] = "internal".into();
        let statistics = json!({"brokers": {":0/internal": internal}});
        let statistics = serde_json::from_value(statistics).unwrap();
        assert!(Brokers::default().news(statistics).is_empty());
    }
}
