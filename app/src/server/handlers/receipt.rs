//! `GET /receipt/{id}`: the page of one click, and `GET /receipt/{id}/progress`: news of it.

use super::{Shape, not_found};
use crate::address;
use crate::components::receipt::receipt as markup;
use crate::components::shell::{Frame, Refresh};
use crate::pages::receipt::receipt as content;
use crate::server::cookies::{self, SENT};
use crate::server::form::Form;
use crate::server::receipts;
use crate::server::render::{fragment, frame, page};
use crate::server::state::Shop;
use crate::server::visitor::Visitor;
use axum::Json;
use axum::extract::rejection::PathRejection;
use axum::extract::{FromRequestParts, Path, State};
use axum::http::request::Parts;
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

/// A request for a receipt: its address read, and what the browser carries along.
pub struct Asked {
    /// The receipt; none when the address is that of none.
    receipt: Option<Receipt>,
    /// Whether the page asks by itself, again.
    again: bool,
    /// The JSON of the click, in the browser that sent it.
    message: Option<String>,
}

impl<S: Send + Sync> FromRequestParts<S> for Asked {
    type Rejection = PathRejection;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, PathRejection> {
        let Path(id) = Path::<String>::from_request_parts(parts, state).await?;
        let query = Form::parse(parts.uri.query().unwrap_or_default().as_bytes());
        Ok(Self {
            receipt: receipts::read(&id, &query),
            again: query.get("again").is_some(),
            message: cookies::read(&parts.headers, SENT),
        })
    }
}

/// The receipt as a page. It loads itself again, without being another page view, until there is no
/// news to come.
pub async fn show(State(shop): State<Shop>, mut visitor: Visitor, asked: Asked) -> Response {
    let Some(receipt) = asked.receipt else {
        return not_found::answer(&shop, &visitor);
    };
    if !asked.again {
        shop.views.record(&mut visitor);
    }
    let news = receipts::news(&shop, &receipt, PAGE_PATIENCE).await;
    let back = asked.message.as_deref().map(choice_of).unwrap_or_default();
    let back = address::shop(&back);
    let refresh = (news.progress == Progress::Waiting).then(|| refresh(&news.receipt));
    let view = receipts::view(&shop, news, asked.message, false);
    let frame = Frame {
        refresh,
        ..frame(&visitor, "Your receipt", "/receipt")
    };
    let staff = visitor.staff;
    page(&shop, &visitor, StatusCode::OK, frame, || {
        content(view, back, staff)
    })
}

/// News of a receipt: held open until there is some, at most [`LONG_POLL`]. JSON, unless an island asks.
pub async fn progress(State(shop): State<Shop>, headers: HeaderMap, asked: Asked) -> Response {
    let Some(receipt) = asked.receipt else {
        let error = json!({ "error": "no receipt has this address" });
        return (StatusCode::NOT_FOUND, Json(error)).into_response();
    };
    let news = receipts::news(&shop, &receipt, LONG_POLL).await;
    if Shape::of(&headers, Shape::Json) != Shape::Fragment {
        return ([(header::CACHE_CONTROL, "no-store")], Json(news)).into_response();
    }
    let view = receipts::view(&shop, news, asked.message, true);
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
