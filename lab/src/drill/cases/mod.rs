//! Every fault, one module each. A case makes its fault while clients send, says what must hold during it,
//! and ends with everything running again; what must hold in every case is the drill's own business.

mod all_brokers_killed;
mod another_topic;
mod app_killed;
mod asked_to_stop;
mod broker_frozen;
mod consumer_frozen;
mod consumer_killed;
mod cut_at_commit;
mod join_and_leave;
mod leader_killed;
mod malformed;
mod older_dump;
mod partitions_added;
mod postgres_killed;
mod replay;
mod same_id;
mod spool_full;
mod two_brokers_down;

use super::scene::Scene;

/// One case.
#[derive(Debug)]
pub struct Case {
    pub number: u8,
    /// What `--case` understands.
    pub name: &'static str,
    /// What the table says.
    pub about: &'static str,
    /// How far its faults reach.
    pub reach: Reach,
}

/// What a case breaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// Brokers or Postgres, so nobody else may be on them meanwhile.
    Servers,
    /// The same in a whole drill; in a short one no more than its world.
    ServersInFull,
    /// No more than its own programs, topic and database.
    World,
}
use Reach::{Servers, ServersInFull, World};

const fn case(number: u8, name: &'static str, about: &'static str, reach: Reach) -> Case {
    Case {
        number,
        name,
        about,
        reach,
    }
}

/// All of them, in the order in which they are played; the one that wipes Kafka may stand anywhere, since
/// every case has a world of its own.
pub const ALL: [Case; 18] = [
    case(
        1,
        "leader_killed",
        "a partition's leader is killed, again and again",
        Servers,
    ),
    case(
        2,
        "two_brokers_down",
        "two of three brokers are down for a minute",
        Servers,
    ),
    case(
        3,
        "all_brokers_killed",
        "all brokers are killed at once",
        Servers,
    ),
    case(
        4,
        "broker_frozen",
        "a broker stands still for a minute",
        Servers,
    ),
    case(5, "app_killed", "apps are killed under load", Servers),
    case(
        6,
        "spool_full",
        "the spool is at its cap, and on a full disk",
        Servers,
    ),
    case(
        7,
        "postgres_killed",
        "Postgres is killed and restarts",
        Servers,
    ),
    case(
        8,
        "cut_at_commit",
        "the connection to Postgres breaks at the commit",
        World,
    ),
    case(
        9,
        "consumer_killed",
        "consumers are killed at random points",
        World,
    ),
    case(
        10,
        "consumer_frozen",
        "a consumer stands still past its session, and wakes up",
        World,
    ),
    case(
        11,
        "join_and_leave",
        "consumers join and leave every 3 s",
        World,
    ),
    case(12, "partitions_added", "partitions are added", World),
    case(
        13,
        "another_topic",
        "the topic is recreated, cut short, and all of Kafka wiped",
        ServersInFull,
    ),
    case(
        14,
        "malformed",
        "malformed messages of every kind, and a day without its table",
        World,
    ),
    case(15, "same_id", "the same id a thousand times", World),
    case(
        16,
        "asked_to_stop",
        "apps and consumers are asked to stop",
        World,
    ),
    case(
        17,
        "older_dump",
        "an older dump of Postgres is restored",
        World,
    ),
    case(
        18,
        "replay",
        "everything is replayed from the beginning",
        World,
    ),
];

/// Finds a case by its name or number.
pub fn find(text: &str) -> Result<&'static Case, String> {
    let number: Option<u8> = text.parse().ok();
    ALL.iter()
        .find(|case| case.name == text || Some(case.number) == number)
        .ok_or_else(|| {
            let names: Vec<&str> = ALL.iter().map(|case| case.name).collect();
            format!("the cases are 1 to {}: {}", ALL.len(), names.join(", "))
        })
}

impl Case {
    /// Plays it, and leaves everything running.
    ///
    /// # Errors
    /// It could not be played to its end; what only must not be is noted in the scene.
    pub async fn play(&self, scene: &mut Scene<'_>) -> anyhow::Result<()> {
        match self.number {
            1 => leader_killed::run(scene).await,
            2 => two_brokers_down::run(scene).await,
            3 => all_brokers_killed::run(scene).await,
            4 => broker_frozen::run(scene).await,
            5 => app_killed::run(scene).await,
            6 => spool_full::run(scene).await,
            7 => postgres_killed::run(scene).await,
            8 => cut_at_commit::run(scene).await,
            9 => consumer_killed::run(scene).await,
            10 => consumer_frozen::run(scene).await,
            11 => join_and_leave::run(scene).await,
            12 => partitions_added::run(scene).await,
            13 => another_topic::run(scene).await,
            14 => malformed::run(scene).await,
            15 => same_id::run(scene).await,
            16 => asked_to_stop::run(scene).await,
            17 => older_dump::run(scene).await,
            18 => replay::run(scene).await,
            other => anyhow::bail!("no case {other}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_case_is_found_by_its_name_and_by_its_number() {
        for (at, case) in ALL.iter().enumerate() {
            assert_eq!(usize::from(case.number), at + 1);
            for text in [case.name.to_owned(), case.number.to_string()] {
                assert_eq!(find(&text).unwrap().number, case.number);
            }
        }
        assert!(find("0").unwrap_err().contains("leader_killed"));
    }
}
