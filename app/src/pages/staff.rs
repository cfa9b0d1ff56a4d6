//! The sign-in of the staff, and what those see who may not.

use crate::components::choice::beside;
use leptos::prelude::*;

/// What the page says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StaffView {
    /// Give the token; `wrong` after one that was not it.
    SignIn {
        /// Whether a wrong one was given just now.
        wrong: bool,
    },
    /// There is nothing to give.
    NotHere,
    /// Signed in, or a peer.
    Inside,
}

/// The page's content.
pub fn staff(page: StaffView) -> AnyView {
    match page {
        StaffView::SignIn { wrong } => sign_in(wrong),
        StaffView::NotHere => view! {
            <section class="prose">
                <h1>"For the staff alone"</h1>
                <p>
                    "This page is shown on the machine that the shop runs on (ask for it as "
                    <code>"127.0.0.1"</code>
                    " or "
                    <code>"localhost"</code>
                    ", without a proxy between), or to those who know the staff's token. The operator sets "
                    <code>"STAFF_TOKEN"</code>
                    ", and "
                    <code>"STAFF_PEERS"</code>
                    " for other machines."
                </p>
                <a class="button button--primary" href="/">
                    "To the shop"
                </a>
            </section>
        }
        .into_any(),
        StaffView::Inside => view! {
            <section class="prose">
                <h1>"You are staff here"</h1>
                <p>
                    <a class="button button--primary" href="/pipeline">
                        "To the pipeline"
                    </a>
                </p>
                <form method="post" action="/staff/out">
                    <button class="button" type="submit">
                        "Sign out"
                    </button>
                </form>
            </section>
        }
        .into_any(),
    }
}

fn sign_in(wrong: bool) -> AnyView {
    let error = wrong.then(|| "This is not the token.".to_owned());
    let invalid = wrong.then_some("true");
    let described = wrong.then_some("token-error");
    view! {
        <section class="prose">
            <h1>"For the staff"</h1>
            <form method="post" action="/staff">
                <div class="field">
                    <label class="field__label" for="token">
                        "The staff's token"
                    </label>
                    <input
                        class="field__input"
                        id="token"
                        name="token"
                        type="password"
                        required
                        autocomplete="current-password"
                        autofocus
                        aria-invalid=invalid
                        aria-describedby=described
                    />
                    {beside("token", error)}
                </div>
                <button class="button button--primary" type="submit">
                    "Sign in"
                </button>
            </form>
        </section>
    }
    .into_any()
}
