//! Which events of a batch can be copied: of several with one id only the first; the others need the statement's
//! judgement, after that one is there.

use crate::ingest::Copied;
use chrono::{DateTime, NaiveDateTime, Utc};
use domain::agent::Agent;
use domain::catalogue::{Category, Gender, Size, Style};
use domain::{Event, EventType, LastSeen};
use std::collections::{BTreeMap, HashSet};
use uuid::Uuid;

type Placed = (LastSeen, Event);

/// A batch's events, divided.
#[derive(Debug)]
pub(crate) struct Plan<'a> {
    /// To be copied, in the order of their ids: consumers that meet in the same ids wait in one direction only, and
    /// neighbours in an index come together.
    pub copied: Vec<&'a Placed>,
    /// Left to the statement.
    pub rest: Vec<&'a Placed>,
}

impl<'a> Plan<'a> {
    /// Divides a batch, given in the order of offsets.
    pub(crate) fn of(events: &'a [Placed]) -> Self {
        let mut ids = HashSet::with_capacity(events.len());
        let (mut copied, rest): (Vec<_>, Vec<_>) = events
            .iter()
            .partition(|(_, event)| ids.insert(event.event_id));
        copied.sort_unstable_by_key(|(_, event)| event.event_id);
        Self { copied, rest }
    }

    /// Leaves the clients' ids that are not among `claimed` to the statement.
    pub(crate) fn keep_claimed(&mut self, claimed: &HashSet<Uuid>) {
        let rest = &mut self.rest;
        self.copied.retain(|placed| {
            let kept = !placed.1.client_id || claimed.contains(&placed.1.event_id);
            if !kept {
                rest.push(placed);
            }
            kept
        });
    }

    /// What the copied events are in `clickstream_data`.
    pub(crate) fn cart(&self) -> Cart<'a> {
        let mut cart = Cart::default();
        for (_, event) in &self.copied {
            cart.add(event);
        }
        cart
    }

    /// What the copied events add to the rollups and to the books, given who sent each of them.
    pub(crate) fn counts(&self, agents: &[Agent]) -> Copied<'a> {
        let mut minutes: BTreeMap<(DateTime<Utc>, &str, bool), (i64, i64)> = BTreeMap::new();
        let mut boots: BTreeMap<Uuid, i64> = BTreeMap::new();
        for ((_, event), agent) in self.copied.iter().zip(agents) {
            let (minute, event_type) = (minute_of(event.occurred_at), event.event_type.as_str());
            let minute = minutes
                .entry((minute, event_type, agent.bot.is_some()))
                .or_default();
            minute.0 += 1;
            minute.1 += i64::from(event.count);
            *boots.entry(event.boot.unwrap_or_default()).or_default() += 1;
        }
        let mut counts = Copied::default();
        for ((minute, event_type, bot), (events, clicks)) in minutes {
            counts.minute.push(minute);
            counts.minute_type.push(event_type);
            counts.minute_bot.push(bot);
            counts.minute_events.push(events);
            counts.minute_clicks.push(clicks);
        }
        (counts.boot, counts.boot_events) = boots.into_iter().unzip();
        counts
    }
}

/// The rows of `clickstream_data` that events have, one array for each column.
#[derive(Debug, Default)]
pub(crate) struct Cart<'a> {
    pub username: Vec<&'a str>,
    /// In UTC, as the column has no time zone.
    pub created: Vec<NaiveDateTime>,
    pub category: Vec<Option<&'static str>>,
    pub gender: Vec<Option<&'static str>>,
    pub style: Vec<Option<&'static str>>,
    pub size: Vec<Option<&'static str>>,
    pub color: Vec<Option<String>>,
    pub event_id: Vec<Uuid>,
}

