use super::*;
use crate::catalogue::{Category, Color, Gender, Size, Style};
use proptest::prelude::*;
use rstest::rstest;

const RECORD_TIME_MS: i64 = 1_790_000_000_000;

fn record(value: &[u8]) -> RecordIdentity<'_> {
    RecordIdentity {
        topic: "clickstream",
        partition: 2,
        offset: 40,
        record_time_ms: RECORD_TIME_MS,
        value,
    }
}

fn decode_text(json: &str) -> Result<Event, Reject> {
    decode(&record(json.as_bytes()))
}

#[test]
fn a_message_of_the_six_keys_is_an_add_to_cart() {
    let json = r##"{"username":"Ann","category":"shirt","gender":null,"style":"Polo shirt","size":"L","color":"#12ab34"}"##;
    let event = decode_text(json).unwrap();
    assert_eq!(event.event_type.as_str(), "add_to_cart");
    assert_eq!(event.source, Source::Direct);
    assert_eq!(event.username.as_deref(), Some("Ann"));
    assert_eq!(event.received_at.timestamp_millis(), RECORD_TIME_MS);
    let choice = event.choice.unwrap();
    assert_eq!(choice.category, Some(Category::Shirt));
    assert_eq!(choice.gender, None);
    assert_eq!(choice.color, Some(Color::rgb(0x12, 0xAB, 0x34)));
    assert!(!event.client_id);
    assert_eq!(event.event_id, ids::from_record(&record(json.as_bytes())));
}

