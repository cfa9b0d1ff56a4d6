//! What is known of the cluster, from whichever question told it, and how it is put together into one
//! picture. No question is asked here.

use chrono::{DateTime, Utc};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use tokio::time::Instant;

/// The cluster at one moment.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Cluster {
    /// Every broker that was told of, by id; those of which only an address is known come last.
    pub brokers: Vec<Broker>,
    /// Every partition of the topic, by number; empty while they are not known.
    pub partitions: Vec<Partition>,
    /// How long the topic keeps its records.
    pub retention: Retention,
    /// Why leaders and replicas are not known now; those in the picture are then the last known ones.
    pub problem: Option<String>,
}

/// One broker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Broker {
    /// Its number; none while Kafka has not told whose address this is.
    pub id: Option<i32>,
    /// `host:port`; none for a broker that is away since before we began to watch.
    pub address: Option<String>,
    /// Whether it lives.
    pub state: BrokerState,
}

/// Whether a broker lives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BrokerState {
    /// Nobody has asked it yet.
    Unknown,
    /// It answered the last question.
    Up,
    /// It did not.
    Down {
        /// When that was noticed first.
        since: DateTime<Utc>,
        /// What is wrong, in words.
        reason: String,
    },
}

/// One partition of the topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Partition {
    /// Its number.
    pub number: i32,
    /// The broker that takes its records; none while there is none.
    pub leader: Option<i32>,
    /// The brokers that should hold a copy.
    pub replicas: Vec<i32>,
    /// Those of them whose copy is complete.
    pub in_sync: Vec<i32>,
    /// The lowest offset that Kafka still has; none before its leader has told it.
    pub low: Option<i64>,
    /// The offset after the last record; none before its leader has told it.
    pub end: Option<i64>,
    /// When the leader was asked for the two that are here. A dead one's last answer stays.
    pub asked: Option<Instant>,
    /// The oldest unread record, as of the last look.
    pub unread: Option<Unread>,
}

/// The record that will be read next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unread {
    /// The offset at which it was looked for.
    pub offset: i64,
    /// When the record found there was written.
    pub written_at: DateTime<Utc>,
}

/// How long a topic keeps its records.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Retention {
    /// Not told yet.
    #[default]
    Unknown,
    /// For ever.
    Unlimited,
    /// For so long after they were written.
    Limited(Duration),
}

/// What one broker tells of the whole cluster.
#[derive(Debug)]
pub(super) struct Topology {
    /// The brokers that count as present, by id, with their addresses.
    pub brokers: BTreeMap<i32, String>,
    /// The topic's partitions, or why there are none.
    pub partitions: Result<Vec<Placement>, String>,
}

/// Where a partition lies.
#[derive(Debug, Clone)]
pub(super) struct Placement {
    pub number: i32,
    pub leader: Option<i32>,
    pub replicas: Vec<i32>,
    pub in_sync: Vec<i32>,
}

/// How far a partition reaches.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reach {
    pub low: i64,
    pub end: i64,
    /// When it was asked for.
    pub asked: Instant,
}

/// Everything that was told so far.
#[derive(Debug)]
pub(super) struct State {
    /// The addresses that the settings name; whose they are, Kafka tells.
    bootstrap: Vec<String>,
    /// The address of every broker that was ever told of.
    addresses: BTreeMap<i32, String>,
    /// The brokers of the last answer.
    listed: BTreeSet<i32>,
    placements: Vec<Placement>,
    problem: Option<String>,
    /// What each address answered; without a probe of our own, what the others say of it.
    lives: BTreeMap<String, BrokerState>,
    reaches: BTreeMap<i32, Reach>,
    unread: BTreeMap<i32, Unread>,
    pub retention: Retention,
}

impl State {
    /// Nothing is known but the settings' addresses.
    pub fn new(bootstrap: impl Iterator<Item = String>) -> Self {
        Self {
            bootstrap: bootstrap.collect(),
            addresses: BTreeMap::new(),
            listed: BTreeSet::new(),
            placements: Vec::new(),
            problem: None,
            lives: BTreeMap::new(),
            reaches: BTreeMap::new(),
            unread: BTreeMap::new(),
            retention: Retention::Unknown,
        }
    }

