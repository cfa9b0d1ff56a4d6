//! JSON as these contracts mean it: UTF-8, and an event is an object with keys.

use serde::Deserialize;
use serde::de::{Error as _, Unexpected};
use serde_json::Error;

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