impl<'a> Cart<'a> {
    /// Adds the row that an event has, if it has one.
    fn add(&mut self, event: &'a Event) {
        let (Some(username), Some(choice)) = (&event.username, &event.choice) else {
            return;
        };
        if event.event_type.as_str() != EventType::ADD_TO_CART {
            return;
        }
        self.username.push(username);
        self.created.push(event.received_at.naive_utc());
        self.category.push(choice.category.map(Category::label));
        self.gender.push(choice.gender.map(Gender::label));
        self.style.push(choice.style.map(Style::label));
        self.size.push(choice.size.map(Size::label));
        self.color.push(choice.color.map(|color| color.to_string()));
        self.event_id.push(event.event_id);
    }
}

/// The beginning of its minute.
fn minute_of(time: DateTime<Utc>) -> DateTime<Utc> {
    let seconds = time.timestamp();
    DateTime::from_timestamp(seconds - seconds.rem_euclid(60), 0).unwrap_or(time)
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::Source;
    use domain::agent::Bot;

    fn event(offset: i64, id: u128, client_id: bool) -> Placed {
        let at = DateTime::from_timestamp_micros(1_790_000_099_999_999).unwrap_or_default();
        let event = Event {
            event_id: Uuid::from_u128(id),
            client_id,
            event_type: EventType::parse("page_view").unwrap(),
            username: None,
            session_id: None,
            url: None,
            path: None,
            referrer: None,
            user_agent: None,
            ip: None,
            occurred_at: at,
            received_at: at,
            source: Source::Shop,
            count: 2,
            boot: None,
            properties: serde_json::Map::new(),
            choice: None,
        };
        (LastSeen(offset), event)
    }

    fn offsets(events: &[&Placed]) -> Vec<i64> {
        events.iter().map(|(offset, _)| offset.0).collect()
    }

    #[test]
    fn of_each_id_the_first_is_copied_in_the_order_of_ids() {
        let events = [
            event(0, 5, true),
            event(1, 3, false),
            event(2, 5, true),
            event(3, 3, false),
            event(4, 1, true),
        ];
        let mut plan = Plan::of(&events);
        assert_eq!(
            (offsets(&plan.copied), offsets(&plan.rest)),
            (vec![4, 1, 0], vec![2, 3])
        );
        // Of the clients' ids only one was free.
        plan.keep_claimed(&[Uuid::from_u128(5)].into());
        assert_eq!(
            (offsets(&plan.copied), offsets(&plan.rest)),
            (vec![1, 0], vec![2, 3, 4])
        );
    }

    #[test]
    fn what_is_copied_is_counted_by_minute_type_and_boot() {
        let mut events = [
            event(0, 1, false),
            event(1, 2, false),
            event(2, 3, false),
            event(3, 3, false),
        ];
        events[1].1.occurred_at += chrono::TimeDelta::microseconds(1);
        events[2].1.boot = Some(Uuid::from_u128(7));
        let people = [Agent::default(); 3];
        let counts = Plan::of(&events).counts(&people);
        let minutes: Vec<_> = counts.minute.iter().map(DateTime::timestamp).collect();
        assert_eq!(minutes, [1_790_000_040, 1_790_000_100]);
        assert_eq!(
            (counts.minute_events, counts.minute_clicks),
            (vec![2, 1], vec![4, 2])
        );
        assert_eq!(
            (counts.boot, counts.boot_events),
            (vec![Uuid::nil(), Uuid::from_u128(7)], vec![2, 1])
        );
    }

    #[test]
    fn programs_are_counted_apart_from_people() {
        let events = [event(0, 1, false), event(1, 2, false), event(2, 3, false)];
        let program = Agent {
            bot: Some(Bot::Crawler),
            ..Agent::default()
        };
        let counts = Plan::of(&events).counts(&[Agent::default(), program, program]);
        assert_eq!(counts.minute_bot, [false, true]);
        assert_eq!(counts.minute_events, [1, 2]);
        assert_eq!(counts.boot_events, [3], "the books count both");
    }

    #[test]
    fn a_minute_begins_before_its_time_also_long_ago() {
        let minute = |seconds| {
            let time = DateTime::from_timestamp(seconds, 999_999_000).unwrap_or_default();
            minute_of(time).timestamp()
        };
        assert_eq!(
            [minute(59), minute(60), minute(-1), minute(-60)],
            [0, 60, -60, -60]
        );
    }
}
