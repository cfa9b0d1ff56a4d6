//! A page's content made into an answer: one document, rendered in one go.
//!
//! Handlers have read everything before they render, so there is nothing to stream or to wait for, and
//! rendering is a plain function of its values. That is why the shop needs neither `leptos_axum` nor a
//! router in the browser: a page costs one walk over its view, and an answer has any status it likes.

use super::state::Shop;
use super::visitor::{View, Visitor};
use crate::components::shell::{Frame, document};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{Html, IntoResponse, Response};
use hydration_context::SsrSharedContext;
use leptos::config::LeptosOptions;
use leptos::hydration::AutoReload;
use leptos::nonce::{provide_nonce, use_nonce};
use leptos::prelude::*;
use std::fmt::Write as _;
use std::sync::Arc;

/// Who may frame, load, run and be posted to: this site, and one inline script by its nonce.
const POLICY: &str = "default-src 'self'; style-src 'self'; img-src 'self'; object-src 'none'; \
    base-uri 'none'; form-action 'self'; frame-ancestors 'none'";

/// What is around a page for this visitor; the rest is filled in by [`page`].
pub fn frame(visitor: &Visitor, title: &str, path: &'static str) -> Frame {
    Frame {
        title: title.to_owned(),
        cart_items: visitor.cart.len(),
        path,
        ..Frame::default()
    }
}

/// Answers with a whole page.
pub fn page<V: IntoView + 'static>(
    shop: &Shop,
    visitor: &Visitor,
    status: StatusCode,
    frame: Frame,
    content: impl FnOnce() -> V,
) -> Response {
    let mut nonce = String::new();
    let html = html(|| {
        provide_nonce();
        nonce = use_nonce()
            .map(|nonce| nonce.to_string())
            .unwrap_or_default();
        let frame = Frame {
            username: frame.username.or_else(|| visitor.name()),
            staff: visitor.staff,
            tracked: (shop.tracker.as_ref())
                .and_then(|tracker| visitor.tracked(tracker.write_key.clone())),
            assets: shop.site.assets(),
            nonce: nonce.clone(),
            ..frame
        };
        let reload = shop.reload_port.map(reload_script);
        document(frame, (content(), reload))
    });
    let mut answer = (status, Html(html)).into_response();
    let headers = answer.headers_mut();
    if let Ok(policy) = HeaderValue::try_from(policy(&nonce, shop.reload_port)) {
        headers.insert(header::CONTENT_SECURITY_POLICY, policy);
    }
    // The visitor's own page: kept by the browser for Back, asked for anew otherwise.
    headers.insert(
        header::CACHE_CONTROL,
        HeaderValue::from_static("private, no-cache"),
    );
    // A visit ends half an hour after its last event; what is no event does not prolong it.
    let viewed = matches!(visitor.view, View::Recorded(_));
    let visit = viewed.then(|| visitor.session_cookie());
    with_cookies(answer, visit)
}

/// Answers with a piece of a page, for an island.
pub fn fragment<V: IntoView + 'static>(
    status: StatusCode,
    content: impl FnOnce() -> V,
) -> Response {
    let no_store = [(header::CACHE_CONTROL, "no-store")];
    (status, no_store, Html(html(content))).into_response()
}

/// Adds cookies to an answer.
pub fn with_cookies(
    mut answer: Response,
    cookies: impl IntoIterator<Item = Option<HeaderValue>>,
) -> Response {
    for cookie in cookies.into_iter().flatten() {
        answer.headers_mut().append(header::SET_COOKIE, cookie);
    }
    answer
}

/// Renders a view in an owner of its own, which is gone afterwards.
pub fn html<V: IntoView + 'static>(view: impl FnOnce() -> V) -> String {
    let owner = Owner::new_root(Some(Arc::new(SsrSharedContext::new_islands())));
    let html = owner.with(|| view().into_view().to_html());
    owner.unset_with_forced_cleanup();
    html
}

fn policy(nonce: &str, reload_port: Option<u16>) -> String {
    let mut policy = format!(
        "{POLICY}; script-src 'self' 'nonce-{nonce}' 'wasm-unsafe-eval'; connect-src 'self'"
    );
    if let Some(port) = reload_port {
        let _ = write!(policy, " ws://127.0.0.1:{port} ws://localhost:{port}");
    }
    policy
}

fn reload_script(port: u16) -> impl IntoView {
    let options = LeptosOptions::builder()
        .output_name("app")
        .reload_port(u32::from(port))
        .build();
    view! { <AutoReload options=options/> }
}