    /// Whom to ask for a sign of life.
    pub fn addresses(&self) -> BTreeSet<String> {
        let brokers = self.brokers().into_iter();
        brokers.filter_map(|(_, address)| address).collect()
    }

    /// Notes an address's sign of life, or the lack of it. Returns whether that is news.
    pub fn heard(&mut self, address: &str, answer: Result<(), String>) -> bool {
        let before = self.lives.get(address);
        let was_up = match before {
            None | Some(BrokerState::Unknown) => None,
            Some(BrokerState::Up) => Some(true),
            Some(BrokerState::Down { .. }) => Some(false),
        };
        let is_up = answer.is_ok();
        let state = match (answer, before) {
            (Ok(()), _) => BrokerState::Up,
            (Err(reason), Some(BrokerState::Down { since, .. })) => BrokerState::Down {
                since: *since,
                reason,
            },
            (Err(reason), _) => BrokerState::Down {
                since: Utc::now(),
                reason,
            },
        };
        self.lives.insert(address.to_owned(), state);
        was_up != Some(is_up)
    }

    /// Notes what a broker tells of all. `believed` says that there is no better witness of who lives.
    /// Returns whether a broker's state is another one now.
    pub fn looked(&mut self, looked: Result<Topology, String>, believed: bool) -> bool {
        let topology = match looked {
            Ok(topology) => topology,
            Err(problem) => {
                // Nobody answers: for whom the others spoke, nobody speaks now.
                let silent = if believed {
                    self.addresses()
                } else {
                    BTreeSet::new()
                };
                self.problem = Some(problem.clone());
                return silent
                    .iter()
                    .filter(|address| self.heard(address, Err(problem.clone())))
                    .count()
                    > 0;
            }
        };
        self.listed = topology.brokers.keys().copied().collect();
        self.addresses.extend(topology.brokers);
        match topology.partitions {
            Ok(placements) => {
                self.problem = None;
                self.placements = placements;
                self.placements.sort_by_key(|one| one.number);
            }
            Err(problem) => {
                self.problem = Some(problem);
                self.placements.clear();
            }
        }
        if !believed {
            return false;
        }
        let mut news = false;
        for (id, address) in self.brokers() {
            if let (Some(id), Some(address)) = (id, address) {
                let listed = self.listed.contains(&id);
                let answer = listed
                    .then_some(())
                    .ok_or_else(|| "the other brokers do not count it as present".to_owned());
                news |= self.heard(&address, answer);
            }
        }
        news
    }

    /// The partitions that each living leader can be asked about.
    pub fn led(&self) -> BTreeMap<i32, Vec<i32>> {
        let mut led: BTreeMap<i32, Vec<i32>> = BTreeMap::new();
        for one in &self.placements {
            if let Some(leader) = one.leader.filter(|leader| !self.is_down(*leader)) {
                led.entry(leader).or_default().push(one.number);
            }
        }
        led
    }

    /// Notes how far partitions reach.
    pub fn reached(&mut self, reaches: BTreeMap<i32, Reach>) {
        self.reaches.extend(reaches);
    }

    /// The records to look up, by partition: the next one to be read, where there is one, it is not known
    /// yet, and its leader lives.
    pub fn unread_to_find(&self, next: &BTreeMap<i32, i64>) -> BTreeMap<i32, i64> {
        let led: BTreeSet<i32> = self.led().into_values().flatten().collect();
        let wanted = next.iter().filter_map(|(partition, next)| {
            let reach = self.reaches.get(partition)?;
            // What retention took away can no longer be looked at.
            let offset = (*next).max(reach.low);
            let known = self.unread.get(partition).map(|unread| unread.offset) == Some(offset);
            let find = offset < reach.end && !known && led.contains(partition);
            find.then_some((*partition, offset))
        });
        wanted.collect()
    }

    /// Notes when unread records were written.
    pub fn found(&mut self, found: BTreeMap<i32, Unread>) {
        self.unread.extend(found);
    }

