//! `POST /click`: an island tells that a style was chosen. Nobody reads the answer.
//!
//! Where the page's tracker tells the same, it has given the click its id, and the two are one event: the tracker
//! does not forget it while the network is away, and this address is not blocked.

use crate::server::form::Form;
use crate::server::render::with_cookies;
use crate::server::state::Shop;
use crate::server::visitor::{Visitor, once};
use axum::body::Bytes;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use collector::{AcceptError, Draft};
use domain::EventType;

/// Records the look at a style: 204, or 422 without one, or 503 when it cannot be kept.
pub async fn record(State(shop): State<Shop>, visitor: Visitor, body: Bytes) -> Response {
    let form = Form::parse(&body);
    let choice = form.choice().ok().filter(|choice| choice.style.is_some());
    let Some(choice) = choice else {
        return StatusCode::UNPROCESSABLE_ENTITY.into_response();
    };
    let draft = visitor.on_the_page_before(EventType::ITEM_CLICK);
    let draft = match form.uuid("id").filter(|id| !id.is_nil()) {
        Some(id) => once(id, Some(choice), draft),
        None => Draft {
            choice: Some(choice),
            ..draft
        },
    };
    match shop.collector.accept_one(draft).await {
        Ok(_) => {
            let answer = StatusCode::NO_CONTENT.into_response();
            with_cookies(answer, [visitor.session_cookie()])
        }
        Err(AcceptError::Invalid(_)) => StatusCode::UNPROCESSABLE_ENTITY.into_response(),
        Err(AcceptError::Unavailable { .. } | AcceptError::Overloaded) => {
            StatusCode::SERVICE_UNAVAILABLE.into_response()
        }
    }
}
