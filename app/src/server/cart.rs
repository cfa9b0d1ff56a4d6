//! A cart that the visitor carries: small enough for a cookie, and worth nothing if forged.
//!
//! Each thing is 18 characters: the first eight of the click's id (so that a click sent twice lies in
//! the cart once), one digit for each option, and the colour. `-` stands for an open option.

use domain::Choice;
use domain::catalogue::{Category, Color, Gender, Size, Style};
use uuid::Uuid;

/// The most things in a cart; the next one pushes the oldest out.
pub const CAPACITY: usize = 20;

const ITEM_CHARS: usize = 18;
const ID_CHARS: usize = 8;

/// The choices of a cart, oldest first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Cart(Vec<Item>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Item {
    id: String,
    choice: Choice,
}

impl Cart {
    /// Reads a cart; whatever is not a thing of this shop is left out.
    pub fn read(text: &str) -> Self {
        if !text.is_ascii() {
            return Self::default();
        }
        let mut cart = Self::default();
        for item in text.as_bytes().chunks(ITEM_CHARS) {
            if let Some(item) = std::str::from_utf8(item).ok().and_then(read_item) {
                cart.push(item);
            }
        }
        cart
    }

    /// The cart as text.
    pub fn write(&self) -> String {
        self.0.iter().map(write_item).collect()
    }

    /// Puts a click's choice into the cart, unless that click is in it.
    pub fn add(&mut self, event_id: Uuid, choice: Choice) {
        let id = event_id.simple().to_string()[..ID_CHARS].to_owned();
        self.push(Item { id, choice });
    }

    /// Takes out what is also in `bought`.
    pub fn remove(&mut self, bought: &Self) {
        self.0.retain(|item| !bought.0.contains(item));
    }

    /// What lies in the cart, oldest first.
    pub fn choices(&self) -> impl Iterator<Item = Choice> {
        self.0.iter().map(|item| item.choice)
    }

    /// How many things lie in the cart.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether nothing lies in the cart.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn push(&mut self, item: Item) {
        if self.0.iter().any(|there| there.id == item.id) {
            return;
        }
        self.0.push(item);
        if self.0.len() > CAPACITY {
            self.0.remove(0);
        }
    }
}

fn write_item(item: &Item) -> String {
    let Item { id, choice } = item;
    let color = choice.color.map_or_else(
        || "------".to_owned(),
        |color| color.to_string()[1..].to_owned(),
    );
    format!(
        "{id}{}{}{}{}{color}",
        digit(Category::ALL, choice.category),
        digit(Gender::ALL, choice.gender),
        digit(Style::ALL, choice.style),
        digit(Size::ALL, choice.size),
    )
}

fn read_item(text: &str) -> Option<Item> {
    let (id, rest) = text.split_at_checked(ID_CHARS)?;
    let (options, color) = rest.split_at_checked(4)?;
    if !id.bytes().all(|b| b.is_ascii_hexdigit()) {
        return None;
    }
    let mut digits = options.chars();
    let choice = Choice {
        category: option(Category::ALL, digits.next()?)?,
        gender: option(Gender::ALL, digits.next()?)?,
        style: option(Style::ALL, digits.next()?)?,
        size: option(Size::ALL, digits.next()?)?,
        color: match color {
            "------" => None,
            hex => Some(format!("#{hex}").parse::<Color>().ok()?),
        },
    };
    let fits = choice
        .style
        .is_none_or(|style| choice.category == Some(style.category()));
    fits.then(|| Item {
        id: id.to_owned(),
        choice,
    })
}

/// An option's place in its list; no list has more than ten.
fn digit<T: PartialEq>(all: &[T], chosen: Option<T>) -> char {
    chosen
        .and_then(|chosen| all.iter().position(|option| *option == chosen))
        .and_then(|at| char::from_digit(u32::try_from(at).ok()?, 10))
        .unwrap_or('-')
}

/// The option at a digit's place; the outer none is for what is no digit of the list.
#[expect(
    clippy::option_option,
    reason = "an open option and a wrong digit are two things"
)]
fn option<T: Copy>(all: &[T], digit: char) -> Option<Option<T>> {
    if digit == '-' {
        return Some(None);
    }
    let at = usize::try_from(digit.to_digit(10)?).ok()?;
    all.get(at).map(|option| Some(*option))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn polo() -> Choice {
        Choice {
            category: Some(Category::Shirt),
            gender: None,
            style: Some(Style::Polo),
            size: Some(Size::XL),
            color: Some(Color::rgb(1, 2, 255)),
        }
    }

    #[test]
    fn a_cart_is_read_as_it_was_written() {
        let mut cart = Cart::default();
        cart.add(Uuid::from_u128(1 << 100), polo());
        cart.add(Uuid::from_u128(2 << 100), Choice::default());
        assert_eq!(cart.write().len(), 36);
        assert_eq!(Cart::read(&cart.write()), cart);
    }

    #[test]
    fn a_click_sent_twice_lies_in_the_cart_once() {
        let mut cart = Cart::default();
        cart.add(Uuid::from_u128(1 << 100), polo());
        cart.add(Uuid::from_u128(1 << 100), polo());
        assert_eq!(cart.len(), 1);
    }

    #[test]
    fn the_oldest_leaves_a_full_cart() {
        let mut cart = Cart::default();
        cart.add(Uuid::from_u128(1 << 100), polo());
        for n in 2..=21 {
            cart.add(Uuid::from_u128(n << 100), Choice::default());
        }
        assert_eq!(cart.len(), CAPACITY);
        assert!(cart.choices().all(|choice| choice == Choice::default()));
    }

    #[test]
    fn what_was_bought_leaves_and_what_came_since_stays() {
        let mut shown = Cart::default();
        shown.add(Uuid::from_u128(1 << 100), polo());
        let mut now = shown.clone();
        now.add(Uuid::from_u128(2 << 100), Choice::default());
        now.remove(&shown);
        assert_eq!(now.choices().collect::<Vec<_>>(), [Choice::default()]);
    }

    #[test]
    fn a_forged_thing_is_left_out() {
        assert!(Cart::read("000000009-------------").is_empty());
        assert!(
            Cart::read("0000000010-5------").is_empty(),
            "chinos are no shirt"
        );
        assert!(Cart::read("zzzzzzzz----------").is_empty());
    }

    proptest! {
        #[test]
        fn any_cookie_is_a_cart_that_can_be_carried(text in "\\PC{0,400}") {
            let cart = Cart::read(&text);
            prop_assert!(cart.len() <= CAPACITY);
            prop_assert_eq!(Cart::read(&cart.write()), cart);
        }
    }
}
