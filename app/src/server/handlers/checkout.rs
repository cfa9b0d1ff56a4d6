//! `POST /checkout`: the pretended purchase, which is a real click; then `GET /thanks`.

use super::{not_accepted, see, with_retry_after};
use crate::components::notice::Notice;
use crate::pages::thanks::thanks as content;
use crate::server::cart::Cart;
use crate::server::form::Form;
use crate::server::receipts;
use crate::server::render::{frame, page, with_cookies};
use crate::server::state::Shop;
use crate::server::visitor::{Visitor, once};
use axum::body::Bytes;
use axum::extract::{RawQuery, State};
use axum::http::StatusCode;
use axum::response::Response;
use domain::{EventType, ids};
use serde_json::{Map, Value, json};

/// Buys what the form showed, which may be less than lies in the cart by now.
pub async fn buy(State(shop): State<Shop>, visitor: Visitor, body: Bytes) -> Response {
    let form = Form::parse(&body);
    let shown = Cart::read(form.get("items").unwrap_or_default());
    let (Some(token), Some(username), false) = (form.token(), &visitor.username, shown.is_empty())
    else {
        return see("/cart");
    };
    let id = ids::from_cart(token, username.as_str(), &shown.write());
    let mut draft = once(id, None, visitor.on_the_page_before(EventType::BUY));
    draft.properties = properties(&shown);
    match shop.collector.accept_one(draft).await {
        Ok(accepted) => {
            let mut left = visitor.cart.clone();
            left.remove(&shown);
            let receipt = accepted.receipt;
            let thanks = format!(
                "/thanks?id={}&{}",
                receipt.event_id,
                receipts::query(&receipt)
            );
            with_cookies(
                see(&thanks),
                [
                    visitor.cart_cookie(&left),
                    visitor.sent_cookie(&accepted),
                    visitor.session_cookie(),
                ],
            )
        }
        Err(error) => {
            let (status, text) = not_accepted(&error);
            let notice = Some(Notice::Error(text));
            // The same things under the same token: trying again is the same purchase.
            let answer = super::cart::answer(&shop, &visitor, status, &shown, token, notice);
            with_retry_after(answer, &error)
        }
    }
}

/// What was bought: each thing with its five options, open ones null.
fn properties(cart: &Cart) -> Map<String, Value> {
    let items: Vec<Value> = cart.choices().map(|choice| json!(choice)).collect();
    Map::from_iter([("items".to_owned(), Value::Array(items))])
}

/// `GET /thanks`.
pub async fn thanks(
    State(shop): State<Shop>,
    mut visitor: Visitor,
    RawQuery(query): RawQuery,
) -> Response {
    let query = Form::parse(query.unwrap_or_default().as_bytes());
    let receipt = query
        .get("id")
        .and_then(|id| receipts::read(id, &query))
        .map(|receipt| receipts::address(&receipt));
    shop.views.record(&mut visitor);
    let frame = frame(&visitor, "Thank you", "/thanks");
    page(&shop, &visitor, StatusCode::OK, frame, || content(receipt))
}
