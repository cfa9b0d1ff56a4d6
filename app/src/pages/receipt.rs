//! A receipt with an address of its own: it can be reloaded, kept and shared.

use crate::components::live::LiveReceipt;
use crate::components::receipt::{ReceiptView, receipt as markup};
use leptos::prelude::*;

/// The page's content; `back` leads to the shop with the same choice, where it is known, and `staff` may
/// look at everybody's clicks.
pub fn receipt(page: ReceiptView, back: String, staff: bool) -> AnyView {
    let answer = view! {
        <div data-answer="">{markup(page)}</div>
        <p class="visually-hidden" role="status" data-announce=""></p>
    };
    let pipeline = staff.then(|| {
        view! {
            " "
            <a class="button button--quiet" href="/pipeline">
                "To the pipeline"
            </a>
        }
    });
    view! {
        <LiveReceipt>{answer}</LiveReceipt>
        <p class="receipt__next">
            <a class="button" href=back>
                "Back to the shop"
            </a>
            " "
            <a class="button button--quiet" href="/cart">
                "To the cart"
            </a>
            {pipeline}
        </p>
    }
    .into_any()
}
