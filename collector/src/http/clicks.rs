//! `/api/clicks`, the contract of web servers that show the same three counts: each answers from its own
//! memory ([`crate::counters`]), and a click is an event like any other.

use super::docs::{OfClick, OfTotals};
use super::keep::{self, Wait, Waiting};
use super::reply::{self, Refused};
use crate::{Clicks, Collector, Counter, Draft};
use axum::Router;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, Request, State};
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::any;
use domain::Source;
use serde::Serialize;
use std::time::Duration;
use utoipa::ToSchema;

/// How soon to come again for totals that are not known.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// How often each was clicked on, since ever.
#[derive(Serialize, ToSchema)]
pub(super) struct Totals {
    #[serde(rename = "itemClicks")]
    item: u64,
    #[serde(rename = "addToCartClicks")]
    add_to_cart: u64,
    #[serde(rename = "buyClicks")]
    buy: u64,
}

/// The addresses of the counters.
pub(super) fn router() -> Router<Collector> {
    Router::new()
        .route("/api/clicks", any(answer_all))
        .route("/api/clicks/{counter}", any(answer_one))
}

async fn answer_all(State(collector): State<Collector>, method: Method) -> Response {
    if method != Method::GET {
        return reply::text(StatusCode::BAD_REQUEST, "only GET allowed");
    }
    read_all(&collector)
}

/// All counters. Without a database, and before it was asked the first time, the answer is 503.
#[utoipa::path(
    get, path = "/api/clicks", tag = "counters", operation_id = "clicks",
    responses(
        (status = 200, description = "The totals over all processes", body = Totals),
        (status = 400, description = "Any other method: only GET allowed", body = String, content_type = "text/plain"),
        OfTotals
    )
)]
pub(super) fn read_all(collector: &Collector) -> Response {
    totals(collector, |clicks| {
        let totals = Totals {
            item: clicks.item,
            add_to_cart: clicks.add_to_cart,
            buy: clicks.buy,
        };
        reply::json(StatusCode::OK, &totals)
    })
}

async fn answer_one(
    State(collector): State<Collector>,
    counter: Result<Path<Counter>, PathRejection>,
    request: Request,
) -> Response {
    let Ok(Path(counter)) = counter else {
        let which = "the counters are item, addToCart and buy";
        return reply::problem(StatusCode::NOT_FOUND, Some(which));
    };
    match *request.method() {
        Method::GET => read_one(&collector, counter),
        Method::PUT => click(&collector, counter, Wait::of(request.uri())).await,
        _ => reply::text(StatusCode::BAD_REQUEST, "only GET and PUT allowed"),
    }
}

/// One counter. Without a database, and before it was asked the first time, the answer is 503.
#[utoipa::path(
    get, path = "/api/clicks/{counter}", tag = "counters", operation_id = "clicks_of_one",
    params(("counter" = Counter, Path)),
    responses(
        (status = 200, description = "The total over all processes: a whole number", body = String, content_type = "text/plain"),
        (status = 400, description = "Any other method: only GET and PUT allowed", body = String, content_type = "text/plain"),
        (status = 404, description = "There are three", body = reply::Problem, content_type = "application/problem+json"),
        OfTotals
    )
)]
pub(super) fn read_one(collector: &Collector, counter: Counter) -> Response {
    totals(collector, |clicks| {
        reply::text(StatusCode::OK, clicks.get(counter).to_string())
    })
}

/// The totals of this moment, of which nobody should keep a copy.
fn totals(collector: &Collector, answer: impl FnOnce(Clicks) -> Response) -> Response {
    let Some(clicks) = collector.clicks() else {
        return Refused::Unavailable(RETRY_AFTER).problem_of_a_look();
    };
    let mut answer = answer(clicks);
    let not_kept = HeaderValue::from_static("no-store");
    answer.headers_mut().insert(header::CACHE_CONTROL, not_kept);
    answer
}

