//! The page for an address that leads nowhere.

use leptos::prelude::*;

/// The page's content.
pub fn not_found() -> AnyView {
    view! {
        <section class="prose">
            <h1>"There is nothing here"</h1>
            <p>"The address may be mistyped, or the receipt incomplete."</p>
            <a class="button button--primary" href="/">
                "To the shop"
            </a>
        </section>
    }
    .into_any()
}
