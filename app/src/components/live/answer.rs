//! The receipt in the page: asks for news until the click is a row, says it aloud, copies the query.

use super::browser::{ask, copy, find, find_all, set_hidden, sleep, target};
use leptos::task::spawn_local;
use web_sys::{Element, Event};

/// How long to wait after an answer without news, or without an answer, in milliseconds.
const PAUSE_MS: i32 = 300;
const PAUSE_AFTER_FAILURE_MS: i32 = 2000;

/// Wakes the receipt that the server has rendered below `root`.
pub fn wake(root: &Element) {
    for button in find_all::<Element>(root, "[data-copy]") {
        set_hidden(&button, false);
    }
    follow(root.clone());
}

/// Puts the server's HTML into the page and says its status aloud.
pub fn show(root: &Element, html: &str) {
    let Some(place) = find::<Element>(root, "[data-answer]") else {
        return;
    };
    place.set_inner_html(html);
    wake(root);
    let status = find::<Element>(&place, "[data-status],[data-notice]");
    if let (Some(status), Some(voice)) = (status, find::<Element>(root, "[data-announce]")) {
        voice.set_text_content(status.text_content().as_deref());
    }
}

/// Asks for the next state of the waiting receipt, until there is none to come or another receipt has
/// taken its place.
fn follow(root: Element) {
    let Some(href) = next_address(&root) else {
        return;
    };
    spawn_local(async move {
        loop {
            let reply = ask(&href, None).await;
            if next_address(&root).as_deref() != Some(&href) {
                return;
            }
            match reply {
                // Another address to ask is news, too: a click that was kept on disk has come to Kafka.
                Some(reply) if reply.ok && waits_at(&root, &reply.html).as_ref() != Some(&href) => {
                    return show(&root, &reply.html);
                }
                Some(reply) if reply.ok => sleep(PAUSE_MS).await,
                _ => sleep(PAUSE_AFTER_FAILURE_MS).await,
            }
        }
    });
}

/// Where the server's HTML says to ask next, if it is still a waiting receipt. Asked of the elements, never
/// of the text: a visitor's name may read like an attribute.
fn waits_at(root: &Element, html: &str) -> Option<String> {
    let piece = root.owner_document()?.create_element("div").ok()?;
    piece.set_inner_html(html);
    next_address(&piece)
}

fn next_address(root: &Element) -> Option<String> {
    find::<Element>(root, "[data-progress]")?.get_attribute("data-progress")
}

/// Copies what a copy button is for, and says so on the button.
pub fn on_click(event: &Event) {
    let Some(button) = target::<Element>(event).filter(|e| e.has_attribute("data-copy")) else {
        return;
    };
    let text = button.get_attribute("data-copy").and_then(|id| {
        button
            .owner_document()?
            .get_element_by_id(&id)?
            .text_content()
    });
    spawn_local(async move {
        let done = copy(&text.unwrap_or_default()).await;
        let word = if done {
            "Copied"
        } else {
            "Please copy by hand"
        };
        button.set_text_content(Some(word));
    });
}