#[test]
fn our_own_message_is_understood_by_a_reader_of_the_six_keys() {
    let mut event = decode_text(r#"{"username":"Ann"}"#).unwrap();
    event.choice = Some(Choice {
        style: Some(Style::Chinos),
        category: Some(Category::Trousers),
        ..Choice::default()
    });
    let json: Value = serde_json::from_slice(&encode(&event)).unwrap();
    assert_eq!(json["username"], "Ann");
    assert_eq!(json["category"], "trousers");
    assert_eq!(json["style"], "Chinos");
    for open in ["gender", "size", "color"] {
        assert!(json.as_object().unwrap().contains_key(open));
        assert!(json[open].is_null());
    }
}

#[test]
fn an_event_is_written_in_one_way() {
    let json = r#"{"boot":"00000000-0000-0000-0000-000000000001","category":"shirt","client_id":true,"color":null,"count":2,"event_id":"00000000-0000-0000-0000-000000000002","gender":null,"ip":"10.0.0.1","occurred_at":"2026-09-20T10:00:00.000001Z","path":"/a","properties":{"a \"b\"":[1,2.5]},"received_at":"2026-09-21T14:13:20.000000Z","referrer":"r","session_id":"s","size":"XL","source":"shop","style":"Polo shirt","type":"buy","url":"u\n","user_agent":"w","username":null}"#;
    let event = decode_text(json).unwrap();
    assert_eq!(String::from_utf8(encode(&event)).unwrap(), json);
}

#[test]
fn unknown_keys_are_kept_and_never_replace_a_property() {
    let event =
        decode_text(r#"{"type":"click","new_key":[1],"a":"outer","properties":{"a":"inner"}}"#)
            .unwrap();
    assert_eq!(event.properties["new_key"], serde_json::json!([1]));
    assert_eq!(event.properties["a"], "inner");
    assert_eq!(event.choice, None);
}

#[rstest]
#[case("", "empty")]
#[case("nonsense", "not_json")]
#[case("[1]", "not_json")]
#[case("{}", "field")]
#[case(r#"{"username":"Ann","unknown":1}"#, "field")]
#[case(r#"{"username":null,"category":"shirt"}"#, "field")]
#[case(r#"{"username":"","category":"shirt"}"#, "field")]
#[case(r#"{"username":"a\u0000b"}"#, "field")]
#[case(r#"{"username":"\ud800"}"#, "not_json")]
#[case(r#"{"username":5}"#, "field")]
#[case(r#"{"username":"Ann","size":"XXL"}"#, "field")]
#[case(r#"{"type":"click","count":0}"#, "field")]
#[case(r#"{"type":"click","count":1.5}"#, "field")]
#[case(r#"{"type":"click","count":2147483648}"#, "field")]
#[case(r#"{"type":"click","occurred_at":"yesterday"}"#, "field")]
#[case(r#"{"type":"click","event_id":"7"}"#, "field")]
#[case(r#"{"type":"click","properties":[]}"#, "field")]
#[case(r#"{"type":"click","properties":{"a":["b\u0000"]}}"#, "field")]
#[case(r#"{"type":"click","properties":{"n":NaN}}"#, "not_json")]
#[case(r#"{"type":"","username":"Ann"}"#, "field")]
#[case(r#"{"type":"click"} trailing"#, "not_json")]
fn a_bad_message_is_rejected_with_its_reason(#[case] json: &str, #[case] code: &str) {
    assert_eq!(decode_text(json).unwrap_err().code(), code);
}

#[test]
fn bytes_that_are_no_text_deep_nesting_and_large_messages_are_rejected() {
    assert_eq!(
        decode(&record(b"{\"type\":\"\xff\"}")).unwrap_err().code(),
        "not_json"
    );
    let deep = format!("{{\"type\":\"x\",\"properties\":{}", "[".repeat(100_000));
    assert_eq!(decode_text(&deep).unwrap_err().code(), "not_json");
    let large = format!("{{\"type\":\"{}\"}}", "x".repeat(MESSAGE_MAX_BYTES));
    assert_eq!(decode_text(&large).unwrap_err().code(), "too_large");
}

#[test]
fn a_username_may_be_longer_outside_the_cart() {
    let name = "x".repeat(33);
    assert!(decode_text(&format!(r#"{{"type":"click","username":"{name}"}}"#)).is_ok());
    assert!(decode_text(&format!(r#"{{"type":"add_to_cart","username":"{name}"}}"#)).is_err());
    assert!(decode_text(&format!(r#"{{"username":"{name}"}}"#)).is_err());
}

#[test]
fn times_that_cannot_be_true_become_the_servers_and_the_original_is_kept() {
    let event = decode_text(
        r#"{"type":"click","received_at":"1999-01-01T00:00:00Z","occurred_at":"9999-12-31T23:59:59Z"}"#,
    )
    .unwrap();
    assert_eq!(event.received_at.timestamp_millis(), RECORD_TIME_MS);
    assert_eq!(event.occurred_at, event.received_at);
    assert_eq!(
        event.properties["occurred_at"],
        "9999-12-31T23:59:59.000000Z"
    );
}

#[rstest]
#[case::believed("2026-09-21T14:13:19Z", ID, false)]
#[case::just_believed("2026-09-21T15:13:20Z", ID, false)]
#[case::a_clock_ahead("2026-09-21T15:13:26Z", ID, true)]
#[case::a_clock_behind("2026-08-22T14:13:19Z", ID, true)]
#[case::no_id_of_its_own("2027-01-01T00:00:00Z", "null", false)]
fn copies_of_a_message_whose_time_is_not_believed_are_known_by_its_id(
    #[case] received_at: &str,
    #[case] id: &str,
    #[case] known_by_id: bool,
) {
    let json = format!(
        r#"{{"type":"click","client_id":false,"event_id":{id},"received_at":"{received_at}"}}"#
    );
    let copy = |offset, record_time_ms| RecordIdentity {
        offset,
        record_time_ms,
        ..record(json.as_bytes())
    };
    let first = decode(&copy(40, RECORD_TIME_MS)).unwrap();
    let second = decode(&copy(41, RECORD_TIME_MS + 5000)).unwrap();
    assert_eq!(first.client_id, known_by_id);
    // What is not known by its id must have the same id and time each time, or be two events.
    let same = (first.event_id, first.received_at) == (second.event_id, second.received_at);
    assert_eq!(same || second.client_id, id != "null");
}

const ID: &str = r#""00000000-0000-0000-0000-000000000002""#;

fn option_of<T: Copy + std::fmt::Debug + 'static>(
    all: &'static [T],
) -> impl Strategy<Value = Option<T>> {
    proptest::option::of(proptest::sample::select(all))
}

prop_compose! {
    fn any_choice()(
        category in option_of(Category::ALL),
        gender in option_of(Gender::ALL),
        style in option_of(Style::ALL),
        size in option_of(Size::ALL),
        color in proptest::option::of(any::<[u8; 3]>()),
    ) -> Choice {
        let color = color.map(|[r, g, b]| Color::rgb(r, g, b));
        Choice { category, gender, style, size, color }
    }
}

prop_compose! {
    fn any_event()(
        id in any::<u128>(),
        client_id in any::<bool>(),
        event_type in "[a-z_]{1,20}",
        texts in proptest::collection::vec(proptest::option::of("[^\0]{1,32}"), 4),
        occurred_ms in 0..86_400_000i64,
        received_us in 0..3_600_000_000i64,
        count in 1..i32::MAX,
        boot in proptest::option::of(any::<u128>()),
        properties in proptest::collection::hash_map("p_[^\0]{0,10}", "[^\0]{0,20}", 0..4),
        choice in proptest::option::of(any_choice()),
        source in proptest::sample::select(Source::ALL),
    ) -> Event {
        let record_time = DateTime::from_timestamp_millis(RECORD_TIME_MS).unwrap();
        let mut event_type = EventType::parse(&event_type).unwrap();
        if choice.is_some() {
            event_type = EventType::parse("add_to_cart").unwrap();
        } else if event_type.as_str() == "add_to_cart" {
            event_type = EventType::parse("other").unwrap();
        }
        Event {
            event_id: Uuid::from_u128(id),
            client_id,
            event_type,
            username: texts[0].clone(),
            session_id: texts[1].clone(),
            url: texts[2].clone(),
            path: texts[3].clone(),
            referrer: texts[0].clone(),
            user_agent: texts[1].clone(),
            ip: texts[2].clone(),
            occurred_at: record_time - TimeDelta::milliseconds(occurred_ms),
            received_at: record_time - TimeDelta::microseconds(received_us),
            source,
            count,
            boot: boot.map(Uuid::from_u128),
            properties: properties.into_iter().map(|(k, v)| (k, v.into())).collect(),
            choice,
        }
    }
}

proptest! {
    #[test]
    fn what_is_written_is_read_back_the_same(event in any_event()) {
        let json = encode(&event);
        prop_assert_eq!(decode(&record(&json)), Ok(event));
    }

    #[test]
    fn no_bytes_make_the_reader_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        let _ = decode(&record(&bytes));
    }
}
