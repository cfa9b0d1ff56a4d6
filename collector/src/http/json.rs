//! JSON as these contracts mean it: UTF-8, and an event is an object with keys.

use serde::de::value::MapAccessDeserializer;
use serde::de::{Error as _, MapAccess, Unexpected, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::Error;
use std::fmt;
use std::marker::PhantomData;

/// Reads an object; what it holds may be borrowed from the text.
///
/// The reader alone would pass over bytes that are no UTF-8 where nobody looks, and take an array's items for
/// the fields' values, in the order in which our source happens to name them.
pub(super) fn object<'a, T: Deserialize<'a>>(json: &'a [u8]) -> Result<T, Error> {
    let text = std::str::from_utf8(json).map_err(|_| Error::custom("is not UTF-8"))?;
    object_of(text)
}

/// The same of a text.
pub(super) fn object_of<'a, T: Deserialize<'a>>(json: &'a str) -> Result<T, Error> {
    if json.trim_ascii_start().starts_with('[') {
        return Err(Error::invalid_type(Unexpected::Seq, &"an object"));
    }
    serde_json::from_str(json)
}

/// What was read from an object, and from no array: see [`object`].
pub(super) struct Object<T>(pub T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Keys(PhantomData))
    }
}

struct Keys<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for Keys<T> {
    type Value = Object<T>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
        T::deserialize(MapAccessDeserializer::new(map)).map(Object)
    }
}
