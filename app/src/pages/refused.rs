//! The page for a form that was not taken.

use crate::components::notice::{Notice, notice};
use leptos::prelude::*;

/// The page's content.
pub fn refused(why: &'static str) -> AnyView {
    view! {
        <section class="prose">
            <h1>"Nothing was recorded"</h1>
            {notice(Notice::Error(why.to_owned()))}
            <a class="button button--primary" href="/">
                "To the shop"
            </a>
        </section>
    }
    .into_any()
}
