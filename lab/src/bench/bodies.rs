//! The requests' bodies: written once, and only their ids changed from one request to the next, so that
//! the generator has little to do beside sending.

use super::mix;
use axum::body::Bytes;
use serde_json::Value;
use uuid::Uuid;

/// How many different bodies there are.
const DIFFERENT: u64 = 256;

/// Bodies that never repeat an id.
#[derive(Debug)]
pub struct Bodies {
    run: u64,
    templates: Vec<Template>,
    /// Events in each.
    pub events: u64,
}

#[derive(Debug)]
struct Template {
    text: Vec<u8>,
    /// Where each id begins.
    ids: Vec<usize>,
}

impl Bodies {
    /// One event each, for `/event`.
    pub fn events(run: u64) -> Self {
        let templates = (0..DIFFERENT).map(|number| {
            let id = mix::id(run, number);
            Template::new(&mix::event_body(number, id), &[id])
        });
        Self {
            run,
            templates: templates.collect(),
            events: 1,
        }
    }

    /// Arrays of `events` events, for `/events`.
    pub fn batches(run: u64, events: u64) -> Self {
        let templates = (0..DIFFERENT / 16).map(|batch| {
            let numbers = batch * events..(batch + 1) * events;
            let ids: Vec<Uuid> = numbers.clone().map(|n| mix::id(run, n)).collect();
            let array = numbers.zip(&ids).map(|(n, id)| mix::events_body(n, *id));
            Template::new(&Value::Array(array.collect()), &ids)
        });
        Self {
            run,
            templates: templates.collect(),
            events,
        }
    }

    /// The body of request `number`.
    pub fn get(&self, number: u64) -> Bytes {
        let at = usize::try_from(number % self.templates.len() as u64).unwrap_or(0);
        let template = &self.templates[at];
        let mut text = template.text.clone();
        for (nth, begin) in template.ids.iter().enumerate() {
            let id = mix::id(self.run, number * self.events + nth as u64);
            id.hyphenated()
                .encode_lower(&mut text[*begin..*begin + uuid::fmt::Hyphenated::LENGTH]);
        }
        text.into()
    }
}

impl Template {
    /// Finds the ids that really stand in the body.
    fn new(body: &Value, ids: &[Uuid]) -> Self {
        let text = body.to_string();
        let ids = ids.iter().filter_map(|id| text.find(&id.to_string()));
        Self {
            ids: ids.collect(),
            text: text.into_bytes(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    fn ids(body: &Value) -> Vec<String> {
        let one = |event: &Value| event["id"].as_str().map(str::to_owned);
        match body {
            Value::Array(events) => events.iter().filter_map(one).collect(),
            event => one(event).into_iter().collect(),
        }
    }

    #[test]
    fn no_id_comes_twice_and_one_event_of_five_has_one() {
        for (bodies, requests) in [(Bodies::events(7), 5_000), (Bodies::batches(7, 100), 50)] {
            let mut seen = HashSet::new();
            for number in 0..requests {
                let body: Value = serde_json::from_slice(&bodies.get(number)).unwrap();
                for id in ids(&body) {
                    assert!(seen.insert(id.clone()), "{id} again in request {number}");
                }
            }
            let share = 5_000_usize.abs_diff(seen.len() * 5);
            assert!(share < 100, "{} of 5,000 have one", seen.len());
        }
    }

    #[test]
    fn a_batch_has_as_many_events_as_were_asked_for() {
        let body: Value = serde_json::from_slice(&Bodies::batches(1, 100).get(33)).unwrap();
        assert_eq!(body.as_array().unwrap().len(), 100);
    }
}