/// One click. The answer is empty, unless it was waited for.
#[utoipa::path(
    put, path = "/api/clicks/{counter}", tag = "counters", operation_id = "click",
    params(("counter" = Counter, Path), Waiting),
    responses(
        // OpenAPI has no words for a body that may be left out.
        (status = 200, description = "Kept. Empty, or JSON with `stored`, `partition` and `offset` when it was waited for."),
        (status = 400, description = "Any other method: only GET and PUT allowed", body = String, content_type = "text/plain"),
        (status = 404, description = "There are three", body = reply::Problem, content_type = "application/problem+json"),
        OfClick
    )
)]
pub(super) async fn click(collector: &Collector, counter: Counter, wait: Wait) -> Response {
    let draft = Draft {
        event_type: counter.event_type().to_owned(),
        source: Source::Counter,
        ..Draft::default()
    };
    match keep::one(collector, draft, wait).await {
        Ok((_, None)) => StatusCode::OK.into_response(),
        Ok((_, Some(row))) => reply::json(StatusCode::OK, &row),
        Err(error) => Refused::from(&error).problem(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::counters::stage::{Process, Stage};
    use axum::body::{Body, to_bytes};
    use axum::http::response::Parts;
    use rstest::rstest;
    use tower::ServiceExt as _;

    async fn ask(process: &Process, method: &str, address: &str) -> (Parts, String) {
        let request = Request::builder().method(method).uri(address);
        let router = router().with_state(process.collector.clone());
        let answer = router.oneshot(request.body(Body::empty()).unwrap()).await;
        let (head, body) = answer.unwrap().into_parts();
        let bytes = to_bytes(body, 1 << 20).await.unwrap();
        (head, String::from_utf8(bytes.to_vec()).unwrap())
    }

    #[tokio::test]
    async fn a_click_is_kept_and_counted_at_once() {
        let stage = Stage::open();
        let process = stage.process();
        process.shows(Clicks::default()).await;
        let (answer, body) = ask(&process, "GET", "/api/clicks").await;
        assert_eq!(answer.status, StatusCode::OK);
        let nothing = r#"{"itemClicks":0,"addToCartClicks":0,"buyClicks":0}"#;
        assert_eq!(body, nothing);
        assert_eq!(answer.headers["content-type"], "application/json");
        assert_eq!(answer.headers["cache-control"], "no-store");
        for (address, clicks) in [
            ("/api/clicks/item", "1"),
            ("/api/clicks/item", "2"),
            ("/api/clicks/addToCart", "1"),
            ("/api/clicks/buy", "1"),
        ] {
            let (answer, body) = ask(&process, "PUT", address).await;
            assert_eq!((answer.status, body.as_str()), (StatusCode::OK, ""));
            let (answer, body) = ask(&process, "GET", address).await;
            assert_eq!(answer.status, StatusCode::OK);
            assert_eq!(body, clicks, "without waiting for the row");
            assert_eq!(answer.headers["content-type"], "text/plain; charset=utf-8");
        }
        let (_, body) = ask(&process, "GET", "/api/clicks").await;
        let all = r#"{"itemClicks":2,"addToCartClicks":1,"buyClicks":1}"#;
        assert_eq!(body, all);
    }

    #[tokio::test]
    async fn a_click_that_is_waited_for_tells_its_place() {
        let stage = Stage::open();
        let process = stage.process();
        let (answer, body) = ask(&process, "PUT", "/api/clicks/buy?wait=stored").await;
        assert_eq!(answer.status, StatusCode::OK);
        let row: serde_json::Value = serde_json::from_str(&body).unwrap();
        assert_eq!((&row["stored"], &row["offset"]), (&false.into(), &0.into()));
    }

    #[rstest]
    #[case("/api/clicks", &["PUT", "POST", "DELETE", "HEAD", "OPTIONS"], "only GET allowed")]
    #[case("/api/clicks/item", &["POST", "DELETE", "HEAD", "OPTIONS"], "only GET and PUT allowed")]
    #[case("/api/clicks/addToCart", &["POST", "PATCH"], "only GET and PUT allowed")]
    #[case("/api/clicks/buy", &["POST"], "only GET and PUT allowed")]
    #[tokio::test]
    async fn other_methods_are_told_which_there_are(
        #[case] address: &str,
        #[case] methods: &[&str],
        #[case] words: &str,
    ) {
        let stage = Stage::open();
        let process = stage.process();
        for method in methods {
            let (answer, body) = ask(&process, method, address).await;
            assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{method}");
            // An answer to HEAD has no body.
            let words = if *method == "HEAD" { "" } else { words };
            assert_eq!(body, words);
        }
    }

    #[tokio::test]
    async fn there_is_no_fourth_counter() {
        let stage = Stage::open();
        let process = stage.process();
        let (answer, body) = ask(&process, "PUT", "/api/clicks/add_to_cart").await;
        let problem = r#"{"type":"about:blank","title":"Not Found","status":404,"detail":"the counters are item, addToCart and buy"}"#;
        assert_eq!(body, problem);
        assert_eq!(answer.headers["content-type"], "application/problem+json");
        for address in [
            "/api/clicks/",
            "/api/clicks/add_to_cart",
            "/api/clicks/item/1",
        ] {
            let (answer, _) = ask(&process, "GET", address).await;
            assert_eq!(answer.status, StatusCode::NOT_FOUND, "{address}");
        }
    }

    #[tokio::test]
    async fn a_click_that_cannot_be_kept_is_503_and_does_not_count() {
        let stage = Stage::open();
        let process = stage.process();
        process.shows(Clicks::default()).await;
        stage.kafka.broker_down(1).unwrap();
        let (answer, body) = ask(&process, "PUT", "/api/clicks/item").await;
        assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
        let problem = r#"{"type":"about:blank","title":"Service Unavailable","status":503,"detail":"temporarily unavailable"}"#;
        assert_eq!(body, problem);
        assert_eq!(answer.headers["content-type"], "application/problem+json");
        assert_eq!(answer.headers["retry-after"], "2");
        assert_eq!(ask(&process, "GET", "/api/clicks/item").await.1, "0");
    }
}
