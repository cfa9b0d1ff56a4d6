//! A draft becomes an event that every later part can take without asking again: it passes
//! [`Event::check`], its message is small enough, and the consumer reads it back as it was.

use crate::draft::Draft;
use chrono::{DateTime, Datelike, SubsecRound, Utc};
use domain::report::COLLECTOR_REPORT;
use domain::wire::{self, MESSAGE_MAX_BYTES};
use domain::{Choice, Event, EventType, Reject};
use serde_json::Value;
use std::net::IpAddr;
use uuid::Uuid;

/// The deepest nesting of `properties`: a reader of JSON gives up at 128 levels, and the message itself
/// adds some.
const PROPERTIES_MAX_DEPTH: usize = 100;

/// What only the collector knows about an event.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Stamp {
    /// The collector's clock; cut to whole microseconds, which is what Postgres keeps.
    pub received_at: DateTime<Utc>,
    /// This run of this collector.
    pub boot: Uuid,
    /// The id for a draft that brought none.
    pub fresh_id: Uuid,
    /// Whether only the network of a visitor's address is kept.
    pub truncate_ip: bool,
}

/// An event and its message.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Enriched {
    pub event: Event,
    pub json: String,
}

/// Makes the event and its message, or says which rule the draft breaks.
pub(crate) fn enrich(draft: Draft, stamp: Stamp) -> Result<Enriched, Reject> {
    let received_at = stamp.received_at.trunc_subsecs(6);
    let event_type = EventType::parse(&draft.event_type)?;
    if event_type.as_str() == COLLECTOR_REPORT {
        return Err(Reject::Field {
            field: "type",
            problem: "is what collectors call their own reports".to_owned(),
        });
    }
    let mut properties = draft.properties;
    if properties
        .values()
        .any(|value| deeper_than(value, PROPERTIES_MAX_DEPTH))
    {
        return Err(Reject::Field {
            field: "properties",
            problem: format!("is nested more than {PROPERTIES_MAX_DEPTH} levels deep"),
        });
    }
    let occurred_at = match draft.occurred_at.map(|time| time.trunc_subsecs(6)) {
        // RFC 3339 has four digits for the year. Other times that cannot be true are the reader's to judge.
        Some(time) if !(0..=9999).contains(&time.year()) => {
            properties
                .entry("occurred_at")
                .or_insert_with(|| wire::time_text(time).into());
            received_at
        }
        given => given.unwrap_or(received_at),
    };
    let choice = match draft.choice {
        None if event_type.as_str() == EventType::ADD_TO_CART => Some(Choice::default()),
        given => given,
    };
    let event = Event {
        client_id: draft.client_id && draft.event_id.is_some(),
        event_id: draft.event_id.unwrap_or(stamp.fresh_id),
        event_type,
        username: draft.username,
        session_id: draft.session_id,
        url: draft.url,
        path: draft.path,
        referrer: draft.referrer,
        user_agent: draft.user_agent,
        ip: match draft.ip {
            Some(ip) if stamp.truncate_ip => network(&ip),
            given => given,
        },
        occurred_at,
        received_at,
        source: draft.source,
        count: draft.count,
        boot: Some(stamp.boot),
        properties,
        choice,
    };
    event.check()?;
    let json = wire::encode(&event);
    if json.len() > MESSAGE_MAX_BYTES {
        return Err(Reject::TooLarge {
            bytes: json.len(),
            max: MESSAGE_MAX_BYTES,
        });
    }
    let json = String::from_utf8(json).map_err(|e| Reject::NotJson(e.to_string()))?;
    Ok(Enriched { event, json })
}

/// The network of an address: 24 bits of IPv4, 48 of IPv6. What is no address may be anything, and has none.
fn network(address: &str) -> Option<String> {
    let network = match address.trim().parse::<IpAddr>().ok()?.to_canonical() {
        IpAddr::V4(address) => {
            let [a, b, c, _] = address.octets();
            IpAddr::from([a, b, c, 0])
        }
        IpAddr::V6(address) => {
            let [a, b, c, ..] = address.segments();
            IpAddr::from([a, b, c, 0, 0, 0, 0, 0])
        }
    };
    Some(network.to_string())
}

