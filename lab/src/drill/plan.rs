//! Which cases a drill plays, with which seeds, and when it has played enough: nothing but the settings and
//! the clock decide that, so the same seed is the same drill.

use super::cases::{self, Case};
use std::time::Duration;

/// Seeds of two rounds are so far apart.
const ROUND: u64 = 1_000;

/// What is to be played.
#[derive(Debug)]
pub struct Plan {
    cases: Vec<&'static Case>,
    seed: u64,
    time: Duration,
}

/// One case's turn.
#[derive(Debug, Clone, Copy)]
pub struct Turn {
    pub case: &'static Case,
    /// Counted from 0: how often it was played before.
    pub round: u64,
    /// Given as the drill's own seed, it repeats this turn.
    pub seed: u64,
}

impl Plan {
    /// The cases that are named; without a name all of them, or those of a short drill.
    pub fn new(named: &[&'static Case], short: bool, seed: u64, minutes: Option<u64>) -> Self {
        let cases = match named {
            [] => cases::ALL
                .iter()
                .filter(|case| !short || case.in_short)
                .collect(),
            named => named.to_vec(),
        };
        Self {
            cases,
            seed,
            time: Duration::from_secs(minutes.unwrap_or(0).saturating_mul(60)),
        }
    }

    /// Whose turn it is after so many others, the drill having begun so long ago. Each case is played once,
    /// however long that takes; after that none begins when the time is over.
    pub fn turn(&self, played: usize, elapsed: Duration) -> Option<Turn> {
        let round = played.checked_div(self.cases.len())?;
        if round > 0 && elapsed >= self.time {
            return None;
        }
        let round = u64::try_from(round).ok()?;
        Some(Turn {
            case: self.cases.get(played % self.cases.len())?,
            round,
            seed: self.seed.wrapping_add(round.wrapping_mul(ROUND)),
        })
    }
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
        turns.map(|turn| (turn.case.number, turn.seed)).collect()
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
        let named = [third.case];
        let again = Plan::new(&named, false, third.seed, None).turn(0, Duration::ZERO);
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

    #[test]
    fn without_a_name_all_are_played_or_the_short_selection() {
        let numbers = |short| -> Vec<u8> {
            let plan = Plan::new(&[], short, 0, None);
            played(&plan, 0)
                .into_iter()
                .map(|(number, _)| number)
                .collect()
        };
        assert_eq!(numbers(false), (1..=18).collect::<Vec<_>>());
        let short = numbers(true);
        assert!(short.len() < 18, "{short:?}");
        // Something of every kind: brokers, apps and their disk, Postgres, consumers, the topic, the events
        // themselves, an orderly end, an operator's replay.
        for kind in [
            &[1, 2, 3, 4][..],
            &[5],
            &[6],
            &[7, 17],
            &[8],
            &[9, 11],
            &[10],
            &[12, 13],
            &[14],
            &[15],
            &[16],
            &[18],
        ] {
            assert!(kind.iter().any(|number| short.contains(number)), "{kind:?}");
        }
    }
}
