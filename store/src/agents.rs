//! What user agents say, remembered: many visitors have one of few. To read one takes 2.5 µs, which would be a
//! quarter of a core at 100,000 events a second; to find it, a twentieth of one.

use domain::agent::Agent;
use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// So many are remembered: more than a shop's visitors have in an hour, and at most 2 MB …
const REMEMBERED: usize = 4_096;
/// … since what is longer than any browser's is read each time.
const REMEMBERED_MAX_BYTES: usize = 512;

/// What was read lately.
#[derive(Debug, Default)]
pub(crate) struct Agents(Mutex<HashMap<Box<str>, Agent>>);

impl Agents {
    /// Who they are, in their order.
    pub(crate) fn of<'a>(&self, texts: impl Iterator<Item = Option<&'a str>>) -> Vec<Agent> {
        let texts: Vec<_> = texts.collect();
        let found: Vec<_> = {
            let known = self.known();
            let find = |text| known.get(text).copied();
            texts.iter().map(|text| text.and_then(find)).collect()
        };
        // Others may look while this batch's new ones are read.
        let read = |(text, found): (Option<&'a str>, Option<Agent>)| match (text, found) {
            (_, Some(agent)) => agent,
            (None, None) => Agent::default(),
            (Some(text), None) => self.read(text),
        };
        texts.into_iter().zip(found).map(read).collect()
    }

    fn read(&self, text: &str) -> Agent {
        let agent = Agent::of(Some(text));
        if text.len() <= REMEMBERED_MAX_BYTES {
            let mut known = self.known();
            // Who sends ever new ones must not fill the memory. The usual ones are back with the next events.
            if known.len() >= REMEMBERED {
                known.clear();
            }
            known.insert(text.into(), agent);
        }
        agent
    }

    fn known(&self) -> MutexGuard<'_, HashMap<Box<str>, Agent>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::agent::Bot;

    #[test]
    fn what_was_read_once_is_the_same_later_and_only_so_much_is_remembered() {
        let agents = Agents::default();
        let library = Some(Bot::Library);
        for number in 0..2 * REMEMBERED {
            let text = format!("curl/{number}");
            for _ in 0..2 {
                let read = agents.of([Some(text.as_str()), None].into_iter());
                assert_eq!((read[0].bot, read[1]), (library, Agent::default()));
            }
            assert!(agents.known().len() <= REMEMBERED);
        }
        let known = agents.known().len();
        let long = format!("curl/{}", "1".repeat(REMEMBERED_MAX_BYTES));
        assert_eq!(
            agents.of(std::iter::once(Some(long.as_str())))[0].bot,
            library
        );
        assert_eq!(agents.known().len(), known);
    }
}
