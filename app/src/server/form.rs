//! What a form or an address says: a few named texts, none of them trusted.

use domain::Choice;
use domain::choice::FieldError;
use percent_encoding::percent_decode;
use uuid::Uuid;

/// The fields of a form, in the order sent; of a repeated name the first counts.
#[derive(Debug, Clone, Default)]
pub struct Form(Vec<Field>);

#[derive(Debug, Clone)]
struct Field {
    name: String,
    /// What is no UTF-8 reads U+FFFD here, which no option, number or token contains.
    value: String,
    is_utf8: bool,
}

/// The bytes of a field are no text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NotUtf8;

impl std::fmt::Display for NotUtf8 {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("This did not arrive as text (UTF-8); please type it again.")
    }
}

impl Form {
    /// Reads `application/x-www-form-urlencoded`, as a body or as a query.
    pub fn parse(text: &[u8]) -> Self {
        let pairs = text.split(|byte| *byte == b'&');
        Self(pairs.filter_map(Field::parse).collect())
    }

    /// The value of a field.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.field(name).map(|field| field.value.as_str())
    }

    /// The value of a field that may be any text, exactly as it was sent; empty when it is missing.
    pub fn text(&self, name: &str) -> Result<&str, NotUtf8> {
        match self.field(name) {
            Some(field) if !field.is_utf8 => Err(NotUtf8),
            field => Ok(field.map_or("", |field| &field.value)),
        }
    }

    /// A number in a field.
    pub fn number<T: std::str::FromStr>(&self, name: &str) -> Option<T> {
        self.get(name)?.parse().ok()
    }

    /// The choice, or what is wrong with each field.
    pub fn choice(&self) -> Result<Choice, Vec<FieldError>> {
        crate::address::read(|name| self.get(name).map(str::to_owned))
    }

    /// The choice as far as it can be used, and what is wrong with the rest.
    pub fn usable_choice(&self) -> (Choice, Vec<FieldError>) {
        crate::address::read_usable(|name| self.get(name).map(str::to_owned))
    }

    /// The token of the form that was sent.
    pub fn token(&self) -> Option<Uuid> {
        self.uuid("token")
    }

    /// An id in a field.
    pub fn uuid(&self, name: &str) -> Option<Uuid> {
        Uuid::parse_str(self.get(name)?).ok()
    }

    fn field(&self, name: &str) -> Option<&Field> {
        self.0.iter().find(|field| field.name == name)
    }
}

impl Field {
    /// Reads `name=value`; none for an empty pair.
    fn parse(pair: &[u8]) -> Option<Self> {
        let (name, value) = form_urlencoded::parse(pair).into_owned().next()?;
        let raw = pair.splitn(2, |byte| *byte == b'=').nth(1);
        let is_utf8 = percent_decode(raw.unwrap_or_default())
            .decode_utf8()
            .is_ok();
        Some(Self {
            name,
            value,
            is_utf8,
        })
    }
}

/// A fresh form's name.
pub fn new_token() -> Uuid {
    Uuid::new_v4()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_read_exactly_or_not_at_all() {
        let form = Form::parse(
            b"&username=%C3%84+b%3Dc=d&username=second&bad=%C3&fffd=%EF%BF%BD&raw=\xff",
        );
        assert_eq!(form.text("username"), Ok("\u{c4} b=c=d"));
        assert_eq!(form.text("bad"), Err(NotUtf8));
        assert_eq!(form.text("raw"), Err(NotUtf8));
        assert_eq!(form.text("fffd"), Ok("\u{fffd}"));
        assert_eq!(form.text("missing"), Ok(""));
    }

    #[test]
    fn what_is_no_text_is_no_option_either() {
        assert!(Form::parse(b"size=%FF").choice().is_err());
        assert!(Form::parse(b"size=").choice().is_ok());
    }
}
