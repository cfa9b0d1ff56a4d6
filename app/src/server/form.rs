//! What a form or an address says: a few named texts, none of them trusted.

use domain::Choice;
use domain::choice::FieldError;
use uuid::Uuid;

/// The fields of a form, in the order sent; of a repeated name the first counts.
#[derive(Debug, Clone, Default)]
pub struct Form(Vec<(String, String)>);

impl Form {
    /// Reads `application/x-www-form-urlencoded`, as a body or as a query.
    pub fn parse(text: &[u8]) -> Self {
        Self(form_urlencoded::parse(text).into_owned().collect())
    }

    /// The value of a field.
    pub fn get(&self, name: &str) -> Option<&str> {
        let found = self.0.iter().find(|(key, _)| key == name);
        found.map(|(_, value)| value.as_str())
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
        self.get("token")
            .and_then(|text| Uuid::parse_str(text).ok())
    }
}

/// A fresh form's name.
pub fn new_token() -> Uuid {
    Uuid::new_v4()
}
