//! A message as it came: read in one pass, its texts not copied, and not judged yet.
//!
//! The whole message is read before anything is judged: what is no JSON is told apart from JSON with a
//! field that is wrong. Of a key that comes twice, the last one counts.

use crate::event::field;
use crate::reject::Reject;
use serde::de::{self, Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};
use std::borrow::Cow;
use std::fmt;

/// The keys whose values are texts, named as they are on the wire.
macro_rules! texts {
    ($($key:ident $name:literal),* $(,)?) => {
        /// A key whose value is a text.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(super) enum Key { $(#[doc = concat!("`", $name, "`")] $key),* }

        impl Key {
            const COUNT: usize = [$($name),*].len();

            /// The name on the wire.
            const fn name(self) -> &'static str {
                match self { $(Self::$key => $name),* }
            }

            fn from_name(name: &str) -> Option<Self> {
                match name { $($name => Some(Self::$key),)* _ => None }
            }
        }
    };
}

texts! {
    EventId "event_id", Type "type", Username "username", SessionId "session_id", Url "url", Path "path",
    Referrer "referrer", UserAgent "user_agent", Ip "ip", OccurredAt "occurred_at", ReceivedAt "received_at",
    Source "source", Boot "boot", Category "category", Gender "gender", Style "style", Size "size",
    Color "color",
}

/// What stands where a text is expected.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
enum Text<'a> {
    /// The key did not come.
    #[default]
    Missing,
    /// JSON null, which means "not given", too.
    Null,
    /// A text; copied only when it was written with escapes.
    Given(Cow<'a, str>),
    /// Anything else.
    Other,
}

/// One message.
#[derive(Debug, Default)]
pub(super) struct Message<'a> {
    texts: [Text<'a>; Key::COUNT],
    /// The value of `client_id`.
    pub client_id: Option<Value>,
    /// The value of `count`.
    pub count: Option<Value>,
    /// The value of `properties`.
    pub properties: Option<Value>,
    /// Every key that has no name here.
    pub others: Map<String, Value>,
}

impl<'a> Message<'a> {
    /// Reads a JSON object.
    pub(super) fn read(value: &'a [u8]) -> Result<Self, Reject> {
        serde_json::from_slice(value).map_err(|error| Reject::NotJson(error.to_string()))
    }

    /// Takes a text out; a missing key and null both mean "not given".
    pub(super) fn text(&mut self, key: Key) -> Result<Option<Cow<'a, str>>, Reject> {
        match std::mem::take(&mut self.texts[key as usize]) {
            Text::Missing | Text::Null => Ok(None),
            Text::Given(text) => Ok(Some(text)),
            Text::Other => Err(field(key.name(), "is not a text")),
        }
    }

    /// Takes a text out and reads it; `problem` says what it is not, when it is not.
    pub(super) fn read_text<T, E>(
        &mut self,
        key: Key,
        read: impl FnOnce(&str) -> Result<T, E>,
        problem: impl FnOnce(E) -> String,
    ) -> Result<Option<T>, Reject> {
        match self.text(key)? {
            None => Ok(None),
            Some(text) => match read(&text) {
                Ok(value) => Ok(Some(value)),
                Err(error) => Err(field(key.name(), problem(error))),
            },
        }
    }

    /// Whether the key came, be it as null. Ask before the text is taken out.
    pub(super) fn has(&self, key: Key) -> bool {
        self.texts[key as usize] != Text::Missing
    }

    /// Whether no key came but these texts.
    pub(super) fn has_only(&self, keys: &[Key]) -> bool {
        let came = self.texts.iter().filter(|text| **text != Text::Missing);
        self.others.is_empty()
            && self.client_id.is_none()
            && self.count.is_none()
            && self.properties.is_none()
            && came.count() == keys.iter().filter(|key| self.has(**key)).count()
    }
}

impl<'de> Deserialize<'de> for Message<'de> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Keys;

        impl<'de> Visitor<'de> for Keys {
            type Value = Message<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Message<'de>, A::Error> {
                let mut message = Message::default();
                while let Some(Name(name)) = map.next_key()? {
                    if let Some(key) = Key::from_name(&name) {
                        message.texts[key as usize] = map.next_value()?;
                        continue;
                    }
                    match &*name {
                        "client_id" => message.client_id = Some(map.next_value()?),
                        "count" => message.count = Some(map.next_value()?),
                        "properties" => message.properties = Some(map.next_value()?),
                        _ => {
                            message.others.insert(name.into_owned(), map.next_value()?);
                        }
                    }
                }
                Ok(message)
            }
        }

        from.deserialize_map(Keys)
    }
}

