//! Who are you? Asked before anything is shown, and again by "not you?".

use crate::pages::hello::{HelloView, hello};
use crate::server::form::Form;
use crate::server::render::{page, with_cookies};
use crate::server::state::Shop;
use crate::server::visitor::Visitor;
use crate::{address, components::shell::Frame};
use axum::body::Bytes;
use axum::extract::{RawQuery, State};
use axum::http::StatusCode;
use axum::response::Response;
use domain::{Choice, Username};

/// Longest text that is shown again after it was refused, in characters.
const SHOWN_AGAIN_MAX: usize = 200;

/// `GET /hello`: the form, with the present name in it.
pub async fn ask(
    State(shop): State<Shop>,
    mut visitor: Visitor,
    RawQuery(query): RawQuery,
) -> Response {
    let (choice, _) = Form::parse(query.unwrap_or_default().as_bytes()).usable_choice();
    shop.views.record(&mut visitor);
    show(&shop, &visitor, choice)
}

/// The form for a visitor whose choice is shown once the name is given.
pub fn show(shop: &Shop, visitor: &Visitor, choice: Choice) -> Response {
    let view = HelloView {
        name: visitor.name().unwrap_or_default(),
        error: None,
        choice,
    };
    page(shop, visitor, StatusCode::OK, frame(), || hello(view))
}

/// `POST /hello`: remembers the name and goes on to the shop.
pub async fn answer(State(shop): State<Shop>, visitor: Visitor, body: Bytes) -> Response {
    let form = Form::parse(&body);
    let (choice, _) = form.usable_choice();
    let given = form.text("username");
    let name = given
        .map_err(|error| error.to_string())
        .and_then(|given| Username::parse(given).map_err(|error| error.to_string()));
    match name {
        Ok(name) => with_cookies(
            super::see(&address::shop(&choice)),
            [visitor.username_cookie(&name)],
        ),
        Err(error) => {
            let view = HelloView {
                name: given
                    .unwrap_or_default()
                    .chars()
                    .filter(|c| *c != '\0')
                    .take(SHOWN_AGAIN_MAX)
                    .collect(),
                error: Some(error),
                choice,
            };
            let status = StatusCode::UNPROCESSABLE_ENTITY;
            page(&shop, &visitor, status, frame(), || hello(view))
        }
    }
}

fn frame() -> Frame {
    Frame {
        title: "Come in".to_owned(),
        path: "/hello",
        ..Frame::default()
    }
}
