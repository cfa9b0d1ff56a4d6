//! What a visit looks like: pages, looks at styles, things put into the cart, now and then a purchase.
//!
//! Everything follows from the random numbers, so the same seed gives the same visits.

use crate::people;
use chrono::{DateTime, TimeDelta, Utc};
use collector::Draft;
use domain::catalogue::{Category, Color, Gender, Size};
use domain::{Choice, EventType, Source};
use rand::Rng;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;
use reqwest::Url;
use serde_json::{Map, Value, json};
use uuid::Uuid;

/// Where the generated visits seem to have taken place.
const SHOP: &str = "http://127.0.0.1:8501";

/// A choice as visitors make it: a category first, the rest often left open.
pub fn choice(rng: &mut StdRng) -> Choice {
    let Some(category) = maybe(rng, 0.95, Category::ALL) else {
        return Choice {
            size: maybe(rng, 0.3, Size::ALL),
            ..Choice::default()
        };
    };
    Choice {
        category: Some(category),
        gender: maybe(rng, 0.7, Gender::ALL),
        style: maybe(rng, 0.85, category.styles()),
        size: maybe(rng, 0.8, Size::ALL),
        color: color(rng),
    }
}

/// A swatch, a colour of one's own, or none.
fn color(rng: &mut StdRng) -> Option<Color> {
    match rng.random_range(0..10) {
        0..=5 => Color::SWATCHES.choose(rng).map(|(_, color)| *color),
        6..=7 => Some(Color::rgb(rng.random(), rng.random(), rng.random())),
        _ => None,
    }
}

fn maybe<T: Copy>(rng: &mut StdRng, probability: f64, of: &[T]) -> Option<T> {
    if rng.random_bool(probability) {
        of.choose(rng).copied()
    } else {
        None
    }
}

/// Visits without end, one after the other.
pub struct Visits {
    rng: StdRng,
    visitors: usize,
    from: DateTime<Utc>,
    until: DateTime<Utc>,
}

impl Visits {
    /// Visits of `visitors` (at least one) different people between two moments.
    pub fn new(rng: StdRng, visitors: usize, from: DateTime<Utc>, until: DateTime<Utc>) -> Self {
        Self {
            rng,
            visitors: visitors.max(1),
            from,
            until,
        }
    }

    /// One visit's events, in their order.
    pub fn visit(&mut self) -> Vec<Draft> {
        let rng = &mut self.rng;
        let number = rng.random_range(0..self.visitors);
        let within_ms = (self.until - self.from).num_milliseconds().max(1);
        let start = self.from + TimeDelta::milliseconds(rng.random_range(0..within_ms));
        let mut diary = Diary {
            username: people::name(number),
            user_agent: people::user_agent(number),
            session: id(rng).to_string(),
            now: start,
            until: self.until,
            page: Page::of("/", Choice::default()),
            before: None,
            events: Vec::new(),
        };
        diary.view(rng, Page::of("/hello", Choice::default()));
        let mut cart = Vec::new();
        for _ in 0..rng.random_range(1..=3) {
            let choice = choice(rng);
            let category = Choice {
                category: choice.category,
                ..Choice::default()
            };
            diary.view(rng, Page::of("/", category));
            if choice.style.is_some() {
                diary.click(rng, choice);
            }
            diary.view(rng, Page::of("/", choice));
            if rng.random_bool(0.6) {
                diary.add_to_cart(rng, choice);
                cart.push(choice);
            }
        }
        if !cart.is_empty() && rng.random_bool(0.5) {
            diary.view(rng, Page::of("/cart", Choice::default()));
            diary.buy(rng, &cart);
        }
        diary.events
    }
}

impl Iterator for Visits {
    type Item = Vec<Draft>;

    fn next(&mut self) -> Option<Self::Item> {
        Some(self.visit())
    }
}

/// What happened in a visit so far.
struct Diary {
    username: String,
    user_agent: &'static str,
    session: String,
    now: DateTime<Utc>,
    until: DateTime<Utc>,
    page: Page,
    before: Option<Page>,
    events: Vec<Draft>,
}

#[derive(Debug, Clone)]
struct Page {
    path: &'static str,
    url: String,
}

