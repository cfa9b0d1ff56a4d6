//! After the purchase.

use leptos::prelude::*;

/// The page's content; `receipt` is the address of the purchase's own receipt, where it is known.
pub fn thanks(receipt: Option<String>) -> AnyView {
    let follow = receipt.map(|href| {
        view! {
            <p>
                <a href=href>"Follow this purchase into Postgres"</a>
            </p>
        }
    });
    view! {
        <section class="thanks">
            <h1>"Thank you"</h1>
            <p>"No money moved and nothing will be sent; only the click is real."</p>
            {follow}
            <a class="button button--primary" href="/">
                "Back to the shop"
            </a>
        </section>
    }
    .into_any()
}
