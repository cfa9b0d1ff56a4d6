//! HTTP in the words of the clients that speak it already: a program written for any of them works
//! unchanged, and no answer says success before the event is kept.
//!
//! One file for each contract, each with a pure function from what the client sent to a draft: [`track`]
//! (a tracking server), [`event`] (an analytics pipeline), [`events`] (one event or many), [`clicks`] (live
//! counts), [`v1`] (current trackers), of which `tracker` hands out ours. They share how a body is read
//! (`body`), what a client's id and time mean (`id`, `time`), what a request tells of the visitor (`visitor`),
//! such as on which [`visit`] that is, and what of it is not kept (`privacy`), how a draft is kept and perhaps
//! waited for (`keep`) and the shape of an answer (`reply`). Before all of them stands
//! the `gate`, which knows whose request it is (`address`) and how it came (`scheme`), which pages may send (`cors`), which `keys`
//! open, and how many are too many (`limit`), as [`settings`] say. [`serve`] has patience with clients, and
//! [`alone`] is the process that serves nothing else. `docs` describes all of it from what stands at the handlers.

pub mod address;
pub mod alone;
pub(crate) mod body;
mod clicks;
pub mod cors;
mod docs;
mod event;
pub(crate) mod events;
mod gate;
mod id;
mod json;
pub(crate) mod keep;
pub mod keys;
mod limit;
mod privacy;
#[cfg(any(test, fuzzing))]
pub mod probes;
mod reply;
mod scheme;
mod senders;
pub mod serve;
pub mod settings;
mod time;
mod track;
mod tracker;
mod v1;
pub mod visit;
mod visitor;

pub use address::ClientAddress;
pub use body::{BodyError, Taken, read_form};
pub use privacy::Sender;
pub use reply::Refused;
pub use scheme::Scheme;
pub use senders::Senders;
pub use settings::HttpSettings;
pub use visit::Visit;
pub use visitor::user_agent;

use self::gate::Gate;
use crate::Collector;
use axum::Router;
use axum::extract::FromRef;
use axum::extract::Request;
use axum::http::{HeaderValue, Method, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{any, get, post};
use std::sync::Arc;

/// What the contracts' handlers may use.
#[derive(Clone)]
struct Doors {
    collector: Collector,
    gate: Arc<Gate>,
}

impl FromRef<Doors> for Collector {
    fn from_ref(doors: &Doors) -> Self {
        doors.collector.clone()
    }
}

/// Every address at which events are taken.
pub fn router(collector: Collector, settings: &HttpSettings, senders: Senders) -> Router {
    routes(collector, Arc::new(Gate::new(settings, senders)))
}

fn routes(collector: Collector, gate: Arc<Gate>) -> Router {
    let state = || Arc::clone(&gate);
    let mut events = Router::new()
        .route("/track", post(track::post).fallback(track::other_method))
        .route("/event", post(event::post).fallback(event::other_method))
        .route("/events", post(events::post).fallback(events::other_method))
        .merge(clicks::router().with_state(collector.clone()))
        .merge(v1::routes());
    if gate.minds_senders() {
        events = events.layer(middleware::from_fn_with_state(state(), gate::senders));
    }
    events
        // Nobody is turned away here.
        .route("/health", any(event::health))
        .route("/tracker.js", get(tracker::get).fallback(reply::only_get))
        .merge(docs::routes())
        .layer(middleware::from_fn_with_state(state(), gate::pages))
        .with_state(Doors {
            collector,
            gate: Arc::clone(&gate),
        })
}

/// The shop with the collector's addresses beside its own. None of the shop's layers applies to them;
/// `GET /` stays the shop's, but for programs that ask it for JSON, which is their health check. The shop's
/// requests carry a [`ClientAddress`] and a [`Scheme`], too.
pub fn mount(
    shop: Router,
    collector: Collector,
    settings: &HttpSettings,
    senders: Senders,
) -> Router {
    let gate = Arc::new(Gate::new(settings, senders));
    shop.layer(middleware::from_fn(health_for_programs))
        .layer(middleware::from_fn_with_state(
            Arc::clone(&gate),
            gate::known,
        ))
        .merge(routes(collector, gate))
}

async fn health_for_programs(request: Request, next: Next) -> Response {
    let depends = request.uri().path() == "/";
    let mut answer = if is_health_check(&request) {
        track::health().await.into_response()
    } else {
        next.run(request).await
    };
    if depends {
        // Or a cache between would show people what programs are told.
        let headers = answer.headers_mut();
        headers.append(header::VARY, HeaderValue::from_static("accept"));
    }
    answer
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
    use tower::ServiceExt as _;

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

    #[tokio::test]
    async fn a_cache_is_told_that_the_front_page_is_not_the_same_for_all() {
        let shop = Router::new()
            .route("/", get(|| async { "a page" }))
            .layer(middleware::from_fn(health_for_programs));
        for (accept, body) in [
            ("application/json", r#"{"code":200,"message":"OK"}"#),
            ("text/html", "a page"),
        ] {
            let request = Request::get("/").header("accept", accept);
            let answer = shop.clone().oneshot(request.body(Body::empty()).unwrap());
            let (head, answer) = answer.await.unwrap().into_parts();
            assert_eq!(head.headers["vary"], "accept");
            let bytes = axum::body::to_bytes(answer, 100).await.unwrap();
            assert_eq!(bytes, body);
        }
    }
}