impl Page {
    fn of(path: &'static str, choice: Choice) -> Self {
        let pairs = choice.pairs();
        let url = match Url::parse_with_params(&format!("{SHOP}{path}"), &pairs) {
            Ok(url) if !pairs.is_empty() => url.to_string(),
            _ => format!("{SHOP}{path}"),
        };
        Self { path, url }
    }
}

impl Diary {
    fn view(&mut self, rng: &mut StdRng, page: Page) {
        self.before = Some(std::mem::replace(&mut self.page, page));
        self.write(rng, EventType::PAGE_VIEW, None, Map::new());
    }

    fn click(&mut self, rng: &mut StdRng, choice: Choice) {
        self.write(rng, EventType::ITEM_CLICK, Some(choice), Map::new());
    }

    fn add_to_cart(&mut self, rng: &mut StdRng, choice: Choice) {
        self.write(rng, EventType::ADD_TO_CART, Some(choice), Map::new());
    }

    fn buy(&mut self, rng: &mut StdRng, cart: &[Choice]) {
        let items: Vec<Value> = cart.iter().map(|choice| json!(choice)).collect();
        let properties = Map::from_iter([("items".to_owned(), Value::Array(items))]);
        self.write(rng, EventType::BUY, None, properties);
    }

    fn write(
        &mut self,
        rng: &mut StdRng,
        event_type: &str,
        choice: Option<Choice>,
        properties: Map<String, Value>,
    ) {
        let pause = TimeDelta::milliseconds(rng.random_range(400..20_000));
        self.now = (self.now + pause).min(self.until);
        self.events.push(Draft {
            event_id: Some(id(rng)),
            client_id: true,
            event_type: event_type.to_owned(),
            username: Some(self.username.clone()),
            session_id: Some(self.session.clone()),
            url: Some(self.page.url.clone()),
            path: Some(self.page.path.to_owned()),
            referrer: self.before.as_ref().map(|page| page.url.clone()),
            user_agent: Some(self.user_agent.to_owned()),
            occurred_at: Some(self.now),
            source: Source::Seed,
            properties,
            choice,
            ..Draft::default()
        });
    }
}

/// A random id that the seed decides.
pub fn id(rng: &mut StdRng) -> Uuid {
    uuid::Builder::from_random_bytes(rng.random()).into_uuid()
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng as _;
    use std::collections::HashSet;

    fn visits(seed: u64) -> Visits {
        let until = DateTime::from_timestamp(1_790_000_000, 0).unwrap();
        let from = until - TimeDelta::hours(24);
        Visits::new(StdRng::seed_from_u64(seed), 100, from, until)
    }

    fn events(seed: u64) -> Vec<Draft> {
        visits(seed).flatten().take(5_000).collect()
    }

    #[test]
    fn the_same_seed_gives_the_same_events_and_another_others() {
        assert_eq!(events(1), events(1));
        assert_ne!(events(1), events(2));
    }

    #[test]
    fn every_event_has_an_id_of_its_own_and_a_time_within_bounds() {
        let events = events(3);
        let ids: HashSet<_> = events.iter().map(|e| e.event_id).collect();
        assert_eq!(ids.len(), events.len());
        let visits = visits(3);
        let times = events.iter().filter_map(|e| e.occurred_at);
        assert!(
            times
                .clone()
                .all(|t| (visits.from..=visits.until).contains(&t))
        );
        assert_eq!(times.count(), events.len());
    }

    #[test]
    fn every_kind_of_event_and_every_open_option_occurs() {
        let events = events(4);
        for kind in [
            EventType::PAGE_VIEW,
            EventType::ITEM_CLICK,
            EventType::ADD_TO_CART,
            EventType::BUY,
        ] {
            assert!(events.iter().any(|e| e.event_type == kind), "{kind}");
        }
        let cart: Vec<Choice> = events
            .iter()
            .filter(|e| e.event_type == EventType::ADD_TO_CART)
            .filter_map(|e| e.choice)
            .collect();
        assert!(cart.iter().any(|c| c.category.is_none()));
        assert!(cart.iter().any(|c| c.gender.is_none()));
        assert!(cart.iter().any(|c| c.style.is_none()));
        assert!(cart.iter().any(|c| c.size.is_none()));
        assert!(cart.iter().any(|c| c.color.is_none()));
        assert!(cart.iter().any(|c| c.pairs().len() == 5));
    }
}
