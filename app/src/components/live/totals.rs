//! The three totals in the browser: asked for about once a second while somebody can see them.
//!
//! Asked for, and not told over a connection of their own: a browser opens six of them to a site, and a visitor may
//! have more pages of the shop open than that. The answer comes from the shop's memory.

use super::browser::{ask_json, find_all, sleep, window};
use crate::figures::words::count;
use js_sys::Reflect;
use leptos::task::spawn_local;
use wasm_bindgen::JsValue;
use web_sys::Element;

/// Where the totals are.
const HREF: &str = "/api/clicks";
/// How long between two questions, and after one without an answer, in milliseconds.
const PAUSE_MS: i32 = 1000;
const PAUSE_AFTER_FAILURE_MS: i32 = 5000;

/// Keeps every total of the page up to date from now on.
pub fn wake() {
    spawn_local(async {
        loop {
            sleep(PAUSE_MS).await;
            let Some(page) = window().and_then(|window| window.document()) else {
                return;
            };
            if page.hidden() {
                continue;
            }
            match (ask_json(HREF).await, page.document_element()) {
                (Some(totals), Some(root)) => show(&root, &totals),
                _ => sleep(PAUSE_AFTER_FAILURE_MS).await,
            }
        }
    });
}

/// Puts in the totals that are other ones now, each where its name stands.
fn show(root: &Element, totals: &JsValue) {
    for place in find_all::<Element>(root, "[data-total]") {
        let name = place.get_attribute("data-total").unwrap_or_default();
        let number = Reflect::get(totals, &name.into())
            .ok()
            .and_then(|n| n.as_f64());
        let Some(number) = number else { continue };
        let text = Some(count(whole(number)));
        if place.text_content() != text {
            place.set_text_content(text.as_deref());
        }
    }
}

/// A count as JavaScript has it.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a count is whole and not negative"
)]
const fn whole(number: f64) -> u64 {
    number as u64
}
