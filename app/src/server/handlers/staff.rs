//! Who is staff: judged once for every request, asked for where only the staff may look, and the sign-in.

use super::{Shape, see};
use crate::pages::staff::{StaffView, staff as content};
use crate::server::form::Form;
use crate::server::render::{frame, page, with_cookies};
use crate::server::staff::{Asked, Refusal, Verdict, sign_out_cookie};
use crate::server::state::Shop;
use crate::server::visitor::Visitor;
use axum::Json;
use axum::body::Bytes;
use axum::extract::{ConnectInfo, Extension, FromRequestParts as _, Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use chrono::Utc;
use collector::http::Scheme;
use serde_json::json;
use std::net::SocketAddr;
use std::time::Duration;

/// A wrong token is answered after this time: guessing takes as long as it sounds.
const AFTER_A_WRONG_ONE: Duration = Duration::from_millis(500);

/// Judges a request, for whoever wants to know further in.
pub async fn judge(State(shop): State<Shop>, mut request: Request, next: Next) -> Response {
    let peer = request.extensions().get::<ConnectInfo<SocketAddr>>();
    let verdict = shop.staff.admit(Asked {
        peer: peer.map(|peer| peer.ip()),
        uri: request.uri(),
        headers: request.headers(),
        now_s: Utc::now().timestamp(),
    });
    request.extensions_mut().insert(Verdict(verdict));
    next.run(request).await
}

/// Lets the staff through and tells everybody else why not.
pub async fn staff_only(State(shop): State<Shop>, request: Request, next: Next) -> Response {
    match Verdict::of(request.extensions()) {
        Ok(()) => next.run(request).await,
        Err(refusal) => refused(&shop, request, refusal).await,
    }
}

async fn refused(shop: &Shop, request: Request, refusal: Refusal) -> Response {
    if refusal == Refusal::WrongToken {
        tokio::time::sleep(AFTER_A_WRONG_ONE).await;
    }
    let (status, why) = match refusal {
        Refusal::SignIn => (
            StatusCode::UNAUTHORIZED,
            "for the staff: give the token as `Authorization: Bearer …`, or sign in at /staff",
        ),
        Refusal::WrongToken => (StatusCode::UNAUTHORIZED, "this is not the staff's token"),
        Refusal::NotHere => (
            StatusCode::FORBIDDEN,
            "for the staff: ask as 127.0.0.1 or localhost on the shop's own machine and without a proxy; \
             for other machines the operator sets STAFF_TOKEN or STAFF_PEERS",
        ),
    };
    let mut answer = match Shape::of(request.headers(), Shape::Json) {
        Shape::Page => {
            let (mut parts, _) = request.into_parts();
            // Whoever asks, a page can be shown: this extractor refuses nobody.
            let Ok(visitor) = Visitor::from_request_parts(&mut parts, &()).await;
            let view = match refusal {
                Refusal::NotHere => StaffView::NotHere,
                Refusal::SignIn | Refusal::WrongToken => StaffView::SignIn {
                    wrong: refusal == Refusal::WrongToken,
                },
            };
            show(shop, &visitor, status, view)
        }
        Shape::Fragment | Shape::Json => (status, Json(json!({ "error": why }))).into_response(),
    };
    if status == StatusCode::UNAUTHORIZED {
        answer
            .headers_mut()
            .insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    answer
}

/// `GET /staff`: the sign-in, or the way on for those who need none.
pub async fn ask(
    State(shop): State<Shop>,
    visitor: Visitor,
    Extension(verdict): Extension<Verdict>,
) -> Response {
    let (status, view) = match verdict.0 {
        Ok(()) => (StatusCode::OK, StaffView::Inside),
        Err(_) if shop.staff.has_token() => (StatusCode::OK, StaffView::SignIn { wrong: false }),
        Err(_) => (StatusCode::FORBIDDEN, StaffView::NotHere),
    };
    show(&shop, &visitor, status, view)
}

/// `POST /staff`: signs in whoever knows the token.
pub async fn sign_in(
    State(shop): State<Shop>,
    visitor: Visitor,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let form = Form::parse(&body);
    if !shop.staff.is_token(form.get("token").unwrap_or_default()) {
        tokio::time::sleep(AFTER_A_WRONG_ONE).await;
        if !shop.staff.has_token() {
            return show(&shop, &visitor, StatusCode::FORBIDDEN, StaffView::NotHere);
        }
        let view = StaffView::SignIn { wrong: true };
        return show(&shop, &visitor, StatusCode::UNAUTHORIZED, view);
    }
    // This cookie opens doors, so the browser's own word keeps it off plain connections, too, where nobody has named
    // the proxy. A false one harms only who says it.
    let by_browser = headers
        .get(header::ORIGIN)
        .is_some_and(|origin| origin.as_bytes().starts_with(b"https://"));
    let scheme = if by_browser {
        Scheme::Https
    } else {
        visitor.scheme
    };
    let cookie = shop.staff.sign_in_cookie(Utc::now().timestamp(), scheme);
    with_cookies(see("/pipeline"), [cookie])
}

/// `POST /staff/out`: forgets the sign-in.
pub async fn sign_out(visitor: Visitor) -> Response {
    with_cookies(see("/staff"), [sign_out_cookie(visitor.scheme)])
}

fn show(shop: &Shop, visitor: &Visitor, status: StatusCode, view: StaffView) -> Response {
    let frame = frame(visitor, "For the staff", "/staff");
    page(shop, visitor, status, frame, || content(view))
}