/// Whether arrays and objects are nested more than `levels` deep.
fn deeper_than(value: &Value, levels: usize) -> bool {
    let Some(inside) = levels.checked_sub(1) else {
        return value.is_array() || value.is_object();
    };
    match value {
        Value::Array(items) => items.iter().any(|item| deeper_than(item, inside)),
        Value::Object(map) => map.values().any(|item| deeper_than(item, inside)),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::TimeDelta;
    use domain::catalogue::{Category, Size};
    use domain::ids::RecordIdentity;
    use proptest::prelude::*;
    use rstest::rstest;
    use serde_json::json;

    fn stamp() -> Stamp {
        Stamp {
            received_at: DateTime::from_timestamp(1_790_000_000, 123_456_789).unwrap(),
            boot: Uuid::from_u128(1),
            fresh_id: Uuid::from_u128(2),
            truncate_ip: false,
        }
    }

    fn draft(event_type: &str) -> Draft {
        Draft {
            event_type: event_type.into(),
            ..Draft::default()
        }
    }

    fn read_back(enriched: &Enriched) -> Event {
        wire::decode(&RecordIdentity {
            topic: "clickstream",
            partition: 0,
            offset: 0,
            record_time_ms: stamp().received_at.timestamp_millis() + 1,
            value: enriched.json.as_bytes(),
        })
        .unwrap()
    }

    #[test]
    fn a_draft_that_says_little_gets_the_rest_from_the_collector() {
        let enriched = enrich(draft("page_view"), stamp()).unwrap();
        let event = &enriched.event;
        assert_eq!(event.event_id, Uuid::from_u128(2));
        assert!(!event.client_id);
        assert_eq!(event.boot, Some(Uuid::from_u128(1)));
        assert_eq!(event.received_at.timestamp_subsec_nanos(), 123_456_000);
        assert_eq!(event.occurred_at, event.received_at);
        assert_eq!(&read_back(&enriched), event);
    }

    #[test]
    fn only_an_id_that_was_given_is_a_clients_id() {
        let minted = Draft {
            client_id: true,
            ..draft("click")
        };
        assert!(!enrich(minted, stamp()).unwrap().event.client_id);
        let given = Draft {
            client_id: true,
            event_id: Some(Uuid::from_u128(9)),
            ..draft("click")
        };
        let event = enrich(given, stamp()).unwrap().event;
        assert!(event.client_id);
        assert_eq!(event.event_id, Uuid::from_u128(9));
    }

    #[test]
    fn a_cart_click_without_a_choice_has_every_option_open() {
        let enriched = enrich(draft("add_to_cart"), stamp()).unwrap();
        assert_eq!(enriched.event.choice, Some(Choice::default()));
        assert_eq!(read_back(&enriched), enriched.event);
    }

    #[rstest]
    #[case("203.0.113.77", Some("203.0.113.0"))]
    #[case("2001:db8:1:2:3:4:5:6", Some("2001:db8:1::"))]
    #[case("::ffff:203.0.113.77", Some("203.0.113.0"))]
    #[case("Ann's telephone", None)]
    fn of_an_address_only_the_network_is_kept_where_that_is_wanted(
        #[case] ip: &str,
        #[case] kept: Option<&str>,
    ) {
        let of = |stamp| {
            let draft = Draft {
                ip: Some(ip.into()),
                ..draft("click")
            };
            enrich(draft, stamp).unwrap().event.ip
        };
        assert_eq!(of(stamp()).as_deref(), Some(ip));
        let truncating = Stamp {
            truncate_ip: true,
            ..stamp()
        };
        assert_eq!(of(truncating).as_deref(), kept);
    }

    #[rstest]
    #[case(draft(""), "type")]
    #[case(draft(&"x".repeat(65)), "type")]
    #[case(draft("collector_report"), "type")]
    #[case(Draft { username: Some("a\0b".into()), ..draft("click") }, "username")]
    #[case(Draft { username: Some("x".repeat(33)), ..draft("add_to_cart") }, "username")]
    #[case(Draft { count: 0, ..draft("click") }, "count")]
    fn what_breaks_a_rule_is_refused_with_the_fields_name(
        #[case] broken: Draft,
        #[case] at_fault: &str,
    ) {
        match enrich(broken, stamp()) {
            Err(Reject::Field { field, .. }) => assert_eq!(field, at_fault),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn properties_may_be_neither_too_deep_nor_too_large() {
        let nested = |levels: usize| {
            let inner = (1..levels).fold(json!([]), |inside, _| json!([inside]));
            Draft {
                properties: [("p".to_owned(), inner)].into_iter().collect(),
                ..draft("click")
            }
        };
        let deepest = enrich(nested(PROPERTIES_MAX_DEPTH), stamp()).unwrap();
        assert_eq!(read_back(&deepest), deepest.event);
        let refused = enrich(nested(PROPERTIES_MAX_DEPTH + 1), stamp()).unwrap_err();
        assert_eq!(refused.code(), "field");
        let large = Draft {
            properties: [("p".to_owned(), json!("x".repeat(MESSAGE_MAX_BYTES)))]
                .into_iter()
                .collect(),
            ..draft("click")
        };
        assert_eq!(enrich(large, stamp()).unwrap_err().code(), "too_large");
    }

    #[test]
    fn a_year_that_cannot_be_written_gives_way_and_is_kept_beside() {
        let far = Draft {
            occurred_at: Some(DateTime::<Utc>::MAX_UTC),
            ..draft("click")
        };
        let enriched = enrich(far, stamp()).unwrap();
        assert_eq!(enriched.event.occurred_at, enriched.event.received_at);
        assert!(enriched.event.properties.contains_key("occurred_at"));
        assert_eq!(read_back(&enriched), enriched.event);
    }

    proptest! {
        #[test]
        fn the_consumer_reads_back_what_the_collector_accepted(
            event_type in "\\PC{1,20}",
            texts in proptest::collection::vec(proptest::option::of(any::<String>()), 7),
            before_ms in proptest::option::of(0..31_536_000_000i64),
            count in any::<i32>(),
            given_id in proptest::option::of(any::<u128>()),
            with_choice in any::<bool>(),
            property in any::<String>(),
        ) {
            let stamp = stamp();
            let choice = Choice { category: Some(Category::Shirt), size: Some(Size::M), ..Choice::default() };
            let draft = Draft {
                event_id: given_id.map(Uuid::from_u128),
                client_id: true,
                event_type,
                username: texts[0].clone(),
                session_id: texts[1].clone(),
                url: texts[2].clone(),
                path: texts[3].clone(),
                referrer: texts[4].clone(),
                user_agent: texts[5].clone(),
                ip: texts[6].clone(),
                occurred_at: before_ms.map(|ms| stamp.received_at - TimeDelta::milliseconds(ms)),
                count,
                properties: [(property.clone(), property.into())].into_iter().collect(),
                choice: with_choice.then_some(choice),
                ..Draft::default()
            };
            if let Ok(enriched) = enrich(draft, stamp) {
                prop_assert_eq!(read_back(&enriched), enriched.event);
            }
        }
    }
}
