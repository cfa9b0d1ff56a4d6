//! The three totals: how often everybody together looked at a style, added something to a cart, and bought.
//!
//! They stand on the buttons that are counted, and once in words. Without scripts a page shows those of the moment
//! in which it was rendered; an island keeps them up to date.

use crate::components::live::LiveTotals;
use crate::figures::words::count;
use leptos::prelude::*;

/// All three, as the process knows them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Totals {
    /// Looks at a style.
    pub item: u64,
    /// Clicks on "Add to cart".
    pub add_to_cart: u64,
    /// Clicks on "Buy".
    pub buy: u64,
}

/// One of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Total {
    /// Looks at a style.
    Item,
    /// Clicks on "Add to cart".
    AddToCart,
    /// Clicks on "Buy".
    Buy,
}

impl Total {
    /// How it is called where an island asks for it, and where it shows it.
    const fn name(self) -> &'static str {
        match self {
            Self::Item => "itemClicks",
            Self::AddToCart => "addToCartClicks",
            Self::Buy => "buyClicks",
        }
    }

    const fn of(self, totals: Totals) -> u64 {
        match self {
            Self::Item => totals.item,
            Self::AddToCart => totals.add_to_cart,
            Self::Buy => totals.buy,
        }
    }
}

/// A total on its button; nothing while nobody knows it. Who hears a page hears it in [`totals`], and does not hear
/// a button change its name each second.
pub fn tally(total: Total, totals: Option<Totals>) -> Option<AnyView> {
    let number = count(total.of(totals?));
    let tally = view! {
        <span class="tally" data-total=total.name() aria-hidden="true">
            {number}
        </span>
    };
    Some(tally.into_any())
}

/// All three in words; nothing while nobody knows them.
pub fn totals(totals: Option<Totals>) -> Option<AnyView> {
    let known = totals?;
    let number = |total: Total| {
        view! { <b data-total=total.name()>{count(total.of(known))}</b> }
    };
    let line = view! {
        <p class="totals">
            "Everybody's clicks so far: looks at a style " {number(Total::Item)}
            ", added to a cart " {number(Total::AddToCart)} ", bought " {number(Total::Buy)}
        </p>
    };
    Some(view! { <LiveTotals>{line}</LiveTotals> }.into_any())
}
