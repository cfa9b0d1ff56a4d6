//! 404, as a page of the shop.

use crate::pages::not_found::not_found as content;
use crate::server::render::{frame, page};
use crate::server::state::Shop;
use crate::server::visitor::Visitor;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;

/// What every unknown address answers.
pub async fn show(State(shop): State<Shop>, visitor: Visitor) -> Response {
    answer(&shop, &visitor)
}

/// The page. It is no page view: most of its visitors are programs that try addresses.
pub fn answer(shop: &Shop, visitor: &Visitor) -> Response {
    let frame = frame(visitor, "Nothing here", "");
    page(shop, visitor, StatusCode::NOT_FOUND, frame, content)
}
