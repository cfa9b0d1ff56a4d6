//! What is counted: three types of events, each by the clicks that it stands for.

use domain::EventType;
use serde::Deserialize;
use std::ops::{Add, AddAssign};
use utoipa::ToSchema;

/// One of the three counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub enum Counter {
    /// Clicks on an item.
    Item,
    /// Clicks on "add to cart".
    AddToCart,
    /// Clicks on "buy".
    Buy,
}

impl Counter {
    /// All, in the order of [`Self::TYPES`].
    pub const ALL: [Self; 3] = [Self::Item, Self::AddToCart, Self::Buy];

    /// The types of events that they count.
    pub const TYPES: [&'static str; 3] = [
        EventType::ITEM_CLICK,
        EventType::ADD_TO_CART,
        EventType::BUY,
    ];

    /// The type of the events that it counts.
    pub const fn event_type(self) -> &'static str {
        Self::TYPES[self as usize]
    }

    /// The counter of events of a type, if they are counted.
    pub fn of(event_type: &str) -> Option<Self> {
        let mut all = Self::ALL.into_iter();
        all.find(|counter| counter.event_type() == event_type)
    }
}

/// Clicks by what was clicked on.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Clicks {
    /// On an item.
    pub item: u64,
    /// On "add to cart".
    pub add_to_cart: u64,
    /// On "buy".
    pub buy: u64,
}

impl Clicks {
    /// What an event counts; nothing when it is of another type.
    pub fn of(event_type: &str, count: i32) -> Self {
        let mut clicks = Self::default();
        if let Some(counter) = Counter::of(event_type) {
            *clicks.get_mut(counter) = u64::try_from(count).unwrap_or_default();
        }
        clicks
    }

    /// From numbers in the order of [`Counter::TYPES`].
    pub(super) fn in_order(numbers: &[u64]) -> Self {
        let mut clicks = Self::default();
        for (counter, number) in Counter::ALL.into_iter().zip(numbers) {
            *clicks.get_mut(counter) = *number;
        }
        clicks
    }

    /// One of them.
    pub const fn get(&self, counter: Counter) -> u64 {
        match counter {
            Counter::Item => self.item,
            Counter::AddToCart => self.add_to_cart,
            Counter::Buy => self.buy,
        }
    }

    fn get_mut(&mut self, counter: Counter) -> &mut u64 {
        match counter {
            Counter::Item => &mut self.item,
            Counter::AddToCart => &mut self.add_to_cart,
            Counter::Buy => &mut self.buy,
        }
    }

    /// Each, but no more than `most`.
    #[must_use]
    pub fn at_most(self, most: u64) -> Self {
        Self {
            item: self.item.min(most),
            add_to_cart: self.add_to_cart.min(most),
            buy: self.buy.min(most),
        }
    }

    /// By how much each is above the other's; nothing where it is below.
    #[must_use]
    pub const fn above(self, other: Self) -> Self {
        Self {
            item: self.item.saturating_sub(other.item),
            add_to_cart: self.add_to_cart.saturating_sub(other.add_to_cart),
            buy: self.buy.saturating_sub(other.buy),
        }
    }
}

impl Add for Clicks {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            item: self.item.saturating_add(other.item),
            add_to_cart: self.add_to_cart.saturating_add(other.add_to_cart),
            buy: self.buy.saturating_add(other.buy),
        }
    }
}

impl AddAssign for Clicks {
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("item_click", 1, [1, 0, 0])]
    #[case("add_to_cart", 7, [0, 7, 0])]
    #[case("buy", i32::MAX, [0, 0, 2_147_483_647])]
    #[case("buy", -1, [0, 0, 0])]
    #[case("page_view", 1, [0, 0, 0])]
    #[case("Buy", 1, [0, 0, 0])]
    #[case("", 1, [0, 0, 0])]
    fn three_types_count_by_their_clicks(
        #[case] event_type: &str,
        #[case] count: i32,
        #[case] wanted: [u64; 3],
    ) {
        let clicks = Clicks::of(event_type, count);
        assert_eq!(clicks, Clicks::in_order(&wanted));
        assert_eq!(Counter::ALL.map(|counter| clicks.get(counter)), wanted);
    }

    #[test]
    fn each_counter_has_its_type() {
        for counter in Counter::ALL {
            assert_eq!(Counter::of(counter.event_type()), Some(counter));
        }
    }

    #[test]
    fn what_is_below_is_not_above() {
        let clicks = |numbers: [u64; 3]| Clicks::in_order(&numbers);
        let above = clicks([5, 5, 0]).above(clicks([3, 9, 0]));
        assert_eq!(above, clicks([2, 0, 0]));
    }
}
