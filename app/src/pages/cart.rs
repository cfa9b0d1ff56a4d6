//! What this visitor put into the cart, and the button that pretends to sell it.

use crate::components::drawings::{Drawing, DrawingSheet};
use crate::components::notice::{Notice, notice};
use crate::components::stage::{caption, cloth, garment};
use crate::components::totals::{Total, Totals, tally, totals};
use domain::Choice;
use leptos::prelude::*;

/// What the page needs to know.
#[derive(Debug, Clone, Default)]
pub struct CartView {
    /// What lies in the cart, oldest first.
    pub items: Vec<Choice>,
    /// The same in short: what is bought is what was shown.
    pub items_sent: String,
    /// Names this form: sent twice it is one purchase.
    pub token: String,
    /// How many things the cart can hold.
    pub capacity: usize,
    /// What the visitor has to know first.
    pub notice: Option<Notice>,
    /// What everybody clicked on so far; none while nobody knows.
    pub totals: Option<Totals>,
}

/// The page's content.
pub fn cart(page: CartView) -> AnyView {
    let CartView {
        items,
        items_sent,
        token,
        capacity,
        notice: message,
        totals: known,
    } = page;
    let count = items.len();
    let content = if items.is_empty() {
        view! {
            <div class="cart__empty">
                <p>"Nothing here yet."</p>
                <a class="button button--primary" href="/">
                    "Choose something"
                </a>
            </div>
        }
        .into_any()
    } else {
        let list = items.into_iter().map(line).collect_view();
        view! {
            <ul class="cart__list">{list}</ul>
            <p class="cart__total">{total(count)}</p>
            {(count == capacity).then(|| view! { <p>{format!("The cart is full: the next thing pushes the oldest of these {capacity} out.")}</p> })}
            <form method="post" action="/checkout">
                <input type="hidden" name="token" value=token/>
                <input type="hidden" name="items" value=items_sent/>
                <button class="button button--primary" type="submit">
                    "Buy"
                    {tally(Total::Buy, known)}
                </button>
                " "
                <a class="button button--quiet" href="/">
                    "Choose more"
                </a>
            </form>
            {totals(known)}
        }
        .into_any()
    };
    view! {
        <DrawingSheet/>
        <section class="cart">
            <h1>"Your cart"</h1>
            {message.map(notice)}
            {content}
        </section>
    }
    .into_any()
}

fn line(choice: Choice) -> AnyView {
    view! {
        <li class="cart__item">
            <Drawing style=garment(&choice) color=cloth(&choice)/>
            <span>{caption(&choice)}</span>
        </li>
    }
    .into_any()
}

fn total(count: usize) -> String {
    match count {
        1 => "1 thing, at the usual price: nothing".to_owned(),
        _ => format!("{count} things, at the usual price: nothing"),
    }
}
