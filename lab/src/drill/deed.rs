//! What a client does next, and next: decided by the seed alone, whatever becomes of it.

use crate::visit;
use domain::{Choice, EventType, Source, ids};
use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;
use rand::{Rng as _, SeedableRng as _};
use serde_json::{Value, json};
use std::collections::VecDeque;
use std::ops::Range;
use std::time::Duration;
use uuid::Uuid;

/// How many different visitors the events are from; enough that every partition gets some.
const VISITORS: usize = 300;
/// How many deeds a client remembers, to do one of them again.
const REMEMBERED: usize = 50;

/// One request, as often as it may be sent.
#[derive(Debug, Clone, PartialEq)]
pub struct Deed {
    /// How long the client waits before it.
    pub pause: Duration,
    /// Which app it tries first.
    pub door: usize,
    pub request: Request,
}

/// What is sent.
#[derive(Debug, Clone, PartialEq)]
pub enum Request {
    /// `POST /event` with an id of the client's own.
    Event { id: Uuid, body: Value },
    /// The same without an id: the collector mints one, so it must not be sent twice.
    Minted { body: Value },
    /// `POST /events` with several of them.
    Events { ids: Vec<Uuid>, body: Value },
    /// The shop's form, `POST /cart`.
    Form {
        username: String,
        token: Uuid,
        choice: Choice,
    },
}

impl Request {
    /// The ids that the client knows before it has an answer.
    pub fn ids(&self) -> Vec<Uuid> {
        match self {
            Self::Event { id, .. } => vec![*id],
            Self::Minted { .. } => Vec::new(),
            Self::Events { ids, .. } => ids.clone(),
            Self::Form {
                username,
                token,
                choice,
            } => vec![ids::from_form(
                *token,
                username,
                EventType::ADD_TO_CART,
                choice,
            )],
        }
    }

    /// How many events it holds.
    pub fn events(&self) -> u64 {
        self.ids().len().max(1) as u64
    }

    /// The door's name in the events.
    pub fn source(&self) -> Source {
        match self {
            Self::Event { .. } | Self::Minted { .. } => Source::Event,
            Self::Events { .. } => Source::Events,
            Self::Form { .. } => Source::Shop,
        }
    }

    /// Whether it may be sent again when its outcome is unknown.
    pub fn may_be_repeated(&self) -> bool {
        !matches!(self, Self::Minted { .. })
    }
}

/// One client's deeds, without end.
pub struct Deeds {
    rng: StdRng,
    client: usize,
    number: usize,
    pause_ms: Range<u64>,
    done: VecDeque<Request>,
}

impl Deeds {
    /// Those of one client of a case; the pause between two lies within `pause_ms`.
    pub fn new(seed: u64, client: usize, pause_ms: Range<u64>) -> Self {
        let own = seed ^ (client as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        Self {
            rng: StdRng::seed_from_u64(own),
            client,
            number: 0,
            pause_ms,
            done: VecDeque::new(),
        }
    }

    fn request(&mut self) -> Request {
        let rng = &mut self.rng;
        match rng.random_range(0..100) {
            0..55 => {
                let id = visit::id(rng);
                let body = event(rng, self.client, self.number, Some(id));
                Request::Event { id, body }
            }
            55..65 => Request::Minted {
                body: event(rng, self.client, self.number, None),
            },
            65..75 => events(rng, self.number),
            75..90 => Request::Form {
                username: visitor(rng),
                token: visit::id(rng),
                choice: visit::choice(rng),
            },
            // As a client does that has lost the answer.
            _ => match self.done.iter().collect::<Vec<_>>().choose(rng) {
                Some(again) => Request::clone(again),
                None => events(rng, self.number),
            },
        }
    }
}

impl Iterator for Deeds {
    type Item = Deed;

    fn next(&mut self) -> Option<Deed> {
        self.number += 1;
        let request = self.request();
        if request.may_be_repeated() {
            self.done.push_back(request.clone());
            if self.done.len() > REMEMBERED {
                self.done.pop_front();
            }
        }
        Some(Deed {
            pause: Duration::from_millis(self.rng.random_range(self.pause_ms.clone())),
            door: self.rng.random_range(0..2),
            request,
        })
    }
}

fn visitor(rng: &mut StdRng) -> String {
    format!("visitor{}", rng.random_range(0..VISITORS))
}

/// An event of `POST /event`'s contract.
fn event(rng: &mut StdRng, client: usize, number: usize, id: Option<Uuid>) -> Value {
    let kinds = ["page_view", "click", "session", "custom"];
    let mut body = json!({
        "type": kinds.choose(rng),
        "user_id": visitor(rng),
        "session_id": visit::id(rng).to_string(),
        "url": format!("http://shop.example/item/{}", rng.random_range(0..1_000)),
        "path": "/item",
        "user_agent": "drill",
        "metadata": { "client": client, "deed": number },
    });
    if let (Some(id), Some(map)) = (id, body.as_object_mut()) {
        map.insert("id".to_owned(), id.to_string().into());
    }
    body
}

/// Some events of `POST /events`' contract, from different visitors, so for different partitions.
fn events(rng: &mut StdRng, number: usize) -> Request {
    let ids: Vec<Uuid> = (0..rng.random_range(2..12))
        .map(|_| visit::id(rng))
        .collect();
    let kinds = [EventType::PAGE_VIEW, EventType::ADD_TO_CART, EventType::BUY];
    let items = ids.iter().map(|id| {
        json!({
            "id": id.to_string(),
            "user_id": visitor(rng),
            "event_type": kinds.choose(rng),
            "url": "http://shop.example/cart",
            "meta": { "deed": number },
        })
    });
    let body = Value::Array(items.collect());
    Request::Events { ids, body }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    fn deeds(seed: u64, client: usize) -> Vec<Deed> {
        Deeds::new(seed, client, 1..10).take(2_000).collect()
    }

    #[test]
    fn the_same_seed_does_the_same_and_another_seed_or_client_does_not() {
        assert_eq!(deeds(1, 4), deeds(1, 4));
        assert_ne!(deeds(1, 4), deeds(2, 4));
        assert_ne!(deeds(1, 4), deeds(1, 5));
    }

    #[test]
    fn every_way_in_is_used_and_some_ids_come_again() {
        let deeds = deeds(3, 0);
        let sources: HashSet<&str> = deeds.iter().map(|d| d.request.source().as_str()).collect();
        assert_eq!(sources, HashSet::from(["event", "events", "shop"]));
        let ids: Vec<Uuid> = deeds.iter().flat_map(|d| d.request.ids()).collect();
        let distinct: HashSet<&Uuid> = ids.iter().collect();
        assert!(distinct.len() < ids.len());
        assert!(distinct.len() > ids.len() / 2);
    }
}
