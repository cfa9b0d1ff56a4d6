//! `GET /receipt/{id}`: the page of one click, and `GET /receipt/{id}/progress`: news of it.

use super::{Shape, not_found};
use crate::address;
use crate::components::receipt::receipt as markup;
use crate::components::shell::{Frame, Refresh};
use crate::pages::receipt::receipt as content;
use crate::server::cookies::{self, SENT};
use crate::server::form::Form;
use crate::server::receipts;
use crate::server::render::{fragment, page};
use crate::server::state::Shop;
use crate::server::visitor::Visitor;
use axum::Json;
use axum::extract::{Path, RawQuery, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use chrono::Utc;
use domain::Choice;
use domain::receipt::{Progress, Receipt};
use serde_json::{Value, json};
use std::time::Duration;

/// How long a page waits for the row before it says "on its way".
const PAGE_PATIENCE: Duration = Duration::from_millis(300);
/// How long an island's question is held open for news.
const LONG_POLL: Duration = Duration::from_secs(10);

/// The receipt as a page. It loads itself again, without being another page view, until there is no
/// news to come.
pub async fn show(
    State(shop): State<Shop>,
    visitor: Visitor,
    Path(id): Path<String>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Response {
    let query = Form::parse(query.unwrap_or_default().as_bytes());
    let Some(receipt) = receipts::read(&id, &query) else {
        return not_found::answer(&shop, &visitor);
    };
    if query.get("again").is_none() {
        shop.views.record(&visitor);
    }
    let progress = receipts::progress(&shop, &receipt, PAGE_PATIENCE).await;
    let message = cookies::read(&headers, SENT);
    let back = address::shop(&message.as_deref().map(choice_of).unwrap_or_default());
    let refresh = (progress == Progress::Waiting).then(|| refresh(&receipt));
    let view = receipts::view(&shop, &receipt, message, progress, false);
    let frame = Frame {
        title: "Your receipt".to_owned(),
        cart_items: visitor.cart.len(),
        path: "/receipt",
        refresh,
        ..Frame::default()
    };
    page(&shop, &visitor, StatusCode::OK, frame, || {
        content(view, back)
    })
}

/// News of a receipt: held open until there is some, at most [`LONG_POLL`]. JSON, unless an island asks.
pub async fn progress(
    State(shop): State<Shop>,
    Path(id): Path<String>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Response {
    let query = Form::parse(query.unwrap_or_default().as_bytes());
    let Some(receipt) = receipts::read(&id, &query) else {
        let error = json!({ "error": "no receipt has this address" });
        return (StatusCode::NOT_FOUND, Json(error)).into_response();
    };
    let progress = receipts::progress(&shop, &receipt, LONG_POLL).await;
    if Shape::of(&headers, Shape::Json) != Shape::Fragment {
        return ([(header::CACHE_CONTROL, "no-store")], Json(progress)).into_response();
    }
    let message = cookies::read(&headers, SENT);
    let view = receipts::view(&shop, &receipt, message, progress, true);
    fragment(StatusCode::OK, || markup(view))
}

/// Soon while the click is young, then with more patience: the consumer may be away for a while.
fn refresh(receipt: &Receipt) -> Refresh {
    let age = Utc::now() - receipt.received_at;
    Refresh {
        seconds: if age.num_seconds() < 30 { 1 } else { 5 },
        href: format!("{}&again=1", receipts::address(receipt)),
    }
}

/// The choice in a message, to go back to; whatever is not understood is open.
fn choice_of(message: &str) -> Choice {
    let message: Value = serde_json::from_str(message).unwrap_or_default();
    let value_of = |name: &str| message[name].as_str().map(str::to_owned);
    address::read_usable(value_of).0
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::catalogue::Style;

    #[test]
    fn the_way_back_leads_to_the_same_choice() {
        let choice = choice_of(r#"{"category":"shirt","style":"Polo shirt","size":null}"#);
        assert_eq!(choice.style, Some(Style::Polo));
        assert_eq!(choice.size, None);
        assert_eq!(choice_of("no JSON"), Choice::default());
    }
}
