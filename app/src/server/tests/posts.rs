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

/// A paused clock goes on by itself only while no thread is at work, and the client of Kafka has some.
async fn while_time_passes<T>(work: impl Future<Output = T>) -> T {
    let mut work = std::pin::pin!(work);
    loop {
        tokio::select! {
            biased;
            done = &mut work => return done,
            () = tokio::time::advance(Duration::from_secs(1)) => {}
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_form_that_never_ends_is_given_up() {
    for path in FORMS {
        let began = tokio::time::Instant::now();
        let sent = send_in_each_way(path, stalled);
        let [page, fragment, program] = while_time_passes(sent).await;
        let took = began.elapsed().as_secs();
        assert!((30..36).contains(&took), "{path}: {took} s for three");
        for answer in [&page, &fragment, &program] {
            assert_eq!(answer.status, StatusCode::REQUEST_TIMEOUT, "{path}");
            assert_eq!(answer.header("set-cookie"), "", "{path}");
        }
        assert!(page.body.contains("<h1>Nothing was recorded</h1>"));
        assert!(page.body.contains("The form took too long to arrive."));
        let (_, piece) = page.body.split_once("</h1>").unwrap();
        assert!(piece.starts_with(&fragment.body), "{}", fragment.body);
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

#[tokio::test]
async fn who_sends_too_many_forms_is_told_when_to_come_again() {
    for path in FORMS {
        let router = router(open_with(
            Path::new("/nonexistent"),
            &["--rate-limit-address=1"],
        ));
        let form = |accept: &str| {
            let request = Request::post(path).header(header::ACCEPT, accept);
            request.body(Body::from("username=")).unwrap()
        };
        let mut refused = Vec::new();
        for accept in ["text/html", "*/*"].into_iter().cycle().take(20) {
            let answer = from("10.0.0.1", &router, form(accept)).await;
            if answer.status == StatusCode::TOO_MANY_REQUESTS {
                refused.push(answer);
            }
        }
        assert!(refused.len() > 2, "{path}: {}", refused.len());
        for answer in &refused {
            assert_eq!(answer.header("retry-after"), "1", "{path}");
            let page = "<h1>Nothing was recorded</h1>";
            let problem = r#"{"type":"about:blank","title":"Too Many Requests","status":429,"detail":"too many requests"}"#;
            assert!(answer.body.contains(page) || answer.body == problem);
        }
        let others = from("10.0.0.2", &router, form("*/*")).await;
        assert_ne!(others.status, StatusCode::TOO_MANY_REQUESTS, "{path}");
        let looks = Request::get("/hello").body(Body::empty()).unwrap();
        let looks = from("10.0.0.1", &router, looks).await;
        assert_eq!(
            looks.status,
            StatusCode::OK,
            "who only looks is not counted"
        );
    }
}

#[rstest]
#[case("/click", "/event")]
#[case("/event", "/click")]
#[tokio::test]
async fn the_shop_and_the_collector_have_one_limit(#[case] first: &str, #[case] then: &str) {
    let flags = ["--rate-limit-address=1"];
    let router = router(open_with(Path::new("/nonexistent"), &flags));
    let nothing_of_use = |path: &str| Request::post(path).body(Body::from("x")).unwrap();
    let answer = from("10.0.0.1", &router, nothing_of_use(first)).await;
    assert_ne!(answer.status, StatusCode::TOO_MANY_REQUESTS);
    let answer = from("10.0.0.1", &router, nothing_of_use(then)).await;
    assert_eq!(answer.status, StatusCode::TOO_MANY_REQUESTS);
}
