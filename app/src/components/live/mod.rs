//! The islands: all that the browser's bundle does.
//!
//! An island wakes around markup that the server has rendered and never renders it again: it listens,
//! sets attributes, and puts in HTML that the server made. So the bundle holds no page, no receipt and
//! no drawing, and whatever it does also works without it, by the same forms and addresses.

mod answer;
mod browser;
mod form;
mod pipeline;
mod totals;

use leptos::html;
use leptos::prelude::*;

/// The shop's form, alive: options appear and the drawing changes at once, the address follows, and a
/// click is added without leaving the page.
#[island]
pub fn LiveShop(children: Children) -> impl IntoView {
    let root = NodeRef::<html::Div>::new();
    Effect::new(move || {
        if let Some(root) = root.get() {
            form::wake(&root);
        }
    });
    view! {
        <div
            node_ref=root
            on:input=move |event| form::on_input(&event)
            on:change=move |event| form::on_change(&event)
            on:submit=move |event| form::on_submit(&event)
            on:click=move |event| {
                form::on_click(&event);
                answer::on_click(&event);
            }
        >
            {children()}
        </div>
    }
}

/// A receipt, alive: it says by itself when the click has become a row.
#[island]
pub fn LiveReceipt(children: Children) -> impl IntoView {
    let root = NodeRef::<html::Div>::new();
    Effect::new(move || {
        if let Some(root) = root.get() {
            answer::wake(&root);
        }
    });
    view! {
        <div node_ref=root on:click=move |event| answer::on_click(&event)>
            {children()}
        </div>
    }
}

/// The totals, alive: they follow everybody's clicks.
#[island]
pub fn LiveTotals(children: Children) -> impl IntoView {
    Effect::new(totals::wake);
    view! { <div>{children()}</div> }
}

/// The pipeline's figures, alive: each change arrives by itself.
#[island]
pub fn LivePipeline(children: Children) -> impl IntoView {
    let root = NodeRef::<html::Div>::new();
    Effect::new(move || {
        if let Some(root) = root.get() {
            pipeline::wake(&root);
        }
    });
    view! { <div node_ref=root>{children()}</div> }
}
