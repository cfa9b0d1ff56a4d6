//! `POST /cart` is the click that the whole shop is about; `GET /cart` shows what it gathered.

use super::{Shape, hello, not_accepted, see, with_retry_after};
use crate::components::notice::{Notice, notice};
use crate::components::receipt::receipt as receipt_markup;
use crate::pages::cart::{CartView, cart as content};
use crate::pages::shop::ShopView;
use crate::server::cart::{CAPACITY, Cart};
use crate::server::form::{Form, new_token};
use crate::server::receipts;
use crate::server::render::{fragment, frame, page, with_cookies};
use crate::server::state::Shop;
use crate::server::visitor::{Visitor, once};
use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use collector::{AcceptError, Accepted};
use domain::choice::FieldError;
use domain::{Choice, EventType, ids};
use leptos::prelude::{CustomAttribute, ElementChild, view};
use serde_json::{Value, json};
use std::time::Duration;
use uuid::Uuid;

/// How long an island's first answer may wait for the row, which mostly is there by then.
const FIRST_LOOK: Duration = Duration::from_millis(60);

/// `GET /cart`.
pub async fn show(State(shop): State<Shop>, mut visitor: Visitor) -> Response {
    if visitor.username.is_none() {
        shop.views.record(&mut visitor);
        return hello::show(&shop, &visitor, Choice::default());
    }
    shop.views.record(&mut visitor);
    answer(
        &shop,
        &visitor,
        StatusCode::OK,
        &visitor.cart,
        new_token(),
        None,
    )
}

/// The cart's page in any state; `cart` is what it shows, and what its button buys.
pub fn answer(
    shop: &Shop,
    visitor: &Visitor,
    status: StatusCode,
    cart: &Cart,
    token: Uuid,
    notice: Option<Notice>,
) -> Response {
    let view = CartView {
        items: cart.choices().collect(),
        items_sent: cart.write(),
        token: token.to_string(),
        capacity: CAPACITY,
        notice,
        totals: shop.totals(),
    };
    let frame = frame(visitor, "Your cart", "/cart");
    page(shop, visitor, status, frame, || content(view))
}

/// `POST /cart`: one choice, accepted or not, and never claimed before Kafka has it.
pub async fn add(
    State(shop): State<Shop>,
    visitor: Visitor,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let form = Form::parse(&body);
    let shape = Shape::of(&headers, Shape::Page);
    let Some(username) = &visitor.username else {
        return without_a_name(&form, shape);
    };
    let (choice, token) = match read(&form) {
        Ok(read) => read,
        Err(errors) => return refused(&shop, &visitor, &form, shape, errors),
    };
    let id = ids::from_form(token, username.as_str(), EventType::ADD_TO_CART, &choice);
    let draft = visitor.on_the_page_before(EventType::ADD_TO_CART);
    match shop
        .collector
        .accept_one(once(id, Some(choice), draft))
        .await
    {
        Ok(accepted) => added(&shop, &visitor, shape, choice, accepted).await,
        Err(error) => not_added(&shop, &visitor, shape, choice, token, &error),
    }
}

/// The choice and the token of a form, or what is wrong with it.
fn read(form: &Form) -> Result<(Choice, Uuid), Vec<FieldError>> {
    let choice = form.choice();
    let token = form.token().ok_or_else(|| FieldError {
        field: "token".to_owned(),
        message: "This form is incomplete or too old; here is a fresh one.".to_owned(),
    });
    match (choice, token) {
        (Ok(choice), Ok(token)) => Ok((choice, token)),
        (Err(mut errors), token) => {
            errors.extend(token.err());
            Err(errors)
        }
        (Ok(_), Err(error)) => Err(vec![error]),
    }
}

/// Accepted: the receipt, and the choice in the cart.
async fn added(
    shop: &Shop,
    visitor: &Visitor,
    shape: Shape,
    choice: Choice,
    accepted: Accepted,
) -> Response {
    let receipt = accepted.receipt;
    let mut cart = visitor.cart.clone();
    cart.add(receipt.event_id, choice);
    let cookies = [
        visitor.cart_cookie(&cart),
        visitor.sent_cookie(&accepted),
        visitor.session_cookie(),
    ];
    let answer = match shape {
        Shape::Page => see(&receipts::address(&receipt)),
        Shape::Json => {
            let message: Value = serde_json::from_str(&accepted.json).unwrap_or_default();
            Json(json!({
                "receipt": receipt,
                "message": message,
                "href": receipts::address(&receipt),
                "progress": receipts::progress_address(&receipt),
                "token": new_token(),
                "cart": cart.len(),
            }))
            .into_response()
        }
        Shape::Fragment => {
            let view = receipts::fresh_view(shop, accepted, FIRST_LOOK).await;
            let count = cart.len();
            fragment(StatusCode::OK, move || {
                view! {
                    <div data-token=new_token().to_string() data-cart=count>
                        {receipt_markup(view)}
                    </div>
                }
            })
        }
    };
    with_cookies(answer, cookies)
}

/// Not accepted: the choice stays in the form, under the same token, so that trying again is the same
/// click.
fn not_added(
    shop: &Shop,
    visitor: &Visitor,
    shape: Shape,
    choice: Choice,
    token: Uuid,
    error: &AcceptError,
) -> Response {
    let (status, text) = not_accepted(error);
    let answer = match shape {
        Shape::Page => {
            let view = ShopView {
                choice,
                token: token.to_string(),
                notice: Some(Notice::Error(text)),
                ..ShopView::default()
            };
            super::shop::answer(shop, visitor, status, view)
        }
        Shape::Fragment => fragment(status, || notice(Notice::Error(text))),
        Shape::Json => (status, Json(json!({ "error": text }))).into_response(),
    };
    with_retry_after(answer, error)
}

/// Fields that cannot be used: a message beside each, and nothing produced.
fn refused(
    shop: &Shop,
    visitor: &Visitor,
    form: &Form,
    shape: Shape,
    errors: Vec<FieldError>,
) -> Response {
    let status = StatusCode::UNPROCESSABLE_ENTITY;
    let words: Vec<_> = errors.iter().map(|error| error.message.as_str()).collect();
    let text = format!("Nothing was added. {}", words.join(" "));
    match shape {
        Shape::Page => {
            let view = ShopView {
                choice: form.usable_choice().0,
                token: form.token().unwrap_or_else(new_token).to_string(),
                errors,
                notice: Some(Notice::Error(text)),
                ..ShopView::default()
            };
            super::shop::answer(shop, visitor, status, view)
        }
        Shape::Fragment => fragment(status, || notice(Notice::Error(text))),
        Shape::Json => (status, Json(json!({ "errors": errors }))).into_response(),
    }
}

/// A click without an owner: the name comes first, the choice is kept in the address.
fn without_a_name(form: &Form, shape: Shape) -> Response {
    const TEXT: &str =
        "The shop no longer knows your name; please reload the page and give it again.";
    let status = StatusCode::UNPROCESSABLE_ENTITY;
    match shape {
        Shape::Page => see(&crate::address::shop(&form.usable_choice().0)),
        Shape::Fragment => fragment(status, || notice(Notice::Error(TEXT.to_owned()))),
        Shape::Json => {
            let errors = [FieldError {
                field: "username".to_owned(),
                message: TEXT.to_owned(),
            }];
            (status, Json(json!({ "errors": errors }))).into_response()
        }
    }
}
