//! Which cases a drill plays, beside which others, with which seeds, and when it has played enough: nothing
//! but the settings and the clock decide that, so the same seed is the same drill.

use super::cases::{self, Case, Reach};
use std::time::Duration;

/// Seeds of two rounds are so far apart.
const ROUND: u64 = 1_000;
/// So many cases are played at once in a short drill, where they break nothing but their own world: they wait more
/// than they work.
const AT_ONCE: usize = 3;
/// Those that measure how soon partitions are taken over stand for two: beside too much else they would measure that.
const STAND_FOR_TWO: [&str; 3] = ["consumer_killed", "consumer_frozen", "asked_to_stop"];

/// What is to be played.
#[derive(Debug)]
pub struct Plan {
    /// Each of them at once, one after the other.
    groups: Vec<Vec<&'static Case>>,
    seed: u64,
    time: Duration,
}

/// The turn of one case, or of several at once.
#[derive(Debug, Clone)]
pub struct Turn {
    pub cases: Vec<&'static Case>,
    /// Counted from 0: how often they were played before.
    pub round: u64,
    /// Given as the drill's own seed, it repeats this turn.
    pub seed: u64,
}

impl Plan {
    /// The cases that are named; without a name all of them.
    pub fn new(named: &[&'static Case], short: bool, seed: u64, minutes: Option<u64>) -> Self {
        let cases = match named {
            [] => cases::ALL.iter().collect(),
            named => named.to_vec(),
        };
        Self {
            groups: if short {
                groups(&cases)
            } else {
                cases.into_iter().map(|case| vec![case]).collect()
            },
            seed,
            time: Duration::from_secs(minutes.unwrap_or(0).saturating_mul(60)),
        }
    }

    /// Whose turn it is after so many others, the drill having begun so long ago. Each case is played once,
    /// however long that takes; after that none begins when the time is over.
    pub fn turn(&self, played: usize, elapsed: Duration) -> Option<Turn> {
        let round = played.checked_div(self.groups.len())?;
        if round > 0 && elapsed >= self.time {
            return None;
        }
        let round = u64::try_from(round).ok()?;
        Some(Turn {
            cases: self.groups.get(played % self.groups.len())?.clone(),
            round,
            seed: self.seed.wrapping_add(round.wrapping_mul(ROUND)),
        })
    }
}

/// The cases of a short drill in their order, but that those which break nothing but their own world are together.
fn groups(cases: &[&'static Case]) -> Vec<Vec<&'static Case>> {
    let breaks_servers = |case: &Case| case.reach == Reach::Servers;
    let weight = |case: &Case| 1 + usize::from(STAND_FOR_TWO.contains(&case.name));
    let mut groups: Vec<Vec<&'static Case>> = Vec::new();
    for case in cases {
        let company = groups.iter_mut().find(|group| {
            !breaks_servers(case)
                && group.iter().map(|other| weight(other)).sum::<usize>() + weight(case) <= AT_ONCE
                && group
                    .iter()
                    .all(|other| !breaks_servers(other) && other.number != case.number)
        });
        match company {
            Some(group) => group.push(case),
            None => groups.push(vec![case]),
        }
    }
    groups
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    fn plan(names: &[&str], minutes: Option<u64>) -> Plan {
        let chosen: Vec<_> = names
            .iter()
            .map(|name| cases::find(name).unwrap())
            .collect();
        Plan::new(&chosen, false, 7, minutes)
    }

    /// The numbers and seeds of all turns, when each takes so many minutes.
    fn played(plan: &Plan, minutes_each: u64) -> Vec<(u8, u64)> {
        let turns = (0..).map_while(|played: usize| {
            let elapsed = Duration::from_secs(60 * minutes_each * played as u64);
            plan.turn(played, elapsed)
        });
        turns
            .map(|turn| {
                let [case] = turn.cases[..] else {
                    panic!("several at once: {turn:?}");
                };
                (case.number, turn.seed)
            })
            .collect()
    }

    #[rstest]
    #[case::no_time_is_each_once(None, 1, &[(2, 7), (5, 7), (9, 7)])]
    #[case::however_short_the_time(Some(1), 5, &[(2, 7), (5, 7), (9, 7)])]
    #[case::time_ends_a_round(Some(3), 1, &[(2, 7), (5, 7), (9, 7)])]
    #[case::or_stops_in_the_midst_of_one(Some(4), 1, &[(2, 7), (5, 7), (9, 7), (2, 1007)])]
    #[case::a_turn_that_has_begun_is_ended(Some(7), 2, &[(2, 7), (5, 7), (9, 7), (2, 1007)])]
    fn cases_take_turns_until_the_time_is_over(
        #[case] minutes: Option<u64>,
        #[case] minutes_each: u64,
        #[case] wanted: &[(u8, u64)],
    ) {
        let plan = plan(&["2", "app_killed", "9"], minutes);
        assert_eq!(played(&plan, minutes_each), wanted);
    }

    #[test]
    fn a_turns_seed_repeats_it() {
        let third = plan(&["4"], Some(60)).turn(2, Duration::ZERO).unwrap();
        assert_eq!((third.round, third.seed), (2, 2007));
        let again = Plan::new(&third.cases, false, third.seed, None).turn(0, Duration::ZERO);
        assert_eq!(again.map(|turn| turn.seed), Some(third.seed));
    }

    #[test]
    fn no_number_of_minutes_or_seed_is_too_large() {
        let plan = Plan::new(
            &[cases::find("1").unwrap()],
            false,
            u64::MAX,
            Some(u64::MAX),
        );
        let turn = plan.turn(3, Duration::from_secs(u64::MAX / 2)).unwrap();
        assert_eq!((turn.round, turn.seed), (3, 2999));
    }

    /// The numbers of a round, by turns.
    fn round(short: bool) -> Vec<Vec<u8>> {
        let plan = Plan::new(&[], short, 0, None);
        (0..)
            .map_while(|played| plan.turn(played, Duration::ZERO))
            .map(|turn| turn.cases.iter().map(|case| case.number).collect())
            .collect()
    }

    #[test]
    fn without_a_name_each_case_has_a_turn_of_its_own() {
        let alone: Vec<Vec<u8>> = (1..=18).map(|number| vec![number]).collect();
        assert_eq!(round(false), alone);
    }

    #[test]
    fn a_short_drill_plays_all_of_them_and_several_at_once_where_nobody_breaks_the_servers() {
        let round = round(true);
        let mut played: Vec<u8> = round.concat();
        played.sort_unstable();
        assert_eq!(played, (1..=18).collect::<Vec<_>>());
        for turn in &round {
            let breaks =
                |number: &u8| cases::find(&number.to_string()).unwrap().reach == Reach::Servers;
            assert!(turn.len() <= AT_ONCE, "{turn:?}");
            assert!(turn.len() == 1 || !turn.iter().any(breaks), "{turn:?}");
        }
        assert!(round.iter().any(|turn| turn.len() == AT_ONCE));
        for name in STAND_FOR_TWO {
            let number = cases::find(name).unwrap().number;
            let turn = round.iter().find(|turn| turn.contains(&number));
            assert_eq!(turn.map(Vec::len), Some(2), "{name}");
        }
    }

    #[test]
    fn a_case_is_never_beside_itself() {
        let eight = cases::find("8").unwrap();
        assert_eq!(groups(&[eight, eight]).len(), 2);
    }
}
