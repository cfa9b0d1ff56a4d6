//! What the shop sells: every option a visitor can choose, and nothing else.
//!
//! The labels are the wire values of older producers (`shirt`, `Plain t-shirt`, …), so they may
//! not change; the slugs are ours, for addresses and drawings.

use serde::{Deserialize, Serialize};

/// An option whose label was not found in the catalogue.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{value:?} is not a {what} of this shop")]
pub struct NotInCatalogue {
    /// The kind of option, such as `style`.
    pub what: &'static str,
    /// What was asked for.
    pub value: String,
}

/// Declares one kind of option: its variants, the label each has on the wire, and the way back.
macro_rules! option_enum {
    ($(#[$doc:meta])* $name:ident, $what:literal, { $($variant:ident = $label:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        pub enum $name {
            $(
                #[doc = concat!("`", $label, "` on the wire.")]
                #[serde(rename = $label)]
                $variant,
            )+
        }

        impl $name {
            /// Every option of this kind, in the order in which the shop shows them.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The wire value, which is also what the visitor reads.
            pub const fn label(self) -> &'static str {
                match self { $(Self::$variant => $label),+ }
            }
        }

        impl std::str::FromStr for $name {
            type Err = NotInCatalogue;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                match text {
                    $($label => Ok(Self::$variant),)+
                    _ => Err(NotInCatalogue { what: $what, value: text.chars().take(64).collect() }),
                }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.label())
            }
        }
    };
}

option_enum!(
    /// What kind of garment.
    Category, "category", { Shirt = "shirt", Trousers = "trousers" }
);
option_enum!(
    /// Whose cut.
    Gender, "gender", { Man = "man", Woman = "woman" }
);
option_enum!(
    /// One of the ten garments.
    Style, "style", {
        PlainTShirt = "Plain t-shirt",
        PocketTShirt = "Pocket t-shirt",
        Polo = "Polo shirt",
        Button = "Button-shirt",
        Hawaiian = "Hawaiian shirt",
        Chinos = "Chinos",
        Pleated = "Pleated pants",
        Joggers = "Joggers",
        Cargo = "Cargo pants",
        Cropped = "Cropped pants",
    }
);
option_enum!(
    /// How large.
    Size, "size", { S = "S", M = "M", L = "L", XL = "XL" }
);

impl Category {
    /// The styles of this category, in the order in which the shop shows them.
    pub const fn styles(self) -> &'static [Style] {
        match self {
            Self::Shirt => &[
                Style::PlainTShirt,
                Style::PocketTShirt,
                Style::Polo,
                Style::Button,
                Style::Hawaiian,
            ],
            Self::Trousers => &[
                Style::Chinos,
                Style::Pleated,
                Style::Joggers,
                Style::Cargo,
                Style::Cropped,
            ],
        }
    }
}

impl Style {
    /// The category that offers this style.
    pub const fn category(self) -> Category {
        match self {
            Self::PlainTShirt | Self::PocketTShirt | Self::Polo | Self::Button | Self::Hawaiian => {
                Category::Shirt
            }
            Self::Chinos | Self::Pleated | Self::Joggers | Self::Cargo | Self::Cropped => {
                Category::Trousers
            }
        }
    }

    /// The style's name in addresses and drawings: lower case, hyphens, ASCII.
    pub const fn slug(self) -> &'static str {
        match self {
            Self::PlainTShirt => "plain-t-shirt",
            Self::PocketTShirt => "pocket-t-shirt",
            Self::Polo => "polo-shirt",
            Self::Button => "button-shirt",
            Self::Hawaiian => "hawaiian-shirt",
            Self::Chinos => "chinos",
            Self::Pleated => "pleated-pants",
            Self::Joggers => "joggers",
            Self::Cargo => "cargo-pants",
            Self::Cropped => "cropped-pants",
        }
    }
}

/// A colour as the wire knows it: `#RRGGBB`, kept in upper case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Color {
    red: u8,
    green: u8,
    blue: u8,
}

impl Color {
    /// The colours that the shop offers as swatches, with the name that a screen reader says.
    pub const SWATCHES: &'static [(&'static str, Self)] = &[
        ("White", Self::rgb(0xF7, 0xF4, 0xEC)),
        ("Black", Self::rgb(0x24, 0x24, 0x28)),
        ("Navy", Self::rgb(0x24, 0x3B, 0x6B)),
        ("Sky", Self::rgb(0x7F, 0xB2, 0xD9)),
        ("Forest", Self::rgb(0x2F, 0x6B, 0x4F)),
        ("Olive", Self::rgb(0x8A, 0x86, 0x4A)),
        ("Sand", Self::rgb(0xD8, 0xBF, 0x95)),
        ("Rust", Self::rgb(0xC2, 0x5B, 0x34)),
        ("Berry", Self::rgb(0x9E, 0x2F, 0x55)),
        ("Sunflower", Self::rgb(0xF0, 0xB4, 0x2C)),
    ];

    /// A colour from its three parts.
    pub const fn rgb(red: u8, green: u8, blue: u8) -> Self {
        Self { red, green, blue }
    }
}

impl std::fmt::Display for Color {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "#{:02X}{:02X}{:02X}", self.red, self.green, self.blue)
    }
}

impl std::str::FromStr for Color {
    type Err = NotInCatalogue;

    /// Reads `#RRGGBB`, hexadecimal digits in either case, and nothing shorter or longer.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let refuse = || NotInCatalogue {
            what: "color",
            value: text.chars().take(64).collect(),
        };
        let digits = text.strip_prefix('#').ok_or_else(refuse)?;
        if digits.len() != 6 || !digits.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Err(refuse());
        }
        let part = |at: usize| u8::from_str_radix(&digits[at..at + 2], 16).map_err(|_| refuse());
        Ok(Self::rgb(part(0)?, part(2)?, part(4)?))
    }
}

impl TryFrom<String> for Color {
    type Error = NotInCatalogue;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<Color> for String {
    fn from(color: Color) -> Self {
        color.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[test]
    fn every_style_belongs_to_the_category_that_lists_it() {
        for category in Category::ALL {
            for style in category.styles() {
                assert_eq!(style.category(), *category);
            }
        }
        let listed: usize = Category::ALL.iter().map(|c| c.styles().len()).sum();
        assert_eq!(listed, Style::ALL.len());
    }

    #[test]
    fn labels_lead_back_to_their_option() {
        for style in Style::ALL {
            assert_eq!(style.label().parse(), Ok(*style));
        }
        for size in Size::ALL {
            assert_eq!(size.label().parse(), Ok(*size));
        }
    }

    #[rstest]
    #[case("#ff00aA", "#FF00AA")]
    #[case("#000000", "#000000")]
    fn a_color_is_kept_in_upper_case(#[case] given: &str, #[case] kept: &str) {
        assert_eq!(given.parse::<Color>().unwrap().to_string(), kept);
    }

    #[rstest]
    #[case("ff00aa")]
    #[case("#ff00a")]
    #[case("#ff00aa0")]
    #[case("#ff00ag")]
    #[case("#ééé")]
    #[case("#+1+2+3")]
    #[case("")]
    fn what_is_no_color_is_refused(#[case] given: &str) {
        assert!(given.parse::<Color>().is_err());
    }
}
