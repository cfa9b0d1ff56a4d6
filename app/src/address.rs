//! A choice as the shop's address says it, so that Back, reload and a shared link show the same choice.
//!
//! The same functions run in the server and in the browser: an address written by one is read by the
//! other.

use domain::Choice;
use domain::choice::FieldError;

/// The radio button that makes the colour picker count.
pub const OWN_COLOR: &str = "own";

/// The shop's address for a choice: `/`, or `/?category=shirt&…` with the chosen options only.
pub fn shop(choice: &Choice) -> String {
    let query = query(choice);
    if query.is_empty() {
        "/".to_owned()
    } else {
        format!("/?{query}")
    }
}

/// A choice as a query or a form's body: `category=shirt&style=Polo+shirt&color=%23FF00AA`.
pub fn query(choice: &Choice) -> String {
    let mut text = String::new();
    for (name, value) in choice.pairs() {
        if !text.is_empty() {
            text.push('&');
        }
        text.push_str(name);
        text.push('=');
        encode(&value, &mut text);
    }
    text
}

/// Reads a choice from an address or a form.
///
/// The colour `own` stands for the picker's value; without it the picker does not count.
///
/// Returns an error for each field that is not in the catalogue.
pub fn read(value_of: impl Fn(&str) -> Option<String>) -> Result<Choice, Vec<FieldError>> {
    Choice::parse(|name| match value_of(name) {
        Some(value) if name == "color" && value == OWN_COLOR => value_of("own_color"),
        value => value,
    })
}

/// Reads what can be read: a field that is at fault stays open.
pub fn read_usable(value_of: impl Fn(&str) -> Option<String>) -> (Choice, Vec<FieldError>) {
    let mut at_fault: Vec<FieldError> = Vec::new();
    loop {
        let left = |name: &str| {
            let usable = at_fault.iter().all(|error| error.field != name);
            usable.then(|| value_of(name)).flatten()
        };
        match read(left) {
            Ok(choice) => return (choice, at_fault),
            Err(errors) => at_fault.extend(errors),
        }
    }
}

/// Appends a value as `application/x-www-form-urlencoded` writes it.
fn encode(value: &str, text: &mut String) {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    for byte in value.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' => {
                text.push(char::from(byte));
            }
            b' ' => text.push('+'),
            _ => {
                text.push('%');
                text.push(char::from(HEX[usize::from(byte >> 4)]));
                text.push(char::from(HEX[usize::from(byte & 15)]));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::catalogue::{Category, Color, Style};

    fn form<'a>(pairs: &'a [(&'a str, &'a str)]) -> impl Fn(&str) -> Option<String> + 'a {
        |name| {
            let found = pairs.iter().find(|(key, _)| *key == name)?;
            Some(found.1.to_owned())
        }
    }

    #[test]
    fn an_address_names_only_what_is_chosen() {
        assert_eq!(shop(&Choice::default()), "/");
        let choice = Choice {
            category: Some(Category::Shirt),
            style: Some(Style::Polo),
            color: Some(Color::rgb(255, 0, 170)),
            ..Choice::default()
        };
        assert_eq!(
            shop(&choice),
            "/?category=shirt&style=Polo+shirt&color=%23FF00AA"
        );
    }

    #[test]
    fn the_picker_counts_only_when_it_is_chosen() {
        let picked = [("color", ""), ("own_color", "#112233")];
        assert_eq!(read(form(&picked)).unwrap().color, None);
        let chosen = [("color", OWN_COLOR), ("own_color", "#112233")];
        assert_eq!(
            read(form(&chosen)).unwrap().color,
            Some(Color::rgb(0x11, 0x22, 0x33))
        );
    }

    #[test]
    fn a_field_at_fault_takes_with_it_only_what_depends_on_it() {
        let (choice, errors) = read_usable(form(&[
            ("category", "hat"),
            ("style", "Joggers"),
            ("size", "M"),
        ]));
        assert_eq!(choice.category, None);
        assert_eq!(choice.style, None);
        assert!(choice.size.is_some());
        let fields: Vec<_> = errors.iter().map(|e| e.field.as_str()).collect();
        assert_eq!(fields, ["category", "style"]);
    }
}
