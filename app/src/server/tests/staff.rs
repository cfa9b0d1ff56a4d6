//! Who sees the staff's pages, asked over the shop's own addresses; the rule itself has its tables beside it.

use super::{Answer, open_with, send};
use crate::server::router::router;
use crate::server::state::Shop;
use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::http::request::Builder;
use axum::http::{Request, StatusCode, header};
use rstest::rstest;
use std::net::SocketAddr;
use std::path::Path;

const TOKEN: &str = "a token of the staff";
const PAGES: [&str; 3] = ["/pipeline", "/pipeline/events", "/balance"];

/// A shop with a token, or without one.
fn shop(token: bool) -> Shop {
    let flag = format!("--staff-token={TOKEN}");
    let flags: &[&str] = if token { &[&flag] } else { &[] };
    open_with(Path::new("/nonexistent"), flags)
}

/// Asks as this peer, by that host name.
async fn ask(shop: Shop, peer: &str, host: &str, request: Builder, body: &str) -> Answer {
    let mut request = request
        .header(header::HOST, host)
        .body(Body::from(body.to_owned()))
        .unwrap();
    let peer: SocketAddr = format!("{peer}:50000").parse().unwrap();
    request.extensions_mut().insert(ConnectInfo(peer));
    send(router(shop), request).await
}

#[rstest]
#[case("127.0.0.1", "shop.example", StatusCode::FORBIDDEN, false)]
#[case("10.0.0.7", "127.0.0.1:8501", StatusCode::FORBIDDEN, false)]
#[case("10.0.0.7", "127.0.0.1:8501", StatusCode::UNAUTHORIZED, true)]
#[tokio::test]
async fn a_stranger_is_told_what_would_help(
    #[case] peer: &str,
    #[case] host: &str,
    #[case] status: StatusCode,
    #[case] token: bool,
) {
    for page in PAGES {
        let for_programs = ask(shop(token), peer, host, Request::get(page), "").await;
        assert_eq!(for_programs.status, status, "{page}");
        assert!(
            for_programs.body.starts_with(r#"{"error":"for the staff"#),
            "{}",
            for_programs.body
        );
        assert_eq!(for_programs.header("www-authenticate").is_empty(), !token);
        let request = Request::get(page).header(header::ACCEPT, "text/html");
        let for_people = ask(shop(token), peer, host, request, "").await;
        assert_eq!(for_people.status, status, "{page}");
        assert_eq!(
            for_people.body.contains(r#"action="/staff""#),
            token,
            "{page}"
        );
    }
}

#[tokio::test]
async fn a_proxys_visitors_are_nobodys_peers() {
    for name in ["forwarded", "x-forwarded-for", "x-forwarded-host", "via"] {
        let request = Request::get("/balance").header(name, "127.0.0.1");
        let answer = ask(shop(false), "127.0.0.1", "localhost", request, "").await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN, "{name}");
    }
}

#[tokio::test]
async fn a_wrong_token_opens_nothing_not_even_for_a_peer() {
    let request = Request::get("/balance").header(header::AUTHORIZATION, "Bearer wrong");
    let answer = ask(shop(true), "127.0.0.1", "localhost", request, "").await;
    assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
    assert!(
        answer.body.contains("not the staff's token"),
        "{}",
        answer.body
    );
}

#[tokio::test]
async fn the_token_opens_from_anywhere() {
    let request = Request::get("/balance").header(header::AUTHORIZATION, format!("Bearer {TOKEN}"));
    let answer = ask(shop(true), "10.0.0.7", "shop.example", request, "").await;
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(answer.header("cache-control"), "no-store");
}

#[tokio::test]
async fn a_sign_in_is_a_cookie_without_the_token() {
    let form = format!("token={}", TOKEN.replace(' ', "+"));
    let shop = shop(true);
    let anywhere = |request, body| ask(shop.clone(), "10.0.0.7", "shop.example", request, body);
    let wrong = anywhere(Request::post("/staff"), "token=wrong").await;
    assert_eq!(wrong.status, StatusCode::UNAUTHORIZED);
    assert!(wrong.body.contains("This is not the token."));
    let answer = anywhere(Request::post("/staff"), &form).await;
    assert_eq!(answer.status, StatusCode::SEE_OTHER);
    assert_eq!(answer.header("location"), "/pipeline");
    let cookie = answer
        .cookies()
        .into_iter()
        .find(|one| one.starts_with("staff="))
        .unwrap();
    assert!(cookie.ends_with("; HttpOnly; SameSite=Strict"), "{cookie}");
    assert!(!cookie.contains("token"));
    let pair = cookie.split(';').next().unwrap().to_owned();
    let inside = anywhere(Request::get("/balance").header(header::COOKIE, &pair), "").await;
    assert_eq!(inside.status, StatusCode::OK);
    let out = anywhere(Request::post("/staff/out"), "").await;
    assert!(out.cookies()[0].starts_with("staff=; Path=/; Max-Age=0"));
    let https = Request::post("/staff")
        .header(header::ORIGIN, "https://shop.example")
        .header("sec-fetch-site", "same-origin");
    let answer = anywhere(https, &form).await;
    assert!(answer.cookies()[0].ends_with("; Secure"));
}

#[tokio::test]
async fn a_form_of_another_site_signs_nobody_in() {
    let request = Request::post("/staff").header("sec-fetch-site", "cross-site");
    let answer = ask(shop(true), "10.0.0.7", "shop.example", request, "token=x").await;
    assert_eq!(answer.status, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn only_the_staff_is_shown_the_way_to_the_pipeline() {
    for (peer, shown) in [("127.0.0.1", true), ("10.0.0.7", false)] {
        let answer = ask(shop(false), peer, "localhost:8501", Request::get("/"), "").await;
        assert_eq!(answer.body.contains(r#"href="/pipeline""#), shown, "{peer}");
    }
}

#[tokio::test]
async fn with_everything_away_the_page_says_so_and_hangs_for_nobody() {
    let asked = |accept: &'static str, page: &'static str| {
        let request = Request::get(page).header(header::ACCEPT, accept);
        ask(shop(false), "127.0.0.1", "localhost", request, "")
    };
    let within = std::time::Duration::from_secs(4);
    let page = tokio::time::timeout(within, asked("text/html", "/pipeline"))
        .await
        .unwrap();
    assert_eq!(page.status, StatusCode::OK);
    assert!(
        page.body.contains("The books cannot be read."),
        "{}",
        page.body
    );
    assert!(page.body.contains(r#"http-equiv="refresh""#));
    let text = tokio::time::timeout(within, asked("*/*", "/pipeline"))
        .await
        .unwrap();
    assert!(
        text.body
            .starts_with("NOT KNOWN: nobody can read the books\n"),
        "{}",
        text.body
    );
    let json = tokio::time::timeout(within, asked("*/*", "/balance"))
        .await
        .unwrap();
    assert!(
        json.body.starts_with(r#"{"balanced":false,"#),
        "{}",
        json.body
    );
}

#[tokio::test]
async fn the_news_end_with_the_shop() {
    let shop = shop(false);
    let end_of_shop = shop.stop.clone();
    let news = ask(
        shop,
        "127.0.0.1",
        "localhost",
        Request::get("/pipeline/events"),
        "",
    );
    let end = async {
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        end_of_shop.cancel();
    };
    let (news, ()) = tokio::join!(
        tokio::time::timeout(std::time::Duration::from_secs(5), news),
        end
    );
    let news = news.expect("the stream ends");
    assert_eq!(news.header("content-type"), "text/event-stream");
}
