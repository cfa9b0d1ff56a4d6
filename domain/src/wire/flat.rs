//! A flat JSON object, written key by key. A general writer looks at every byte for what must be escaped, which was a
//! seventh of the collector's work: most bytes of an event are keys, ids and times, where nothing ever must.

use serde::Serialize;
use uuid::Uuid;

/// An object that is being written.
pub(super) struct Flat(Vec<u8>);

impl Flat {
    /// An empty object, with room for so many bytes.
    pub fn with_capacity(bytes: usize) -> Self {
        Self(Vec::with_capacity(bytes))
    }

    /// Writes a value that needs no quotes: a number, a truth value, `null`. A key holds nothing that JSON escapes.
    pub fn bare(&mut self, key: &'static str, value: &str) {
        self.key(key);
        self.0.extend_from_slice(value.as_bytes());
    }

    /// Writes a text that holds nothing that JSON escapes.
    pub fn plain(&mut self, key: &'static str, text: &str) {
        self.key(key);
        self.0.push(b'"');
        self.0.extend_from_slice(text.as_bytes());
        self.0.push(b'"');
    }

    /// Writes an id in its usual form.
    pub fn id(&mut self, key: &'static str, id: Uuid) {
        let mut buffer = Uuid::encode_buffer();
        self.plain(key, id.hyphenated().encode_lower(&mut buffer));
    }

    /// Writes any value. One that JSON cannot hold, which texts, numbers and maps with text keys are not, is null.
    pub fn any(&mut self, key: &'static str, value: &(impl Serialize + ?Sized)) {
        self.key(key);
        let before = self.0.len();
        if serde_json::to_writer(&mut self.0, value).is_err() {
            self.0.truncate(before);
            self.0.extend_from_slice(b"null");
        }
    }

    /// The same, or nothing where there is none.
    pub fn given(&mut self, key: &'static str, value: Option<&str>) {
        if let Some(value) = value {
            self.any(key, value);
        }
    }

    /// Ends the object.
    pub fn finish(mut self) -> Vec<u8> {
        if self.0.is_empty() {
            self.0.push(b'{');
        }
        self.0.push(b'}');
        self.0
    }

    fn key(&mut self, key: &'static str) {
        let begins = if self.0.is_empty() { b'{' } else { b',' };
        self.0.push(begins);
        self.0.push(b'"');
        self.0.extend_from_slice(key.as_bytes());
        self.0.extend_from_slice(b"\":");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_json() {
        assert_eq!(Flat::with_capacity(0).finish(), b"{}");
        let mut flat = Flat::with_capacity(0);
        flat.bare("a", "17");
        flat.plain("b", "2026-05-01");
        flat.given("c", None);
        flat.given("d", Some("\"\u{1}\\ é"));
        flat.id("e", Uuid::nil());
        flat.any("f", &Option::<&str>::None);
        // A key that is no text is what JSON cannot hold.
        flat.any(
            "g",
            &std::collections::BTreeMap::from([([1.5_f32.to_bits(); 2], 1)]),
        );
        let wanted = r#"{"a":17,"b":"2026-05-01","d":"\"\u0001\\ é","e":"00000000-0000-0000-0000-000000000000","f":null,"g":null}"#;
        assert_eq!(String::from_utf8(flat.finish()).unwrap(), wanted);
    }
}
