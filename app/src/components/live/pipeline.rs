//! The pipeline's page in the browser: told of every change by the server, it exchanges the parts that
//! changed and leaves the others alone, so that nobody loses the place they read at.

use super::browser::{find, find_all, set_hidden, sleep};
use leptos::task::spawn_local;
use wasm_bindgen::JsCast;
use wasm_bindgen::closure::Closure;
use web_sys::{Element, Event, EventSource, MessageEvent};

/// How long to wait before asking again a server that refused, in milliseconds. One that only fell silent
/// is asked again by the browser itself.
const PAUSE_AFTER_REFUSAL_MS: i32 = 3000;

/// Listens for news from now on.
pub fn wake(root: &Element) {
    let news = find::<Element>(root, "[data-news]").and_then(|el| el.get_attribute("data-news"));
    if let Some(news) = news {
        listen(root.clone(), news);
    }
}

fn listen(root: Element, href: String) {
    let Ok(source) = EventSource::new(&href) else {
        return;
    };
    let told = {
        let root = root.clone();
        Closure::<dyn FnMut(MessageEvent)>::new(move |event: MessageEvent| {
            if let Some(html) = event.data().as_string() {
                set_stale(&root, false);
                show(&root, &html);
            }
        })
    };
    source.set_onmessage(Some(told.as_ref().unchecked_ref()));
    told.forget();
    let failed = {
        let source = source.clone();
        Closure::<dyn FnMut(Event)>::new(move |_| {
            set_stale(&root, true);
            if source.ready_state() == EventSource::CLOSED {
                again(root.clone(), href.clone());
            }
        })
    };
    source.set_onerror(Some(failed.as_ref().unchecked_ref()));
    failed.forget();
}

fn again(root: Element, href: String) {
    spawn_local(async move {
        sleep(PAUSE_AFTER_REFUSAL_MS).await;
        listen(root, href);
    });
}

fn set_stale(root: &Element, stale: bool) {
    if let Some(notice) = find::<Element>(root, "[data-stale]") {
        set_hidden(&notice, !stale);
    }
}

/// Puts in the parts that are other ones now.
fn show(root: &Element, html: &str) {
    let piece = root
        .owner_document()
        .and_then(|page| page.create_element("div").ok());
    let Some(piece) = piece else { return };
    piece.set_inner_html(html);
    for part in find_all::<Element>(root, "[data-part]") {
        let name = part.get_attribute("data-part").unwrap_or_default();
        let news = find::<Element>(&piece, &format!("[data-part={name}]"));
        let news = news.map(|news| news.inner_html());
        if let Some(news) = news.filter(|news| *news != part.inner_html()) {
            part.set_inner_html(&news);
        }
    }
}
