//! What stands on the stage for a choice: pure rules, the same in the server and in the browser.

use super::drawings::UNDYED;
use domain::Choice;
use domain::catalogue::{Category, Color, Style};

/// The garment that is drawn. While the style is open, the category's first stands for it.
pub fn garment(choice: &Choice) -> Style {
    choice.style.unwrap_or(match choice.category {
        Some(Category::Trousers) => Style::Chinos,
        Some(Category::Shirt) | None => Style::PlainTShirt,
    })
}

/// The cloth's colour as SVG understands it.
pub fn cloth(choice: &Choice) -> String {
    choice
        .color
        .map_or_else(|| UNDYED.to_owned(), |color| color.to_string())
}

/// The choice in words; open options are named as open, not guessed.
pub fn caption(choice: &Choice) -> String {
    let garment = match (choice.style, choice.category) {
        (Some(style), _) => style.label().to_owned(),
        (None, Some(category)) => format!("{}, any style", capitalised(category.label())),
        (None, None) => "No preference yet".to_owned(),
    };
    let mut words = garment;
    if let Some(gender) = choice.gender {
        words.push_str(" for a ");
        words.push_str(gender.label());
    }
    if let Some(size) = choice.size {
        words.push_str(", size ");
        words.push_str(size.label());
    }
    if let Some(color) = choice.color {
        words.push_str(", ");
        words.push_str(&color_name(color));
    }
    words
}

/// A colour's name where it is one of the swatches, else its value.
fn color_name(color: Color) -> String {
    Color::SWATCHES
        .iter()
        .find(|(_, swatch)| *swatch == color)
        .map_or_else(|| color.to_string(), |(name, _)| (*name).to_owned())
}

/// A label with a capital first letter, for where it begins a line.
pub fn capitalised(label: &str) -> String {
    let mut letters = label.chars();
    letters.next().map_or_else(String::new, |first| {
        first.to_uppercase().chain(letters).collect()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::catalogue::{Gender, Size};

    #[test]
    fn open_options_are_named_as_open() {
        assert_eq!(caption(&Choice::default()), "No preference yet");
        let trousers = Choice {
            category: Some(Category::Trousers),
            ..Choice::default()
        };
        assert_eq!(caption(&trousers), "Trousers, any style");
        assert_eq!(garment(&trousers), Style::Chinos);
        assert_eq!(cloth(&trousers), UNDYED);
    }

    #[test]
    fn a_full_choice_reads_as_a_sentence() {
        let choice = Choice {
            category: Some(Category::Shirt),
            gender: Some(Gender::Woman),
            style: Some(Style::Polo),
            size: Some(Size::M),
            color: Some(Color::SWATCHES[2].1),
        };
        assert_eq!(caption(&choice), "Polo shirt for a woman, size M, Navy");
    }
}
