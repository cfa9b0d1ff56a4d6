//! A form reaches its handler whole, and not too often from one address; or whoever sent it is told why
//! nothing was recorded.

use super::handlers::Shape;
use super::render::{fragment, frame, page};
use super::state::Shop;
use super::visitor::Visitor;
use crate::components::notice::{Notice, notice};
use crate::pages::refused::refused as content;
use axum::body::Body;
use axum::extract::{FromRequestParts as _, Request, State};
use axum::http::Method;
use axum::http::request::Parts;
use axum::middleware::Next;
use axum::response::Response;
use collector::http::{ClientAddress, Refused, read_form};

/// The most bytes of a form: the largest holds a full cart, well below 2 kB.
const BODY_MAX_BYTES: usize = 16 * 1024;

/// Turns away who has sent too many, and reads a form to its end before its handler, which then waits for
/// nobody. The limit is the collector's own: what an address sends to either is counted together.
pub async fn take(State(shop): State<Shop>, request: Request, next: Next) -> Response {
    if request.method() != Method::POST {
        return next.run(request).await;
    }
    let admitted = (shop.senders).admit(ClientAddress::of(request.extensions()));
    let (parts, body) = request.into_parts();
    // A client that is still sending when the connection closes does not hear the answer.
    let form = read_form(&shop.collector, body, BODY_MAX_BYTES).await;
    match (admitted, form) {
        (Ok(()), Ok(form)) => {
            let request = Request::from_parts(parts, Body::from(form.bytes()));
            // Until it is answered, the form has its share of the room.
            let answer = next.run(request).await;
            drop(form);
            answer
        }
        (Err(refused), _) => refuse(&shop, parts, refused).await,
        (Ok(()), Err(error)) => refuse(&shop, parts, error.into()).await,
    }
}

/// A page for people, and a problem (RFC 9457) for programs.
async fn refuse(shop: &Shop, mut parts: Parts, refused: Refused) -> Response {
    let (status, why) = (refused.status(), words(refused));
    match Shape::of(&parts.headers, Shape::Json) {
        Shape::Page => {
            // Whoever asks, a page can be shown: this extractor refuses nobody.
            let Ok(visitor) = Visitor::from_request_parts(&mut parts, &()).await;
            let frame = frame(&visitor, "Nothing was recorded", "");
            let answer = page(shop, &visitor, status, frame, || content(why));
            refused.with_retry_after(answer)
        }
        Shape::Fragment => {
            let notice = || notice(Notice::Error(why.to_owned()));
            refused.with_retry_after(fragment(status, notice))
        }
        Shape::Json => refused.problem(),
    }
}

/// What a person is told.
const fn words(refused: Refused) -> &'static str {
    match refused {
        Refused::Stalled => "The form took too long to arrive. Please send it again.",
        Refused::TooMany(_) => {
            "Too much comes from your address at once. Please send it again in a moment."
        }
        Refused::Busy => {
            "Too many visitors are being served at once. Please send it again in a moment."
        }
        Refused::TooLarge => "The form is larger than any of this shop.",
        _ => "The form did not arrive whole. Please send it again.",
    }
}
