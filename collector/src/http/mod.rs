//! HTTP in the words of the clients that speak it already: a program written for any of them works
//! unchanged, and no answer says success before the event is kept.
//!
//! One file for each contract, each with a pure function from what the client sent to a draft: [`track`]
//! (a tracking server), [`event`] (an analytics pipeline), [`events`] (one event or many), [`clicks`] (live
//! counts). They share how
//! a body is read (`body`), what a client's id and time mean (`id`, `time`), how a draft is kept and
//! perhaps waited for (`keep`) and the shape of an answer (`reply`). [`alone`] is the process that serves
//! nothing else.

pub mod alone;
pub(crate) mod body;
mod clicks;
mod event;
pub(crate) mod events;
mod id;
pub(crate) mod keep;
mod reply;
mod time;
mod track;

use crate::Collector;
use axum::Router;
use axum::extract::Request;
use axum::http::{Method, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{any, post};

/// Every address at which events are taken.
pub fn router(collector: Collector) -> Router {
    Router::new()
        .route("/track", post(track::post).fallback(track::other_method))
        .route("/event", post(event::post).fallback(event::other_method))
        .route("/events", post(events::post).fallback(event::other_method))
        .route("/health", any(event::health))
        .merge(clicks::router())
        .with_state(collector)
}

/// The shop with the collector's addresses beside its own. None of the shop's layers applies to them;
/// `GET /` stays the shop's, but for programs that ask it for JSON, which is their health check.
pub fn mount(shop: Router, collector: Collector) -> Router {
    shop.layer(middleware::from_fn(health_for_programs))
        .merge(router(collector))
}

async fn health_for_programs(request: Request, next: Next) -> Response {
    if is_health_check(&request) {
        track::health().await.into_response()
    } else {
        next.run(request).await
    }
}

/// Whether it is `GET /` from somebody who takes JSON and no page.
fn is_health_check(request: &Request) -> bool {
    matches!(*request.method(), Method::GET | Method::HEAD)
        && request.uri().path() == "/"
        && request
            .headers()
            .get(header::ACCEPT)
            .and_then(|accept| accept.to_str().ok())
            .is_some_and(|accept| {
                accept.contains("application/json") && !accept.contains("text/html")
            })
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::body::Body;
    use rstest::rstest;

    #[rstest]
    #[case("GET", "/", Some("application/json"), true)]
    #[case("HEAD", "/", Some("application/json;q=0.9, */*"), true)]
    #[case("GET", "/?x=1", Some("application/json"), true)]
    #[case("GET", "/", Some("text/html,application/json"), false)]
    #[case("GET", "/", Some("*/*"), false)]
    #[case("GET", "/", None, false)]
    #[case("GET", "/cart", Some("application/json"), false)]
    #[case("POST", "/", Some("application/json"), false)]
    fn the_shops_front_page_is_for_people(
        #[case] method: &str,
        #[case] address: &str,
        #[case] accept: Option<&str>,
        #[case] check: bool,
    ) {
        let mut request = Request::builder().method(method).uri(address);
        if let Some(accept) = accept {
            request = request.header("accept", accept);
        }
        assert_eq!(
            is_health_check(&request.body(Body::empty()).unwrap()),
            check
        );
    }
}
