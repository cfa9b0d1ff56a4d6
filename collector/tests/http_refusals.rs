//! What is refused, in the shape of each contract: too large, too slow, too many, and a name that is too long.
#![allow(
    clippy::unwrap_used,
    reason = "a test that cannot go on should stop here"
)]

use axum::body::{Body, Bytes};
use axum::extract::ConnectInfo;
use axum::http::{Request, StatusCode};
use clap::Parser as _;
use collector::QueueLimits;
use collector::http::HttpSettings;
use futures::{StreamExt as _, stream};
use rstest::rstest;
use served::{Answer, Server, start, start_with};
use std::net::{Ipv4Addr, SocketAddr};

mod served;

const JSON: &str = "application/json";
const TEXT: &str = "text/plain; charset=utf-8";
const PROBLEM: &str = "application/problem+json";

/// The collector's settings about HTTP, as an operator writes them.
#[derive(clap::Parser)]
struct Flags {
    #[command(flatten)]
    http: HttpSettings,
}

/// What is wrong with a request.
#[derive(Clone, Copy)]
enum Sent {
    /// A body of more than 32 KiB.
    Large,
    /// A body of which no more comes.
    Stalled,
    /// One request more than the address may send.
    Many,
    /// This body.
    Body(&'static str),
}

impl Sent {
    async fn to(self, method: &str, address: &str) -> Answer {
        let send = async |server: &Server, body: Body| {
            let peer = SocketAddr::from((Ipv4Addr::LOCALHOST, 5555));
            let request = Request::builder().method(method).uri(address);
            let request = request.extension(ConnectInfo(peer)).body(body);
            server.ask(request.unwrap()).await
        };
        match self {
            Self::Large => {
                let body = format!(r#"{{"x":"{}"}}"#, "x".repeat(32 * 1024));
                send(&start(), body.into()).await
            }
            Self::Stalled => {
                let begun = stream::iter([Ok::<_, std::io::Error>(Bytes::from_static(b"{"))]);
                let stalled = Body::from_stream(begun.chain(stream::pending()));
                send(&start(), stalled).await
            }
            Self::Many => {
                let flags = Flags::try_parse_from(["test", "--rate-limit-address=1"]).unwrap();
                let server = start_with(QueueLimits::default(), &flags.http);
                for _ in 0..20 {
                    let answer = send(&server, "{".into()).await;
                    if answer.status == StatusCode::TOO_MANY_REQUESTS {
                        return answer;
                    }
                }
                panic!("20 requests were let in")
            }
            Self::Body(body) => send(&start(), body.into()).await,
        }
    }
}

/// A name of 33 characters.
macro_rules! long {
    ($before:literal, $after:literal) => {
        concat!($before, "012345678901234567890123456789012", $after)
    };
}

const LONG_EVENT: &str = long!(r#"{"type":"add_to_cart","user_id":""#, r#""}"#);
const LONG_EVENTS: &str = long!(r#"{"event_type":"add_to_cart","user_id":""#, r#""}"#);
const LONG_OF_BATCH: &str = long!(r#"[{"event_type":"add_to_cart","user_id":""#, r#""}]"#);
const LONG_V1: &str = long!(r#"{"event":"add_to_cart","userId":""#, r#""}"#);

const LARGE: &str = r#"{"type":"about:blank","title":"Payload Too Large","status":413,"detail":"the request is too large"}"#;
const SLOW: &str = r#"{"type":"about:blank","title":"Request Timeout","status":408,"detail":"the request took too long"}"#;
const MANY: &str = r#"{"type":"about:blank","title":"Too Many Requests","status":429,"detail":"too many requests"}"#;

#[rstest]
#[case(
    "POST /track",
    Sent::Large,
    413,
    JSON,
    r#"{"error":"the request is too large"}"#
)]
#[case("POST /event", Sent::Large, 413, PROBLEM, LARGE)]
#[case("POST /events", Sent::Large, 413, PROBLEM, LARGE)]
#[case(
    "POST /v1/track",
    Sent::Large,
    413,
    JSON,
    r#"{"error":"too_large","error_description":"the request is too large"}"#
)]
#[case(
    "POST /track",
    Sent::Stalled,
    408,
    JSON,
    r#"{"error":"the request took too long"}"#
)]
#[case("POST /event", Sent::Stalled, 408, PROBLEM, SLOW)]
#[case("POST /events", Sent::Stalled, 408, PROBLEM, SLOW)]
#[case(
    "POST /v1/track",
    Sent::Stalled,
    408,
    JSON,
    r#"{"error":"request_timeout","error_description":"the request took too long"}"#
)]
#[case(
    "POST /track",
    Sent::Many,
    429,
    JSON,
    r#"{"error":"too many requests"}"#
)]
#[case("POST /event", Sent::Many, 429, PROBLEM, MANY)]
#[case("POST /events", Sent::Many, 429, PROBLEM, MANY)]
#[case("PUT /api/clicks/item", Sent::Many, 429, PROBLEM, MANY)]
#[case(
    "POST /v1/track",
    Sent::Many,
    429,
    JSON,
    r#"{"error":"rate_limited","error_description":"too many requests"}"#
)]
// No other type can be sent there, whoever the user is.
#[case(
    "POST /event",
    Sent::Body(LONG_EVENT),
    400,
    TEXT,
    "Invalid request body: type: must be one of page_view, click, session, custom"
)]
#[case("POST /events", Sent::Body(LONG_EVENTS), 400, TEXT, "invalid json")]
#[case("POST /events", Sent::Body(LONG_OF_BATCH), 400, JSON, r#"{"results":[{"id":null,"status":"refused","error":"user_id: has more than 32 characters"}]}"#)]
#[case(
    "POST /v1/track",
    Sent::Body(LONG_V1),
    400,
    JSON,
    r#"{"error":"invalid_request","error_description":"userId: has more than 32 characters"}"#
)]
// The clock goes on when nothing else does: who stalls is not waited for.
#[tokio::test(start_paused = true)]
async fn a_refusal_has_its_contracts_shape(
    #[case] asked: &str,
    #[case] sent: Sent,
    #[case] status: u16,
    #[case] kind: &str,
    #[case] words: &str,
) {
    let (method, address) = asked.split_once(' ').unwrap();
    let answer = sent.to(method, address).await;
    assert_eq!(answer.status, status, "{}", answer.body);
    assert_eq!(answer.body, words);
    assert_eq!(answer.header("content-type"), kind);
    assert_eq!(answer.header("x-content-type-options"), "nosniff");
    let again = if status == 429 { "1" } else { "" };
    assert_eq!(answer.header("retry-after"), again);
}

#[rstest]
#[case("/events", LONG_EVENTS, StatusCode::ACCEPTED)]
#[case("/v1/track", LONG_V1, StatusCode::OK)]
#[tokio::test]
async fn a_name_of_32_characters_may_add_to_a_cart(
    #[case] address: &str,
    #[case] too_long: &str,
    #[case] good: StatusCode,
) {
    let body = too_long.replacen('0', "", 1);
    let answer = start().send("POST", address, body).await;
    assert_eq!(answer.status, good, "{}", answer.body);
}