/// A key, copied only when it was written with escapes.
struct Name<'a>(Cow<'a, str>);

impl<'de> Deserialize<'de> for Name<'de> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        match Text::deserialize(from)? {
            Text::Given(name) => Ok(Self(name)),
            _ => Err(de::Error::custom("a key is not a text")),
        }
    }
}

impl<'de> Deserialize<'de> for Text<'de> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Any;

        /// What is no text is still read as strictly as everything else, then forgotten.
        impl<'de> Visitor<'de> for Any {
            type Value = Text<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("any value")
            }

            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Text<'de>, E> {
                Ok(Text::Given(Cow::Borrowed(text)))
            }

            fn visit_str<E>(self, text: &str) -> Result<Text<'de>, E> {
                Ok(Text::Given(Cow::Owned(text.to_owned())))
            }

            fn visit_unit<E>(self) -> Result<Text<'de>, E> {
                Ok(Text::Null)
            }

            fn visit_bool<E>(self, _: bool) -> Result<Text<'de>, E> {
                Ok(Text::Other)
            }

            fn visit_i64<E>(self, _: i64) -> Result<Text<'de>, E> {
                Ok(Text::Other)
            }

            fn visit_u64<E>(self, _: u64) -> Result<Text<'de>, E> {
                Ok(Text::Other)
            }

            fn visit_f64<E>(self, _: f64) -> Result<Text<'de>, E> {
                Ok(Text::Other)
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Text<'de>, A::Error> {
                while seq.next_element::<Value>()?.is_some() {}
                Ok(Text::Other)
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Text<'de>, A::Error> {
                while map.next_entry::<String, Value>()?.is_some() {}
                Ok(Text::Other)
            }
        }

        from.deserialize_any(Any)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> Result<Message<'_>, Reject> {
        Message::read(json.as_bytes())
    }

    #[test]
    fn a_text_is_borrowed_unless_it_has_escapes() {
        let mut message = read(r#"{"username":"Ann","path":"\u002f","url":null}"#).unwrap();
        assert!(message.has(Key::Url) && !message.has(Key::Ip));
        let name = message.text(Key::Username).unwrap().unwrap();
        assert!(matches!(name, Cow::Borrowed("Ann")));
        assert_eq!(message.text(Key::Path).unwrap().as_deref(), Some("/"));
        assert_eq!(message.text(Key::Url), Ok(None));
    }

    #[test]
    fn what_is_no_text_is_read_to_its_end_and_named() {
        for other in ["5", "-5", "1.5", "true", "[1,[2]]", r#"{"a":{"b":1}}"#] {
            let json = format!(r#"{{"ip":{other},"type":"x"}}"#);
            let mut message = read(&json).unwrap();
            let refused = message.text(Key::Ip).unwrap_err().to_string();
            assert_eq!(refused, "ip: is not a text");
            assert_eq!(message.text(Key::Type).unwrap().as_deref(), Some("x"));
        }
    }

    #[test]
    fn what_is_no_json_is_found_wherever_it_stands() {
        for broken in [
            r#"{"ip":["\ud800"]}"#,
            r#"{"ip":{"a":1e999}}"#,
            r#"{"other":"\ud800"}"#,
            r#"{"ip":5}x"#,
            r"{5:1}",
            "[]",
        ] {
            assert_eq!(read(broken).unwrap_err().code(), "not_json", "{broken}");
        }
        let deep = format!(r#"{{"ip":{}"#, "[".repeat(100_000));
        assert_eq!(read(&deep).unwrap_err().code(), "not_json");
    }

    #[test]
    fn the_last_of_two_equal_keys_counts() {
        let mut message = read(r#"{"ip":5,"ip":"::1","x":1,"x":2}"#).unwrap();
        assert_eq!(message.text(Key::Ip).unwrap().as_deref(), Some("::1"));
        assert_eq!(message.others["x"], 2);
    }

    #[test]
    fn keys_beside_the_expected_ones_are_noticed() {
        let six = [Key::Username, Key::Size];
        assert!(read(r#"{"username":"Ann"}"#).unwrap().has_only(&six));
        for more in [
            r#""type":null"#,
            r#""count":null"#,
            r#""client_id":null"#,
            r#""properties":{}"#,
            r#""x":1"#,
        ] {
            let json = format!(r#"{{"username":"Ann",{more}}}"#);
            assert!(!read(&json).unwrap().has_only(&six), "{more}");
        }
    }

    #[test]
    fn every_name_leads_back_to_its_key() {
        for key in [Key::EventId, Key::Type, Key::Boot, Key::Color] {
            assert_eq!(Key::from_name(key.name()), Some(key));
        }
        assert_eq!(Key::from_name("count"), None);
    }
}
