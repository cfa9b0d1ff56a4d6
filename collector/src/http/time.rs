//! When it happened, as clients write it. A time that is one but cannot be true is the consumer's to
//! judge ([`domain::wire`]): it then takes the server's and keeps the client's beside.

use chrono::{DateTime, Utc};
use serde::de::{Deserializer, Error, Unexpected, Visitor};
use std::fmt;

/// From here on, a number of seconds would lie after the year 5138: it is one of milliseconds.
const MILLISECONDS_FROM: f64 = 1e11;

/// Reads a time of RFC 3339; null, an empty text and a missing key are none. For
/// `#[serde(default, deserialize_with = …)]`.
pub(super) fn strict<'de, D: Deserializer<'de>>(
    json: D,
) -> Result<Option<DateTime<Utc>>, D::Error> {
    json.deserialize_any(Strict)
}

struct Strict;

impl Visitor<'_> for Strict {
    type Value = Option<DateTime<Utc>>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a time of RFC 3339")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
        if text.is_empty() {
            return Ok(None);
        }
        match DateTime::parse_from_rfc3339(text) {
            Ok(time) => Ok(Some(time.to_utc())),
            Err(_) => Err(E::invalid_value(Unexpected::Str(text), &self)),
        }
    }

    fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
        Ok(None)
    }
}

/// A time from a client whose server never looked at it: anything may stand there.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) enum Loose {
    /// Nothing, null or an empty text.
    #[default]
    Missing,
    /// RFC 3339, or seconds or milliseconds since 1970, as number or text.
    Time(DateTime<Utc>),
    /// A text that is no time.
    Unknown(String),
}

impl<'de> serde::Deserialize<'de> for Loose {
    fn deserialize<D: Deserializer<'de>>(json: D) -> Result<Self, D::Error> {
        json.deserialize_any(Anything)
    }
}

struct Anything;

impl Visitor<'_> for Anything {
    type Value = Loose;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a time")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Loose, E> {
        Ok(read(text))
    }

    #[expect(clippy::cast_precision_loss, reason = "as exact as a clock is")]
    fn visit_i64<E: Error>(self, number: i64) -> Result<Loose, E> {
        Ok(since_1970(number as f64)
            .map_or_else(|| Loose::Unknown(number.to_string()), Loose::Time))
    }

    #[expect(clippy::cast_precision_loss, reason = "as exact as a clock is")]
    fn visit_u64<E: Error>(self, number: u64) -> Result<Loose, E> {
        Ok(since_1970(number as f64)
            .map_or_else(|| Loose::Unknown(number.to_string()), Loose::Time))
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<Loose, E> {
        Ok(since_1970(number).map_or_else(|| Loose::Unknown(number.to_string()), Loose::Time))
    }

    fn visit_unit<E: Error>(self) -> Result<Loose, E> {
        Ok(Loose::Missing)
    }
}

/// Reads a time's text.
pub(super) fn read(text: &str) -> Loose {
    if text.is_empty() {
        return Loose::Missing;
    }
    let time = match DateTime::parse_from_rfc3339(text) {
        Ok(time) => Some(time.to_utc()),
        Err(_) => text.parse().ok().and_then(since_1970),
    };
    time.map_or_else(|| Loose::Unknown(text.to_owned()), Loose::Time)
}

/// A number of seconds or milliseconds as a time; none when no calendar has it.
fn since_1970(number: f64) -> Option<DateTime<Utc>> {
    if !number.is_finite() {
        return None;
    }
    let micros = if number.abs() < MILLISECONDS_FROM {
        number * 1e6
    } else {
        number * 1e3
    };
    // Out of range, the cast gives a number that no calendar has.
    #[expect(clippy::cast_possible_truncation, reason = "a part of a microsecond")]
    DateTime::from_timestamp_micros(micros as i64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;
    use serde::Deserialize;

    #[derive(Debug, Deserialize)]
    struct Strictly {
        #[serde(default, deserialize_with = "strict")]
        at: Option<DateTime<Utc>>,
    }

    #[rstest]
    #[case("{}", None)]
    #[case(r#"{"at":null}"#, None)]
    #[case(r#"{"at":""}"#, None)]
    #[case(r#"{"at":"2026-05-01T10:00:00.25+02:00"}"#, Some(1_777_622_400_250))]
    #[case(r#"{"at":"0001-01-01T00:00:00Z"}"#, Some(-62_135_596_800_000))]
    fn a_strict_time_is_one_of_rfc_3339(#[case] json: &str, #[case] ms: Option<i64>) {
        let read: Strictly = serde_json::from_str(json).unwrap();
        assert_eq!(read.at.map(|at| at.timestamp_millis()), ms);
    }

    #[rstest]
    #[case(r#"{"at":"yesterday"}"#)]
    #[case(r#"{"at":1700000000}"#)]
    #[case(r#"{"at":{}}"#)]
    fn what_is_no_strict_time_is_refused_with_the_reason(#[case] json: &str) {
        let error = serde_json::from_str::<Strictly>(json).unwrap_err();
        assert!(error.to_string().contains("RFC 3339"), "{error}");
    }

    #[rstest]
    #[case("null", None)]
    #[case(r#""""#, None)]
    #[case("1700000000", Some(1_700_000_000_000))]
    #[case("1700000000123", Some(1_700_000_000_123))]
    #[case("1700000000.5", Some(1_700_000_000_500))]
    #[case(r#""1700000000123""#, Some(1_700_000_000_123))]
    #[case(r#""2023-11-14T22:13:20Z""#, Some(1_700_000_000_000))]
    fn a_loose_time_may_be_a_number(#[case] json: &str, #[case] ms: Option<i64>) {
        match serde_json::from_str(json).unwrap() {
            Loose::Time(time) => assert_eq!(Some(time.timestamp_millis()), ms),
            Loose::Missing => assert_eq!(None, ms),
            Loose::Unknown(text) => panic!("{text}"),
        }
    }

    #[rstest]
    #[case(r#""yesterday""#, "yesterday")]
    #[case("1e300", "1000000000000000")]
    #[case("18446744073709551615", "18446744073709551615")]
    #[case(r#""NaN""#, "NaN")]
    fn what_is_no_time_is_kept_as_it_came(#[case] json: &str, #[case] kept: &str) {
        match serde_json::from_str(json).unwrap() {
            Loose::Unknown(text) => assert!(text.starts_with(kept), "{text}"),
            other => panic!("{other:?}"),
        }
        assert!(serde_json::from_str::<Loose>("[]").is_err());
    }
}
