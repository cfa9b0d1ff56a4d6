//! The first page: a name, and nothing else, before anything can be chosen.

use crate::components::choice::beside;
use crate::components::drawings::{Drawing, DrawingSheet};
use domain::Choice;
use domain::catalogue::{Color, Style};
use leptos::prelude::*;

/// What the page needs to know.
#[derive(Debug, Clone, Default)]
pub struct HelloView {
    /// What stands in the field: the present name, or what was refused.
    pub name: String,
    /// What is wrong with it.
    pub error: Option<String>,
    /// A choice that came with the address; it is shown once the name is given.
    pub choice: Choice,
}

/// The page's content.
pub fn hello(page: HelloView) -> AnyView {
    let HelloView {
        name,
        error,
        choice,
    } = page;
    let kept = choice
        .pairs()
        .into_iter()
        .map(|(name, value)| view! { <input type="hidden" name=name value=value/> })
        .collect_view();
    let invalid = error.is_some().then_some("true");
    let described = if error.is_some() {
        "username-hint username-error"
    } else {
        "username-hint"
    };
    let rail = Style::ALL
        .iter()
        .zip(Color::SWATCHES.iter().cycle().skip(2))
        .map(|(style, (_, color))| view! { <Drawing style=*style color=color.to_string()/> })
        .collect_view();
    view! {
        <DrawingSheet/>
        <section class="hello">
            <h1 class="hello__title">"Come in. What shall we call you?"</h1>
            <p class="hello__lead">
                "Choose a shirt or a pair of trousers, and watch your click travel through Kafka into a row in Postgres."
            </p>
            <form class="hello__form" method="post" action="/hello">
                {kept}
                <div class="field">
                    <label class="field__label" for="username">
                        "Your name"
                    </label>
                    <input
                        class="field__input"
                        id="username"
                        name="username"
                        type="text"
                        value=name
                        required
                        autocomplete="nickname"
                        autofocus
                        aria-invalid=invalid
                        aria-describedby=described
                    />
                    <p class="field__hint" id="username-hint">
                        "Up to 32 characters, in any language."
                    </p>
                    {beside("username", error)}
                </div>
                <button class="button button--primary" type="submit">
                    "Enter the shop"
                </button>
            </form>
        </section>
        <div class="rail" aria-hidden="true">
            {rail}
        </div>
    }
    .into_any()
}
