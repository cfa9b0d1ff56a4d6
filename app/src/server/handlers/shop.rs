//! `GET /`: the shop, with what the address says is chosen.

use super::hello;
use crate::address;
use crate::components::notice::Notice;
use crate::pages::shop::{ShopView, shop as content};
use crate::server::form::{Form, new_token};
use crate::server::render::{frame, page, with_cookies};
use crate::server::state::Shop;
use crate::server::visitor::{Visitor, once};
use axum::extract::{RawQuery, State};
use axum::http::StatusCode;
use axum::response::Response;
use domain::{Choice, EventType, ids};
use uuid::Uuid;

/// The shop, or the question for a name.
///
/// An address with a form's token was sent by the button "Show options": it leads on to the address
/// that says the choice alone.
pub async fn show(
    State(shop): State<Shop>,
    mut visitor: Visitor,
    RawQuery(query): RawQuery,
) -> Response {
    let form = Form::parse(query.unwrap_or_default().as_bytes());
    if visitor.username.is_none() {
        shop.views.record(&mut visitor);
        return hello::show(&shop, &visitor, form.usable_choice().0);
    }
    if let Some(token) = form.token() {
        return show_options(&shop, &visitor, &form, token);
    }
    let (choice, errors) = form.usable_choice();
    let status = if errors.is_empty() {
        StatusCode::OK
    } else {
        StatusCode::UNPROCESSABLE_ENTITY
    };
    shop.views.record(&mut visitor);
    let view = ShopView {
        choice,
        token: new_token().to_string(),
        errors,
        ..ShopView::default()
    };
    answer(&shop, &visitor, status, view)
}

/// The shop's page in any state.
pub fn answer(shop: &Shop, visitor: &Visitor, status: StatusCode, view: ShopView) -> Response {
    let frame = frame(visitor, "The shop", "/");
    let view = ShopView {
        totals: shop.totals(),
        ..view
    };
    page(shop, visitor, status, frame, || content(view))
}

/// After "Show options": records the look at a style that was not chosen before, once for each form.
///
/// Whatever does not fit (a style of the category before) is simply open on the next page. The next
/// page's form never takes its token from an address: whoever made the address would know it.
fn show_options(shop: &Shop, visitor: &Visitor, form: &Form, token: Uuid) -> Response {
    let (choice, errors) = form.usable_choice();
    if let Some(unknown) = errors.iter().find(|error| error.field != "style") {
        let view = ShopView {
            choice,
            token: new_token().to_string(),
            notice: Some(Notice::Error(unknown.message.clone())),
            errors,
            ..ShopView::default()
        };
        return answer(shop, visitor, StatusCode::UNPROCESSABLE_ENTITY, view);
    }
    let style_before = form.get("style_before").unwrap_or_default();
    let new_style = choice
        .style
        .filter(|style| style.label() != style_before && !visitor.unseen);
    let next = super::see(&address::shop(&choice));
    if let (Some(style), Some(username)) = (new_style, &visitor.username) {
        let look = Choice {
            category: Some(style.category()),
            style: Some(style),
            ..Choice::default()
        };
        let id = ids::from_form(token, username.as_str(), EventType::ITEM_CLICK, &look);
        let draft = visitor.on_the_page_before(EventType::ITEM_CLICK);
        // The visitor asked to see options and gets them; the click is not claimed anywhere.
        shop.views.record_unwaited(once(id, Some(choice), draft));
        return with_cookies(next, [visitor.session_cookie()]);
    }
    next
}
