//! The few things the islands ask of a browser, in the few ways they ask.
//!
//! A missing element or a refused call is never a panic: the page works without the island.

use js_sys::{Function, Object, Reflect};
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::{Element, Event, Headers, RequestInit, Response, UrlSearchParams, Window};

/// The page's window; none only outside a page.
pub fn window() -> Option<Window> {
    web_sys::window()
}

/// The first element below `root` that a CSS selector finds, as the type it must have.
pub fn find<T: JsCast>(root: &Element, selector: &str) -> Option<T> {
    root.query_selector(selector).ok()??.dyn_into().ok()
}

/// All elements below `root` that a CSS selector finds and that have the type.
pub fn find_all<T: JsCast>(root: &Element, selector: &str) -> Vec<T> {
    let Ok(list) = root.query_selector_all(selector) else {
        return Vec::new();
    };
    (0..list.length())
        .filter_map(|at| list.get(at)?.dyn_into().ok())
        .collect()
}

/// The element that an event happened to.
pub fn target<T: JsCast>(event: &Event) -> Option<T> {
    event.target()?.dyn_into().ok()
}

/// Shows or hides an element.
pub fn set_hidden(element: &Element, hidden: bool) {
    let _ = element.toggle_attribute_with_force("hidden", hidden);
}

/// What the server answered with.
pub struct Reply {
    /// A piece of HTML.
    pub html: String,
    /// Whether what was asked for happened.
    pub ok: bool,
}

/// Asks the shop for a piece of HTML; posts when there is a body. None when it cannot be reached.
pub async fn ask(href: &str, body: Option<&UrlSearchParams>) -> Option<Reply> {
    let headers = Headers::new().ok()?;
    headers.set("X-Fragment", "1").ok()?;
    let request = RequestInit::new();
    request.set_headers(&headers);
    if let Some(body) = body {
        request.set_method("POST");
        request.set_body(body);
    }
    let answer = JsFuture::from(window()?.fetch_with_str_and_init(href, &request)).await;
    let response: Response = answer.ok()?.dyn_into().ok()?;
    let html = JsFuture::from(response.text().ok()?)
        .await
        .ok()?
        .as_string()?;
    Some(Reply {
        html,
        ok: response.ok(),
    })
}

/// Asks the shop for JSON. None when it cannot be reached, or has nothing to say.
pub async fn ask_json(href: &str) -> Option<JsValue> {
    let answer = JsFuture::from(window()?.fetch_with_str(href)).await.ok()?;
    let response: Response = answer.dyn_into().ok()?;
    if !response.ok() {
        return None;
    }
    JsFuture::from(response.json().ok()?).await.ok()
}

/// Has the page's tracker tell of an event with these properties. Its id; none where there is no tracker.
pub fn track(event: &str, properties: &[(&str, String)]) -> Option<String> {
    let tracker = Reflect::get(window()?.as_ref(), &"clickshop".into()).ok()?;
    let track: Function = Reflect::get(&tracker, &"track".into())
        .ok()?
        .dyn_into()
        .ok()?;
    let told = Object::new();
    for (name, value) in properties {
        Reflect::set(&told, &(*name).into(), &value.into()).ok()?;
    }
    track
        .call2(&tracker, &event.into(), &told)
        .ok()?
        .as_string()
}

/// Waits.
pub async fn sleep(milliseconds: i32) {
    let timer = js_sys::Promise::new(&mut |resolve, _| {
        if let Some(window) = window() {
            let _ = window
                .set_timeout_with_callback_and_timeout_and_arguments_0(&resolve, milliseconds);
        }
    });
    let _ = JsFuture::from(timer).await;
}

/// Puts a text into the clipboard; false where the page may not (plain HTTP from another machine).
pub async fn copy(text: &str) -> bool {
    let Some(window) = window() else { return false };
    let clipboard = window.navigator().clipboard();
    if JsValue::from(&clipboard).is_undefined() {
        return false;
    }
    JsFuture::from(clipboard.write_text(text)).await.is_ok()
}
