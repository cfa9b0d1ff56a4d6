//! Forms that do not reach a handler, and what their senders are told.

use super::*;
use futures::{StreamExt as _, stream};
use std::convert::Infallible;

/// Every address of the shop that takes a form.
const FORMS: [&str; 6] = [
    "/hello",
    "/cart",
    "/checkout",
    "/click",
    "/staff",
    "/staff/out",
];

/// A form of which the beginning comes, and then nothing.
fn stalled() -> Body {
    let beginning = stream::iter([Ok::<_, Infallible>("token=6b1f")]);
    Body::from_stream(beginning.chain(stream::pending()))
}

/// Sends it as a page does, as an island does, and as a program does.
async fn send_in_each_way(path: &str, body: impl Fn() -> Body) -> [Answer; 3] {
    let send_as = |name: &'static str, value: &'static str| {
        let request = Request::post(path).header(name, value);
        let router = shop_at(Path::new("/nonexistent"));
        send(router, request.body(body()).unwrap())
    };
    let page = send_as("accept", "text/html").await;
    let fragment = send_as("x-fragment", "1").await;
    [page, fragment, send_as("accept", "*/*").await]
}

#[tokio::test(start_paused = true)]
async fn a_form_that_never_ends_is_given_up() {
    for path in FORMS {
        let began = tokio::time::Instant::now();
        let [page, fragment, program] = send_in_each_way(path, stalled).await;
        let took = began.elapsed();
        assert!(took < Duration::from_secs(31), "{path}: {took:?} for three");
        for answer in [&page, &fragment, &program] {
            assert_eq!(answer.status, StatusCode::REQUEST_TIMEOUT, "{path}");
        }
        assert!(page.body.contains("<h1>Nothing was recorded</h1>"));
        assert!(page.body.contains("The form took too long to arrive."));
        assert!(fragment.body.starts_with(r#"<div class="notice"#));
        let kind = program.header("content-type");
        assert_eq!(kind, "application/problem+json", "{path}");
        let problem = r#"{"type":"about:blank","title":"Request Timeout","status":408,"detail":"the request took too long"}"#;
        assert_eq!(program.body, problem, "{path}");
    }
}

#[tokio::test]
async fn a_form_that_is_too_large_is_not_read() {
    for path in FORMS {
        let answers = send_in_each_way(path, || Body::from("x".repeat(20_000))).await;
        for answer in answers {
            assert_eq!(answer.status, StatusCode::PAYLOAD_TOO_LARGE, "{path}");
        }
    }
}

#[tokio::test]
async fn a_form_in_pieces_is_read_to_its_end() {
    let pieces = ["user", "name=An", "n&size=L"].map(Ok::<_, Infallible>);
    let request = Request::post("/hello").body(Body::from_stream(stream::iter(pieces)));
    let answer = send(shop_at(Path::new("/nonexistent")), request.unwrap()).await;
    assert_eq!(answer.status, StatusCode::SEE_OTHER);
    assert!(answer.cookies()[0].starts_with("username=Ann;"));
}
