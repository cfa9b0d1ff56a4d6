//! What every contract has in common: which pages may send, how many requests are too many, whose address
//! it is, and what is not kept of who does not want it.
#![allow(
    clippy::unwrap_used,
    reason = "a test that cannot go on should stop here"
)]

use axum::extract::ConnectInfo;
use axum::http::{Request, StatusCode, request};
use clap::Parser as _;
use collector::QueueLimits;
use collector::http::HttpSettings;
use rstest::rstest;
use serde_json::{Value, json};
use served::{Answer, Server, problem, start_with};
use std::net::{IpAddr, SocketAddr};

mod served;

/// Each contract's address with a body that it takes.
const CONTRACTS: [(&str, &str); 5] = [
    ("/track", r#"{"description":"CLICK"}"#),
    ("/event", r#"{"type":"click"}"#),
    ("/events", r#"{"event_type":"a"}"#),
    ("/v1/track", r#"{"event":"a"}"#),
    ("/v1/batch", r#"{"batch":[{"type":"page"}]}"#),
];

/// The collector's settings about HTTP, as an operator writes them.
#[derive(clap::Parser)]
struct Flags {
    #[command(flatten)]
    http: HttpSettings,
}

fn start(flags: &[&str]) -> Server {
    let flags = Flags::try_parse_from(["test"].iter().chain(flags)).unwrap();
    start_with(QueueLimits::default(), &flags.http)
}

/// A request over a connection from this address.
async fn from(server: &Server, peer: &str, request: request::Builder, body: &str) -> Answer {
    let peer: IpAddr = peer.parse().unwrap();
    let request = request.extension(ConnectInfo(SocketAddr::from((peer, 5555))));
    server
        .ask(request.body(body.to_owned().into()).unwrap())
        .await
}

fn preflight(address: &str, origin: &str) -> request::Builder {
    Request::options(address)
        .header("origin", origin)
        .header("access-control-request-method", "POST")
        .header(
            "access-control-request-headers",
            "authorization,content-type",
        )
}

#[tokio::test]
async fn a_named_sites_page_may_send_with_credentials() {
    let server = start(&["--cors-origins=https://a.example,https://b.example"]);
    for (address, body) in CONTRACTS {
        let asked = preflight(address, "https://a.example");
        let answer = from(&server, "10.0.0.1", asked, "").await;
        assert_eq!(answer.status, StatusCode::NO_CONTENT, "{address}");
        let origin = answer.header("access-control-allow-origin");
        assert_eq!(origin, "https://a.example");
        assert_eq!(answer.header("access-control-allow-credentials"), "true");
        let names = answer.header("access-control-allow-headers");
        assert_eq!(names, "authorization,content-type");
        let methods = answer.header("access-control-allow-methods");
        assert!(methods.contains("POST"));
        assert!(answer.header("vary").contains("origin"));

        let sent = Request::post(address).header("origin", "https://b.example");
        let answer = from(&server, "10.0.0.1", sent, body).await;
        assert!(answer.status.is_success(), "{address}: {}", answer.body);
        let origin = answer.header("access-control-allow-origin");
        assert_eq!(origin, "https://b.example");
        assert_eq!(answer.header("access-control-allow-credentials"), "true");
        assert_eq!(answer.header("vary"), "origin");
    }
}

#[tokio::test]
async fn another_sites_page_has_no_leave() {
    let server = start(&["--cors-origins=https://a.example"]);
    for (address, body) in CONTRACTS {
        let asked = preflight(address, "https://evil.example");
        let answer = from(&server, "10.0.0.1", asked, "").await;
        assert_eq!(answer.status, StatusCode::METHOD_NOT_ALLOWED);
        assert_eq!(answer.header("access-control-allow-origin"), "");
        let sent = Request::post(address).header("origin", "https://evil.example");
        let answer = from(&server, "10.0.0.1", sent, body).await;
        assert_eq!(answer.header("access-control-allow-origin"), "");
        assert_eq!(answer.header("vary"), "origin");
    }
}

#[tokio::test]
async fn any_sites_page_may_send_without_credentials() {
    let server = start(&[]);
    for (address, body) in CONTRACTS {
        for (request, body) in [
            (preflight(address, "https://any.example"), ""),
            (Request::post(address).header("origin", "null"), body),
        ] {
            let answer = from(&server, "10.0.0.1", request, body).await;
            assert!(answer.status.is_success(), "{address}: {}", answer.body);
            assert_eq!(answer.header("access-control-allow-origin"), "*");
            assert_eq!(answer.header("access-control-allow-credentials"), "");
        }
    }
}

#[tokio::test]
async fn a_page_can_read_that_it_was_refused() {
    let server = start(&["--rate-limit-address=1"]);
    let mut answers = Vec::new();
    for _ in 0..20 {
        let request = Request::post("/event").header("origin", "https://a.example");
        answers.push(from(&server, "10.0.0.1", request, r#"{"type":"click"}"#).await);
    }
    let refused = answers
        .iter()
        .find(|answer| answer.status == StatusCode::TOO_MANY_REQUESTS)
        .expect("20 requests in less than 19 seconds");
    assert_eq!(refused.header("access-control-allow-origin"), "*");
    let exposed = refused.header("access-control-expose-headers");
    assert_eq!(exposed, "retry-after");
}

#[tokio::test]
async fn who_sends_too_many_is_told_so_in_each_contracts_words() {
    for (address, body) in CONTRACTS {
        let server = start(&["--rate-limit-address=2"]);
        let send = |peer| from(&server, peer, Request::post(address), body);
        let mut refused = None;
        for _ in 0..50 {
            let answer = send("10.0.0.1").await;
            if !answer.status.is_success() {
                refused = Some(answer);
                break;
            }
        }
        let refused = refused.expect("50 requests in less than 24 seconds");
        assert_eq!(refused.status, StatusCode::TOO_MANY_REQUESTS);
        let seconds: u64 = refused.header("retry-after").parse().unwrap();
        assert!((1..=2).contains(&seconds), "{seconds}");
        let words = "too many requests";
        match address {
            "/track" => assert_eq!(refused.json(), json!({"error": words})),
            "/v1/track" | "/v1/batch" => {
                let body = json!({"error": "rate_limited", "error_description": words});
                assert_eq!(refused.json(), body);
            }
            _ => assert_eq!(refused.json(), problem(429, words)),
        }
        assert!(send("10.0.0.2").await.status.is_success(), "somebody else");
        // Who only looks is not counted.
        let looks = from(&server, "10.0.0.1", Request::get("/health"), "").await;
        assert_eq!(looks.status, StatusCode::OK);
    }
}

#[tokio::test]
async fn a_key_that_sends_too_many_is_told_so_wherever_it_sends_from() {
    let server = start(&["--rate-limit-key=1", "--write-keys=shop=k1,shop=k2,app=k3"]);
    let send = |key: &str, peer: usize| {
        let request = Request::post(format!("/v1/track?writeKey={key}"));
        let peer = format!("10.0.0.{peer}");
        let server = &server;
        async move {
            from(server, &peer, request, r#"{"event":"a"}"#)
                .await
                .status
        }
    };
    let mut statuses = Vec::new();
    for at in 0..20 {
        let key = if at % 2 == 0 { "k1" } else { "k2" };
        statuses.push(send(key, at).await);
    }
    assert_eq!(statuses[0], StatusCode::OK);
    assert!(statuses.contains(&StatusCode::TOO_MANY_REQUESTS));
    assert_eq!(send("k3", 1).await, StatusCode::OK);
}

#[rstest]
#[case("10.0.0.1", Some("203.0.113.77"), "203.0.113.77")]
#[case("10.0.0.1", None, "10.0.0.1")]
#[case("192.0.2.1", Some("203.0.113.77"), "192.0.2.1")]
#[tokio::test]
async fn a_visitors_address_is_what_a_proxy_of_ours_says(
    #[case] peer: &str,
    #[case] forwarded: Option<&str>,
    #[case] kept: &str,
) {
    let server = start(&["--trusted-proxies=10.0.0.0/8"]);
    let mut request = Request::post("/v1/page").header("origin", "https://a.example");
    if let Some(forwarded) = forwarded {
        request = request.header("x-forwarded-for", forwarded);
    }
    let answer = from(&server, peer, request, "{}").await;
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(server.records(1)[0]["ip"], kept);
}

#[tokio::test]
async fn only_the_network_of_an_address_is_kept_where_that_is_wanted() {
    let server = start(&["--truncate-ip"]);
    let event = r#"{"type":"click","ip_address":"203.0.113.77"}"#;
    let page = Request::post("/v1/page").header("origin", "https://a.example");
    for (request, body) in [(Request::post("/event"), event), (page, "{}")] {
        let answer = from(&server, "2001:db8:1:2::3", request, body).await;
        assert!(answer.status.is_success());
    }
    let records = server.records(2);
    assert_eq!(records[0]["ip"], "203.0.113.0");
    assert_eq!(records[1]["ip"], "2001:db8:1::");
}

#[rstest]
#[case("dnt")]
#[case("sec-gpc")]
#[tokio::test]
async fn who_does_not_want_to_be_followed_is_only_counted(#[case] header: &str) {
    let identified: [(&str, Value); 5] = [
        (
            "/track",
            json!({"username": "Ann", "target": "#ann", "description": "CLICK"}),
        ),
        (
            "/event",
            json!({"type": "click", "user_id": "Ann", "session_id": "s", "ip_address": "10.0.0.1", "user_agent": "x", "metadata": {"mail": "ann"}}),
        ),
        (
            "/events",
            json!([{"event_type": "a", "user_id": "Ann", "meta": {"mail": "ann"}}]),
        ),
        (
            "/v1/identify",
            json!({"userId": "Ann", "anonymousId": "s", "traits": {"mail": "ann"}, "messageId": "ann-1"}),
        ),
        (
            "/v1/batch",
            json!({"batch": [{"type": "page", "userId": "Ann", "context": {"page": {"url": "https://a/?ann"}}}]}),
        ),
    ];
    let who = ["username", "session_id", "ip", "user_agent"];
    for respected in [true, false] {
        let flag = format!("--respect-dnt={respected}");
        let server = start(&[&flag]);
        for (address, body) in &identified {
            let request = Request::post(*address).header(header, "1");
            let answer = from(&server, "10.0.0.1", request, &body.to_string()).await;
            assert!(answer.status.is_success(), "{address}: {}", answer.body);
        }
        for record in server.records(identified.len()) {
            if respected {
                assert!(
                    who.iter().all(|name| record.get(name).is_none()),
                    "{record}"
                );
                assert_eq!(record["properties"], json!({}));
                assert!(
                    !record.to_string().to_lowercase().contains("ann"),
                    "{record}"
                );
            } else {
                assert_eq!(record["username"], "Ann");
            }
        }
    }
}

#[tokio::test]
async fn the_script_is_told_what_is_respected_and_is_the_same_for_all() {
    for respected in [true, false] {
        let flag = format!("--respect-dnt={respected}");
        let server = start(&[&flag]);
        let told = format!("const respectful = {respected};");
        for request in [
            Request::get("/tracker.js"),
            Request::get("/tracker.js").header("dnt", "1"),
        ] {
            let script = from(&server, "10.0.0.1", request, "").await;
            assert!(script.body.contains(&told), "{}", script.body);
            assert_eq!(script.header("vary"), "accept-encoding");
        }
    }
}

/// An event of a page of the collector's own site.
fn own_page(address: &str) -> request::Builder {
    Request::post(address)
        .header("sec-fetch-site", "same-origin")
        .header("user-agent", "a browser")
}

#[tokio::test]
async fn a_visit_is_known_by_its_cookie_for_half_an_hour() {
    let server = start(&[]);
    let first = from(&server, "10.0.0.1", own_page("/track"), CONTRACTS[0].1).await;
    let cookie = first.header("set-cookie").to_owned();
    let (pair, kept) = cookie.split_once("; ").unwrap();
    assert_eq!(kept, "Path=/; Max-Age=1800; HttpOnly; SameSite=Lax");
    let (visit, last_s) = pair.split_once('.').unwrap();
    let mut last_s: i64 = last_s.parse().unwrap();
    for (address, body) in &CONTRACTS[1..] {
        let request = own_page(address).header("cookie", pair);
        let answer = from(&server, "10.0.0.1", request, body).await;
        assert!(answer.status.is_success(), "{address}: {}", answer.body);
        let again = answer.header("set-cookie");
        let (pair, kept_again) = again.split_once("; ").unwrap();
        assert_eq!(kept_again, kept, "{address}: half an hour from now");
        let (same, now_s) = pair.split_once('.').unwrap();
        let now_s = now_s.parse().unwrap();
        assert!(same == visit && now_s >= last_s, "{address}: {again}");
        last_s = now_s;
    }
    let (_, visit) = visit.split_once('=').unwrap();
    for record in server.records(CONTRACTS.len()) {
        assert_eq!(record["session_id"], visit, "{record}");
        assert_eq!(record["user_agent"], "a browser");
        assert_eq!(record["ip"], "10.0.0.1");
    }
}

#[tokio::test]
async fn a_visit_that_is_over_does_not_begin_again() {
    let server = start(&[]);
    let over = "5bd1e995-0000-4000-8000-000000000001";
    let request = own_page("/track").header("cookie", format!("session_id={over}.1790000000"));
    let answer = from(&server, "10.0.0.1", request, CONTRACTS[0].1).await;
    let cookie = answer.header("set-cookie");
    assert!(cookie.starts_with("session_id="), "{cookie}");
    assert!(!cookie.contains(over), "{cookie}");
    let session = &server.records(1)[0]["session_id"];
    assert!(session.is_string() && session != over, "{session}");
}

#[rstest]
#[case("10.0.0.1", true)]
#[case("192.0.2.1", false)]
#[tokio::test]
async fn over_tls_a_visits_cookie_is_kept_off_open_connections(
    #[case] peer: &str,
    #[case] secure: bool,
) {
    let server = start(&["--trusted-proxies=10.0.0.0/8"]);
    let request = own_page("/track").header("x-forwarded-proto", "https");
    let answer = from(&server, peer, request, CONTRACTS[0].1).await;
    let cookie = answer.header("set-cookie");
    assert!(cookie.starts_with("session_id="), "{cookie}");
    assert_eq!(cookie.ends_with("; Secure"), secure, "{cookie}");
}

#[rstest]
#[case::a_program(&[])]
#[case::another_sites_page(&[("origin", "https://a.example"), ("sec-fetch-site", "cross-site")])]
#[case::who_asks_for_it(&[("sec-fetch-site", "same-origin"), ("dnt", "1")])]
#[tokio::test]
async fn others_get_no_cookie(#[case] lines: &[(&str, &str)]) {
    let server = start(&["--respect-dnt"]);
    for (address, body) in CONTRACTS {
        let request = lines.iter().fold(Request::post(address), |request, line| {
            request.header(line.0, line.1)
        });
        let answer = from(&server, "10.0.0.1", request, body).await;
        assert!(answer.status.is_success(), "{address}: {}", answer.body);
        assert_eq!(answer.header("set-cookie"), "");
    }
    for record in server.records(CONTRACTS.len()) {
        assert_eq!(record.get("session_id"), None, "{record}");
    }
}

#[tokio::test]
async fn what_is_refused_begins_no_visit() {
    let answer = from(&start(&[]), "10.0.0.1", own_page("/event"), "{").await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST);
    assert_eq!(answer.header("set-cookie"), "");
}

#[tokio::test]
async fn a_browser_that_says_nothing_is_told_from_one_that_nobody_knows() {
    let server = start(&["--respect-dnt"]);
    let page = || Request::post("/event").header("origin", "https://a.example");
    let quiet = page();
    let program = Request::post("/event");
    let spared = page()
        .header("user-agent", "Mozilla/5.0")
        .header("dnt", "1");
    for request in [quiet, program, spared] {
        let answer = from(&server, "10.0.0.1", request, CONTRACTS[1].1).await;
        assert!(answer.status.is_success());
    }
    let records = server.records(3);
    assert_eq!(records[0]["user_agent"], "", "no browser says nothing");
    assert_eq!(records[1].get("user_agent"), None);
    assert_eq!(records[2].get("user_agent"), None);
}

#[tokio::test]
async fn who_knows_the_visit_keeps_it_and_gets_no_cookie() {
    let server = start(&[]);
    let body = r#"{"type":"click","session_id":"theirs"}"#;
    let answer = from(&server, "10.0.0.1", own_page("/event"), body).await;
    assert_eq!(answer.status, StatusCode::ACCEPTED);
    assert_eq!(answer.header("set-cookie"), "");
    assert_eq!(server.records(1)[0]["session_id"], "theirs");
}

#[tokio::test]
async fn on_the_shops_pages_our_script_is_on_the_shops_visit() {
    let server = start(&[]);
    let visit = "5bd1e995-0000-4000-8000-000000000001";
    let body = r#"{"context":{"library":{"name":"tracker.js"}},"batch":[{"type":"page","anonymousId":"its-own"}]}"#;
    let with = own_page("/v1/batch").header("cookie", format!("session_id={visit}"));
    for request in [own_page("/v1/batch"), with] {
        let answer = from(&server, "10.0.0.1", request, body).await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
    }
    let records = server.records(2);
    assert_eq!(records[0]["session_id"], "its-own");
    assert_eq!(records[1]["session_id"], visit);
}