    /// All of it as one picture.
    pub fn picture(&self) -> Cluster {
        let brokers = self.brokers().into_iter().map(|(id, address)| {
            let heard = address.as_ref().and_then(|address| self.lives.get(address));
            Broker {
                id,
                state: heard.cloned().unwrap_or(BrokerState::Unknown),
                address,
            }
        });
        let partitions = self.placements.iter().map(|one| {
            let reach = self.reaches.get(&one.number);
            Partition {
                number: one.number,
                leader: one.leader,
                replicas: one.replicas.clone(),
                in_sync: one.in_sync.clone(),
                low: reach.map(|reach| reach.low),
                end: reach.map(|reach| reach.end),
                asked: reach.map(|reach| reach.asked),
                unread: self.unread.get(&one.number).copied(),
            }
        });
        Cluster {
            brokers: brokers.collect(),
            partitions: partitions.collect(),
            retention: self.retention,
            problem: self.problem.clone(),
        }
    }

    /// Whether a broker is known not to answer.
    fn is_down(&self, id: i32) -> bool {
        let lives = self.addresses.get(&id).and_then(|at| self.lives.get(at));
        matches!(lives, Some(BrokerState::Down { .. }))
    }

    /// Who belongs to the cluster: those who are present, and those who should hold a copy.
    ///
    /// A broker that was away before we began to watch is told of by its number alone; when the settings
    /// name one address more than there are known ones, that is where it belongs.
    fn brokers(&self) -> Vec<(Option<i32>, Option<String>)> {
        let replicas = self.placements.iter().flat_map(|one| &one.replicas);
        let ids: BTreeSet<i32> = self.listed.iter().chain(replicas).copied().collect();
        let known = |address: &&String| {
            ids.iter()
                .any(|id| self.addresses.get(id) == Some(*address))
        };
        let strangers: Vec<&String> = self.bootstrap.iter().filter(|at| !known(at)).collect();
        if ids.is_empty() {
            return strangers
                .into_iter()
                .map(|address| (None, Some(address.clone())))
                .collect();
        }
        let nameless = ids
            .iter()
            .filter(|id| !self.addresses.contains_key(id))
            .count();
        let guess = match strangers[..] {
            [only] if nameless == 1 => Some(only),
            _ => None,
        };
        ids.into_iter()
            .map(|id| (Some(id), self.addresses.get(&id).or(guess).cloned()))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    const ONE: &str = "127.0.0.1:19092";
    const TWO: &str = "127.0.0.1:29092";
    const THREE: &str = "127.0.0.1:39092";

    fn state() -> State {
        State::new([ONE, TWO, THREE].map(str::to_owned).into_iter())
    }

    /// An answer that names these brokers; partition 0 is led by 1, partition 1 by 2.
    fn topology(brokers: &[(i32, &str)]) -> Topology {
        let placement = |number, leader| Placement {
            number,
            leader: Some(leader),
            replicas: vec![1, 2, 3],
            in_sync: vec![1, 2, 3],
        };
        let brokers = brokers.iter();
        Topology {
            brokers: brokers.map(|(id, at)| (*id, (*at).to_owned())).collect(),
            partitions: Ok(vec![placement(1, 2), placement(0, 1)]),
        }
    }

    fn who(state: &State) -> Vec<(Option<i32>, Option<&'static str>)> {
        let known = |address: String| {
            [ONE, TWO, THREE]
                .into_iter()
                .find(|one| *one == address)
                .unwrap_or("another")
        };
        let brokers = state.brokers().into_iter();
        brokers.map(|(id, at)| (id, at.map(known))).collect()
    }

    #[test]
    fn before_kafka_has_spoken_there_are_the_settings_addresses() {
        assert_eq!(
            who(&state()),
            [(None, Some(ONE)), (None, Some(TWO)), (None, Some(THREE))]
        );
    }

    #[rstest]
    #[case(&[(1, ONE), (2, TWO), (3, THREE)], [Some(ONE), Some(TWO), Some(THREE)])]
    #[case(&[(1, ONE), (3, THREE)], [Some(ONE), Some(TWO), Some(THREE)])]
    #[case(&[(3, THREE)], [None, None, Some(THREE)])]
    #[case(&[(1, "other:1"), (3, THREE)], [Some("another"), None, Some(THREE)])]
    fn a_broker_that_was_always_away_is_found_where_only_it_can_be(
        #[case] listed: &[(i32, &str)],
        #[case] addresses: [Option<&'static str>; 3],
    ) {
        let mut state = state();
        state.looked(Ok(topology(listed)), false);
        let expected: Vec<_> = (1..).map(Some).zip(addresses).collect();
        assert_eq!(who(&state), expected);
    }

    #[test]
    fn a_broker_keeps_its_address_and_the_time_of_its_death() {
        let mut state = state();
        state.looked(Ok(topology(&[(1, ONE), (2, TWO), (3, THREE)])), false);
        assert!(state.heard(TWO, Ok(())));
        assert!(!state.heard(TWO, Ok(())));
        assert!(state.heard(TWO, Err("refused".into())));
        let died = state.picture().brokers[1].state.clone();
        assert!(!state.heard(TWO, Err("silent".into())));
        state.looked(Ok(topology(&[(1, ONE), (3, THREE)])), false);
        let broker = state.picture().brokers[1].clone();
        assert_eq!(broker.address.as_deref(), Some(TWO));
        match (died, broker.state) {
            (BrokerState::Down { since: first, .. }, BrokerState::Down { since, reason }) => {
                assert_eq!((since, reason.as_str()), (first, "silent"));
            }
            other => panic!("{other:?}"),
        }
        assert!(state.heard(TWO, Ok(())));
    }

    #[test]
    fn only_a_leader_that_lives_is_asked() {
        let mut state = state();
        state.looked(Ok(topology(&[(1, ONE), (2, TWO), (3, THREE)])), false);
        assert_eq!(state.led(), [(1, vec![0]), (2, vec![1])].into());
        state.heard(TWO, Err("refused".into()));
        assert_eq!(state.led(), [(1, vec![0])].into());
    }

    #[test]
    fn without_a_probe_of_our_own_the_others_are_believed() {
        let mut state = state();
        assert!(state.looked(Ok(topology(&[(1, ONE), (2, TWO), (3, THREE)])), true));
        assert!(!state.looked(Ok(topology(&[(1, ONE), (2, TWO), (3, THREE)])), true));
        assert!(state.looked(Ok(topology(&[(1, ONE), (3, THREE)])), true));
        let two = &state.picture().brokers[1];
        assert!(matches!(two.state, BrokerState::Down { .. }), "{two:?}");
        assert!(state.looked(Err("no broker answers".into()), true));
        let all = state.picture().brokers;
        assert!(
            all.iter()
                .all(|one| matches!(one.state, BrokerState::Down { .. }))
        );
    }

    #[test]
    fn only_an_unread_record_that_is_there_and_unknown_is_looked_up() {
        let mut state = state();
        state.looked(Ok(topology(&[(1, ONE), (2, TWO), (3, THREE)])), false);
        let asked = Instant::now();
        let reach = |low, end| Reach { low, end, asked };
        state.reached([(0, reach(10, 20)), (1, reach(0, 5))].into());
        assert_eq!(state.picture().partitions[0].asked, Some(asked));
        let find = |state: &State, next: &[(i32, i64)]| {
            state.unread_to_find(&next.iter().copied().collect())
        };
        assert_eq!(find(&state, &[(0, 12), (1, 5)]), [(0, 12)].into());
        assert_eq!(
            find(&state, &[(0, 3)]),
            [(0, 10)].into(),
            "retention took the rest"
        );
        assert_eq!(find(&state, &[(7, 3)]), [].into());
        let written_at = DateTime::UNIX_EPOCH;
        state.found(
            [(
                0,
                Unread {
                    offset: 12,
                    written_at,
                },
            )]
            .into(),
        );
        assert_eq!(find(&state, &[(0, 12), (1, 4)]), [(1, 4)].into());
        state.heard(TWO, Err("refused".into()));
        assert_eq!(find(&state, &[(0, 12), (1, 4)]), [].into());
    }

    #[test]
    fn a_topic_that_is_not_there_is_said() {
        let mut state = state();
        let nothing = Topology {
            partitions: Err("no broker knows the topic".into()),
            ..topology(&[(1, ONE)])
        };
        state.looked(Ok(nothing), false);
        let picture = state.picture();
        assert_eq!(
            picture.problem.as_deref(),
            Some("no broker knows the topic")
        );
        assert!(picture.partitions.is_empty());
        assert_eq!(picture.brokers.len(), 1);
    }
}
