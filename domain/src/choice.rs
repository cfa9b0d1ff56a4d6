//! What a visitor put together in the shop: each option chosen, or left open.
//!
//! An open option is `None` here, JSON null on the wire and NULL in Postgres; it is never a default.

use crate::catalogue::{Category, Color, Gender, Size, Style};
use serde::{Deserialize, Serialize};

/// A choice of options. Any of them may be open.
///
/// [`Choice::parse`] lets a style stand only beside its own category. A choice read from a message or
/// built by hand is not checked for that: it says what its producer said.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Choice {
    /// Shirt or trousers.
    pub category: Option<Category>,
    /// Whose cut.
    pub gender: Option<Gender>,
    /// Which garment.
    pub style: Option<Style>,
    /// How large.
    pub size: Option<Size>,
    /// Which colour.
    pub color: Option<Color>,
}

/// A field of a form whose value cannot be used, with the message that stands beside it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FieldError {
    /// The form field: `username`, `category`, `gender`, `style`, `size` or `color`.
    pub field: String,
    /// What to tell the visitor.
    pub message: String,
}

impl Choice {
    /// Reads the values of a form or an address; a missing or empty value is an open option.
    ///
    /// Returns an error for every field that is not in the catalogue, so that each message can stand
    /// beside its own field.
    pub fn parse(value_of: impl Fn(&str) -> Option<String>) -> Result<Self, Vec<FieldError>> {
        let mut errors = Vec::new();
        let category = read("category", &value_of, &mut errors);
        let style: Option<Style> = read("style", &value_of, &mut errors);
        let choice = Self {
            category,
            gender: read("gender", &value_of, &mut errors),
            style,
            size: read("size", &value_of, &mut errors),
            color: read("color", &value_of, &mut errors),
        };
        if let (Some(style), false) = (style, errors.iter().any(|e| e.field == "category"))
            && category != Some(style.category())
        {
            errors.push(FieldError {
                field: "style".into(),
                message: format!("{style} needs the category {}.", style.category()),
            });
        }
        if errors.is_empty() {
            Ok(choice)
        } else {
            Err(errors)
        }
    }

    /// The name and value of each chosen option, in the order of the wire; open ones are left out.
    pub fn pairs(&self) -> Vec<(&'static str, String)> {
        [
            ("category", self.category.map(|v| v.to_string())),
            ("gender", self.gender.map(|v| v.to_string())),
            ("style", self.style.map(|v| v.to_string())),
            ("size", self.size.map(|v| v.to_string())),
            ("color", self.color.map(|v| v.to_string())),
        ]
        .into_iter()
        .filter_map(|(name, value)| Some((name, value?)))
        .collect()
    }
}

/// One option of a form; an unusable value becomes an entry in `errors` and an open option.
fn read<T: std::str::FromStr<Err = crate::catalogue::NotInCatalogue>>(
    field: &str,
    value_of: &impl Fn(&str) -> Option<String>,
    errors: &mut Vec<FieldError>,
) -> Option<T> {
    let text = value_of(field).filter(|text| !text.is_empty())?;
    match text.parse() {
        Ok(value) => Some(value),
        Err(refused) => {
            errors.push(FieldError {
                field: field.to_owned(),
                message: format!("{refused}."),
            });
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn form<'a>(pairs: &'a [(&'a str, &'a str)]) -> impl Fn(&str) -> Option<String> + 'a {
        |name| {
            pairs
                .iter()
                .find(|(key, _)| *key == name)
                .map(|(_, value)| (*value).to_owned())
        }
    }

    #[test]
    fn everything_may_stay_open() {
        assert_eq!(Choice::parse(form(&[])), Ok(Choice::default()));
        assert_eq!(Choice::parse(form(&[("size", "")])), Ok(Choice::default()));
    }

    #[test]
    fn a_full_choice_is_read_and_written_back() {
        let given = [
            ("category", "trousers"),
            ("gender", "woman"),
            ("style", "Cargo pants"),
            ("size", "XL"),
            ("color", "#00FF7F"),
        ];
        let choice = Choice::parse(form(&given)).unwrap();
        let back = choice.pairs();
        let back: Vec<_> = back.iter().map(|(k, v)| (*k, v.as_str())).collect();
        assert_eq!(back, given);
    }

    #[test]
    fn each_unknown_option_is_named_beside_its_field() {
        let given = [("category", "hat"), ("size", "XXL"), ("color", "red")];
        let errors = Choice::parse(form(&given)).unwrap_err();
        let fields: Vec<_> = errors.iter().map(|e| e.field.as_str()).collect();
        assert_eq!(fields, ["category", "size", "color"]);
    }

    #[test]
    fn a_style_of_another_category_is_refused() {
        let errors =
            Choice::parse(form(&[("category", "shirt"), ("style", "Joggers")])).unwrap_err();
        assert_eq!(errors[0].field, "style");
        assert!(Choice::parse(form(&[("style", "Joggers")])).is_err());
    }
}
