//! What Kafka looks like at this moment: which brokers answer, who leads and holds which partition, how far
//! each one reaches, and how old the oldest unread record is. For people who watch; no event depends on it.
//!
//! No broker, dead or frozen, holds up the picture. Each question has a loop and a time limit of its own,
//! and what has no new answer keeps its last one. Whether a broker lives is not taken from the others, who
//! notice it late, but asked of itself: a small request three times a second, which must be answered (a
//! frozen process still accepts connections).

mod kafka;
mod picture;
mod probe;

pub use picture::{Broker, BrokerState, Cluster, Partition, Retention, Unread};

use kafka::Kafka;
use picture::State;
use probe::Line;
use service::settings::KafkaSettings;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::{CancellationToken, DropGuard};

/// How often each broker is asked for a sign of life.
const PROBE_EVERY: Duration = Duration::from_millis(300);
/// How long a broker may take to give it: longer than it stops to collect garbage. Together with the pause, a
/// death is known within 1.2 s, and has the rest of two seconds to reach a browser.
const PROBE_LIMIT: Duration = Duration::from_millis(900);
/// How often leaders, replicas and offsets are asked for.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How often the topic's settings are.
const SETTINGS_EVERY: Duration = Duration::from_mins(1);
/// How often while they are not known.
const SETTINGS_EVERY_UNKNOWN: Duration = Duration::from_secs(3);

/// Watches a cluster from its making until it is dropped.
#[derive(Debug)]
pub struct ClusterWatch {
    shared: Arc<Shared>,
    _end: DropGuard,
}

/// What the loops write and the watchers read.
#[derive(Debug)]
struct Shared {
    topic: String,
    /// Whether the brokers can be asked by ourselves: without TLS and SASL.
    own_probe: bool,
    state: Mutex<State>,
    /// Counts changes of the brokers' state.
    changes: watch::Sender<u64>,
    /// Where reading goes on, by partition; from the caller.
    next: watch::Sender<BTreeMap<i32, i64>>,
}

impl ClusterWatch {
    /// Starts to watch. Needs a tokio runtime, and no Kafka: that is found when it comes.
    ///
    /// An error means that Kafka's settings are wrong.
    pub fn start(settings: &KafkaSettings) -> anyhow::Result<Self> {
        let kafka = Arc::new(Kafka::new(settings)?);
        let bootstrap = settings.kafka_brokers.split(',');
        let shared = Arc::new(Shared {
            topic: settings.kafka_topic.clone(),
            own_probe: kafka.is_plain(),
            state: Mutex::new(State::new(
                bootstrap.map(|address| address.trim().to_owned()),
            )),
            changes: watch::Sender::new(0),
            next: watch::Sender::new(BTreeMap::new()),
        });
        let end = CancellationToken::new();
        let spawn = |work: std::pin::Pin<Box<dyn Future<Output = ()> + Send>>| {
            let end = end.clone();
            tokio::spawn(async move { end.run_until_cancelled(work).await });
        };
        if shared.own_probe {
            spawn(Box::pin(probe_brokers(Arc::clone(&shared))));
        }
        spawn(Box::pin(look_at_topic(
            Arc::clone(&shared),
            Arc::clone(&kafka),
        )));
        spawn(Box::pin(look_at_ends(
            Arc::clone(&shared),
            Arc::clone(&kafka),
        )));
        spawn(Box::pin(look_at_unread(
            Arc::clone(&shared),
            Arc::clone(&kafka),
        )));
        spawn(Box::pin(look_at_settings(Arc::clone(&shared), kafka)));
        Ok(Self {
            shared,
            _end: end.drop_guard(),
        })
    }

    /// The picture as it is known now.
    pub fn now(&self) -> Cluster {
        self.shared.state().picture()
    }

    /// Waits until a broker has died or come back.
    pub async fn broker_changed(&self, seen: &mut BrokerChanges) {
        let changes = seen
            .0
            .get_or_insert_with(|| self.shared.changes.subscribe());
        // The sender lives as long as this watch does.
        let _ = changes.changed().await;
    }

    /// Says from where each partition is read on, so that its oldest unread record can be looked up.
    pub fn read_from(&self, next: BTreeMap<i32, i64>) {
        self.shared.next.send_replace(next);
    }
}

/// Which changes a watcher has seen.
#[derive(Debug, Default)]
pub struct BrokerChanges(Option<watch::Receiver<u64>>);

impl Shared {
    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        // Every write leaves the state whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note_if(&self, changed: bool) {
        if changed {
            self.changes.send_modify(|count| *count += 1);
        }
    }
}

/// Asks every broker for a sign of life, each in its own time: one that is silent keeps no other waiting.
async fn probe_brokers(shared: Arc<Shared>) {
    let mut asked = JoinSet::new();
    let mut watched: BTreeSet<String> = BTreeSet::new();
    loop {
        let addresses = shared.state().addresses();
        for address in &addresses {
            if watched.insert(address.clone()) {
                asked.spawn(probe(Line::new(address.clone()), Duration::ZERO));
            }
        }
        // None when there is nobody to ask, or when it is time to look for new addresses.
        let answered = tokio::time::timeout(PROBE_EVERY, asked.join_next()).await;
        let Ok(Some(answered)) = answered else {
            if asked.is_empty() {
                tokio::time::sleep(PROBE_EVERY).await;
            }
            continue;
        };
        // An error means that the runtime is ending.
        let Ok((line, pause, answer)) = answered else {
            return;
        };
        if !addresses.contains(line.address()) {
            watched.remove(line.address());
            continue;
        }
        let changed = shared.state().heard(line.address(), answer);
        shared.note_if(changed);
        asked.spawn(probe(line, pause));
    }
}

/// Asks one broker after a pause; returns also for how long not to ask it again.
async fn probe(mut line: Line, pause: Duration) -> (Line, Duration, Result<(), String>) {
    tokio::time::sleep(pause).await;
    let asked = Instant::now();
    let answer = line.ask(PROBE_LIMIT).await;
    (line, PROBE_EVERY.saturating_sub(asked.elapsed()), answer)
}

/// Asks for leaders and replicas.
async fn look_at_topic(shared: Arc<Shared>, kafka: Arc<Kafka>) {
    loop {
        let (asked, topic) = (Arc::clone(&kafka), shared.topic.clone());
        let looked = tokio::task::spawn_blocking(move || asked.topology(&topic)).await;
        let Ok(looked) = looked else { return };
        let changed = shared.state().looked(looked, !shared.own_probe);
        shared.note_if(changed);
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// Asks each leader how far its partitions reach; a leader that does not answer delays no other.
async fn look_at_ends(shared: Arc<Shared>, kafka: Arc<Kafka>) {
    loop {
        let led = shared.state().led();
        let mut asked = JoinSet::new();
        for (_, partitions) in led {
            let (kafka, topic) = (Arc::clone(&kafka), shared.topic.clone());
            asked.spawn_blocking(move || kafka.reach(&topic, &partitions));
        }
        while let Some(answered) = asked.join_next().await {
            let Ok(answered) = answered else { return };
            match answered {
                Ok(reaches) => shared.state().reached(reaches),
                Err(error) => tracing::debug!(%error, "a leader does not tell its offsets"),
            }
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// Looks up the time of each partition's oldest unread record, where that is another one than before.
async fn look_at_unread(shared: Arc<Shared>, kafka: Arc<Kafka>) {
    let mut next = shared.next.subscribe();
    loop {
        let wanted = {
            let next = next.borrow_and_update();
            shared.state().unread_to_find(&next)
        };
        if !wanted.is_empty() {
            let (asked, topic) = (Arc::clone(&kafka), shared.topic.clone());
            let found = tokio::task::spawn_blocking(move || asked.times(&topic, &wanted)).await;
            let Ok(found) = found else { return };
            match found {
                Ok(found) => shared.state().found(found),
                Err(error) => tracing::debug!(%error, "cannot look at unread records"),
            }
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// Asks how long the topic keeps its records.
async fn look_at_settings(shared: Arc<Shared>, kafka: Arc<Kafka>) {
    loop {
        let pause = match kafka.retention(&shared.topic).await {
            Ok(retention) => {
                shared.state().retention = retention;
                SETTINGS_EVERY
            }
            Err(error) => {
                tracing::debug!(%error, "the topic's settings are not known");
                SETTINGS_EVERY_UNKNOWN
            }
        };
        tokio::time::sleep(pause).await;
    }
}

#[cfg(test)]
mod tests {
    use super::probe::tests::{Death, Kind, listener, mortal};
    use super::*;

    /// The promise. Nearly half of it is left to whoever shows it.
    const SHOWN_WITHIN: Duration = Duration::from_secs(2);

    /// The watch over these brokers by its own probe alone.
    fn watching(brokers: impl Iterator<Item = String>) -> (Arc<Shared>, JoinSet<()>) {
        let shared = Arc::new(Shared {
            topic: String::new(),
            own_probe: true,
            state: Mutex::new(State::new(brokers)),
            changes: watch::Sender::new(0),
            next: watch::Sender::new(BTreeMap::new()),
        });
        let mut probing = JoinSet::new();
        probing.spawn(probe_brokers(Arc::clone(&shared)));
        (shared, probing)
    }

    /// Waits until this broker is up or not; returns how long that took.
    async fn until_up(shared: &Shared, address: &str, up: bool) -> Duration {
        let asked = Instant::now();
        let is_so = || {
            let brokers = shared.state().picture().brokers;
            brokers.iter().any(|one| {
                one.address.as_deref() == Some(address)
                    && match one.state {
                        BrokerState::Up => up,
                        BrokerState::Down { .. } => !up,
                        BrokerState::Unknown => false,
                    }
            })
        };
        let mut changes = shared.changes.subscribe();
        while !is_so() {
            let left = Duration::from_secs(10).saturating_sub(asked.elapsed());
            let news = tokio::time::timeout(left, changes.changed()).await;
            news.expect("the broker's state stayed as it was").unwrap();
        }
        asked.elapsed()
    }

    #[tokio::test]
    async fn a_death_shows_within_two_seconds_also_beside_a_broker_that_is_silent_already() {
        let silent = listener(Kind::Silent).await;
        for death in [Death::Freezes, Death::Closes] {
            let (address, mut life) = mortal(death).await;
            let brokers = [silent.clone(), address.clone()];
            let (shared, _probing) = watching(brokers.into_iter());
            until_up(&shared, &silent, false).await;
            until_up(&shared, &address, true).await;
            // The worst moment: right after an answer.
            life.until_answered().await;
            life.end();
            let took = until_up(&shared, &address, false).await;
            assert!(took < SHOWN_WITHIN, "{death:?}: {took:?}");
        }
    }

    #[tokio::test]
    async fn a_broker_that_comes_back_is_seen() {
        let (address, mut life) = mortal(Death::Freezes).await;
        let (shared, _probing) = watching([address.clone()].into_iter());
        life.until_answered().await;
        life.end();
        until_up(&shared, &address, false).await;
        life.go_on();
        assert!(until_up(&shared, &address, true).await < SHOWN_WITHIN);
    }
}
