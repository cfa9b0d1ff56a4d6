//! The shop as a browser without scripts meets it, with Kafka and Postgres away.

use super::readiness;
use super::router::router;
use super::settings::Settings;
use super::state::Shop;
use crate::components::receipt::{ReceiptView, receipt};
use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::http::{HeaderMap, Request, StatusCode, header};
use clap::Parser as _;
use domain::receipt::{Place, Progress};
use rstest::rstest;
use service::health::Health;
use std::io::Write;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;
use tower::ServiceExt as _;

mod over_tls;
mod posts;
mod staff;
mod totals;
mod tracker;

/// An answer, read to its end.
struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: String,
}

impl Answer {
    fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .map_or("", |value| value.to_str().unwrap())
    }

    fn cookies(&self) -> Vec<&str> {
        let all = self.headers.get_all(header::SET_COOKIE);
        all.iter().map(|value| value.to_str().unwrap()).collect()
    }
}

/// A shop whose brokers and database are on ports where nobody listens.
fn shop_at(site_root: &Path) -> Router {
    router(open(site_root))
}

fn open(site_root: &Path) -> Shop {
    open_with(site_root, &[])
}

fn open_with(site_root: &Path, flags: &[&str]) -> Shop {
    let site = format!("--leptos-site-root={}", site_root.display());
    let ours = [
        "app",
        "--kafka-brokers=127.0.0.1:1",
        "--database-url=postgres://nobody:nothing@127.0.0.1:1/none",
        "--leptos-hash-file-name=/nonexistent/hash.txt",
        "--spool-max-bytes=0",
        &site,
    ];
    let name = |flag: &str| flag.split('=').next().unwrap().to_owned();
    let given: Vec<_> = flags.iter().map(|flag| name(flag)).collect();
    let ours = ours.iter().filter(|flag| !given.contains(&name(flag)));
    let settings = Settings::parse_from(ours.chain(flags));
    Shop::open(&settings, Health::new(), CancellationToken::new()).unwrap()
}

async fn send(router: Router, request: Request<Body>) -> Answer {
    let response = router.oneshot(request).await.unwrap();
    let (parts, body) = response.into_parts();
    let bytes = axum::body::to_bytes(body, 1 << 20).await.unwrap();
    Answer {
        status: parts.status,
        headers: parts.headers,
        body: String::from_utf8(bytes.to_vec()).unwrap(),
    }
}

/// Sends a request over a connection from this address.
async fn from(peer: &str, router: &Router, mut request: Request<Body>) -> Answer {
    let peer: IpAddr = peer.parse().unwrap();
    let peer = ConnectInfo(SocketAddr::from((peer, 5555)));
    request.extensions_mut().insert(peer);
    send(router.clone(), request).await
}

async fn get(path: &str, cookie: &str) -> Answer {
    let request = Request::get(path).header(header::COOKIE, cookie);
    let router = shop_at(Path::new("/nonexistent"));
    send(router, request.body(Body::empty()).unwrap()).await
}

async fn post(path: &str, cookie: &str, body: &str) -> Answer {
    let request = Request::post(path).header(header::COOKIE, cookie);
    let router = shop_at(Path::new("/nonexistent"));
    send(router, request.body(Body::from(body.to_owned())).unwrap()).await
}

const TOKEN: &str = "token=6b1f1a52-9a3e-4f6b-8d53-0c8f1f0f2a11";
const VISIT: &str = "session_id=5bd1e995-0000-4000-8000-000000000001";
const RECEIPT: &str = "/receipt/0b1f1a52-9a3e-5f6b-8d53-0c8f1f0f2a11?p=2&o=41&t=1732240000123456";

#[tokio::test]
async fn options_stay_hidden_until_there_is_a_name() {
    let answer = get("/?category=shirt&style=Polo+shirt", "").await;
    assert_eq!(answer.status, StatusCode::OK);
    assert!(answer.body.contains(r#"action="/hello""#));
    assert!(!answer.body.contains(r#"action="/cart""#));
    let kept = answer.body.contains(r#"name="style" value="Polo shirt""#);
    assert!(kept, "the shared choice waits behind the question");
    assert!(answer.cookies()[0].starts_with("session_id="));
}

#[tokio::test]
async fn every_page_view_keeps_a_visit_going_for_half_an_hour() {
    for path in ["/", "/hello", "/cart", "/thanks", RECEIPT] {
        let answer = get(path, VISIT).await;
        let (pair, kept) = answer.cookies()[0].split_once("; ").unwrap();
        assert_eq!(kept, "Path=/; Max-Age=1800; HttpOnly; SameSite=Lax");
        let (visit, last_s) = pair.split_once('.').unwrap();
        assert_eq!(visit, VISIT, "{path}");
        let ago_s = chrono::Utc::now().timestamp() - last_s.parse::<i64>().unwrap();
        assert!((0..60).contains(&ago_s), "{path}: {ago_s} s ago");
    }
}

#[rstest]
#[case::none_there("/nowhere")]
#[case::the_operators_own("/staff")]
#[case::it_asks_again_by_itself(
    "/receipt/0b1f1a52-9a3e-5f6b-8d53-0c8f1f0f2a11?p=2&o=41&t=1732240000123456&again=1"
)]
#[tokio::test]
async fn what_is_no_page_view_does_not_prolong_a_visit(#[case] path: &str) {
    let cookie = format!("{VISIT}; username=Ann");
    assert_eq!(get(path, &cookie).await.cookies(), [""; 0]);
}

#[rstest]
#[case("/cart", "category=hat", StatusCode::UNPROCESSABLE_ENTITY)]
#[case("/cart", "category=shirt", StatusCode::SERVICE_UNAVAILABLE)]
#[case(
    "/checkout",
    "items=000000010-21FF00AA",
    StatusCode::SERVICE_UNAVAILABLE
)]
#[case("/click", "style=", StatusCode::UNPROCESSABLE_ENTITY)]
#[case("/hello", "username=", StatusCode::UNPROCESSABLE_ENTITY)]
#[case("/staff", "", StatusCode::FORBIDDEN)]
#[tokio::test]
async fn what_is_not_kept_does_not_prolong_a_visit(
    #[case] path: &str,
    #[case] fields: &str,
    #[case] status: StatusCode,
) {
    let cookie = format!("{VISIT}; username=Ann");
    let answer = post(path, &cookie, &format!("{TOKEN}&{fields}")).await;
    assert_eq!(answer.status, status);
    assert_eq!(answer.cookies(), [""; 0]);
}

#[tokio::test]
async fn every_event_of_a_form_keeps_a_visit_going() {
    let folder = tempfile::tempdir().unwrap();
    let spool = format!("--spool-dir={}", folder.path().display());
    let flags = [spool.as_str(), "--spool-max-bytes=1048576"];
    let shop = open_with(Path::new("/nonexistent"), &flags);
    for (method, path, body) in [
        (
            "POST",
            "/cart".to_owned(),
            format!("{TOKEN}&category=shirt"),
        ),
        (
            "POST",
            "/checkout".to_owned(),
            format!("{TOKEN}&items=000000010-21FF00AA"),
        ),
        (
            "POST",
            "/click".to_owned(),
            "category=shirt&style=Polo+shirt".to_owned(),
        ),
        (
            "GET",
            format!("/?{TOKEN}&category=shirt&style=Polo+shirt"),
            String::new(),
        ),
    ] {
        let request = Request::builder().method(method).uri(&path);
        let request = request.header(header::COOKIE, format!("{VISIT}; username=Ann"));
        let answer = send(router(shop.clone()), request.body(body.into()).unwrap()).await;
        let kept = answer.cookies();
        assert!(
            kept.iter()
                .any(|cookie| cookie.starts_with(&format!("{VISIT}."))),
            "{path}: {} {kept:?}",
            answer.status
        );
    }
    shop.close().await;
}

#[rstest]
#[case(&["--respect-dnt"], "dnt", 0)]
#[case(&["--respect-dnt"], "sec-gpc", 0)]
#[case(&["--respect-dnt"], "accept", 1)]
#[case(&[], "dnt", 1)]
#[tokio::test]
async fn who_does_not_want_to_be_followed_is_on_no_visit(
    #[case] flags: &[&str],
    #[case] header: &str,
    #[case] cookies: usize,
) {
    let router = router(open_with(Path::new("/nonexistent"), flags));
    let request = Request::get("/cart").header(header, "1");
    let answer = send(router, request.body(Body::empty()).unwrap()).await;
    assert_eq!(answer.cookies().len(), cookies);
}

#[tokio::test]
async fn a_name_is_remembered_where_no_script_can_read_it() {
    let answer = post("/hello", "", "username=+O%27Brien+&size=L").await;
    assert_eq!(answer.status, StatusCode::SEE_OTHER);
    assert_eq!(answer.header("location"), "/?size=L");
    let cookies = answer.cookies();
    assert_eq!(cookies.len(), 1);
    assert!(cookies[0].starts_with("username=O%27Brien; Path=/; Max-Age="));
    assert!(cookies[0].ends_with("; HttpOnly; SameSite=Lax"));
}

#[rstest]
#[case("username=", "the clicks need an owner")]
#[case("username=a%00b", "cannot contain the NUL character")]
#[case("username=123456789012345678901234567890123", "at most 32 characters")]
#[case("username=%FF", "did not arrive as text")]
#[case("username=Ann%C3", "did not arrive as text")]
#[tokio::test]
async fn a_name_that_cannot_be_used_is_refused_beside_its_field(
    #[case] body: &str,
    #[case] message: &str,
) {
    let answer = post("/hello", "", body).await;
    assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(answer.body.contains(r#"id="username-error""#));
    assert!(answer.body.contains(message), "{}", answer.body);
    assert!(answer.cookies().iter().all(|c| !c.starts_with("username")));
}

#[tokio::test]
async fn a_hostile_name_is_shown_and_never_run() {
    let name = "username=%3Cscript%3Ealert%281%29%3C%2Fscript%3E";
    let answer = get("/", name).await;
    assert_eq!(answer.status, StatusCode::OK);
    assert!(!answer.body.contains("<script>alert"));
    assert!(
        answer.body.contains("&lt;script&gt;alert(1)"),
        "{}",
        answer.body
    );
    let answer = get("/hello", "username=%22%20onfocus%3D%22x").await;
    assert!(
        answer.body.contains(r#"value="&quot; onfocus=&quot;x""#),
        "{}",
        answer.body
    );
}

#[tokio::test]
async fn only_the_chosen_category_offers_its_options() {
    let answer = get("/?category=trousers", "username=Ann").await;
    let offered = |label: &str| {
        let group = format!(r#"data-offer="{label}""#);
        let start = answer
            .body
            .find(&group)
            .unwrap_or_else(|| panic!("{group}"));
        let tag = &answer.body[start..];
        !tag[..tag.find('>').unwrap()].contains("disabled")
    };
    assert!(offered("trousers"));
    assert!(offered("any"));
    assert!(!offered("shirt"));
}

#[rstest]
#[case("category=hat", "category-error")]
#[case("category=shirt&style=Joggers", "style-error")]
#[case("category=shirt&size=XXL", "size-error")]
#[case("category=shirt&color=own&own_color=red", "color-error")]
#[tokio::test]
async fn an_option_that_is_not_sold_is_refused_beside_its_field(
    #[case] fields: &str,
    #[case] error: &str,
) {
    let answer = post("/cart", "username=Ann", &format!("{TOKEN}&{fields}")).await;
    assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(
        answer.body.contains(&format!(r#"id="{error}""#)),
        "{}",
        answer.body
    );
    assert!(answer.body.contains(TOKEN.trim_start_matches("token=")));
}

#[tokio::test]
async fn while_kafka_is_away_nothing_is_claimed_and_the_choice_is_kept() {
    let body = format!("{TOKEN}&category=shirt&style=Polo+shirt");
    let answer = post("/cart", "username=Ann", &body).await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(!answer.header("retry-after").is_empty());
    assert!(answer.body.contains("does not count as accepted"));
    let chosen = answer.body.split(r#"value="Polo shirt""#).nth(2).unwrap();
    assert!(chosen.starts_with(" checked"), "{}", &chosen[..40]);
    assert!(answer.body.contains(TOKEN.trim_start_matches("token=")));
    assert!(answer.cookies().iter().all(|c| !c.starts_with("cart")));
}

#[tokio::test]
async fn a_click_without_a_name_asks_for_the_name_and_keeps_the_choice() {
    let answer = post("/cart", "", &format!("{TOKEN}&category=shirt&size=M")).await;
    assert_eq!(answer.status, StatusCode::SEE_OTHER);
    assert_eq!(answer.header("location"), "/?category=shirt&size=M");
}

#[tokio::test]
async fn showing_options_leads_to_an_address_that_says_the_choice_alone() {
    let query = format!(
        "{TOKEN}&style_before=&category=trousers&gender=&size=S&color=own&own_color=%23abcdef&style=Polo+shirt"
    );
    let answer = get(&format!("/?{query}"), "username=Ann").await;
    assert_eq!(answer.status, StatusCode::SEE_OTHER);
    assert_eq!(
        answer.header("location"),
        "/?category=trousers&size=S&color=%23ABCDEF"
    );
}

#[tokio::test]
async fn a_receipt_is_a_page_that_asks_again_while_nobody_can_say() {
    let id = "0b1f1a52-9a3e-5f6b-8d53-0c8f1f0f2a11";
    let path = format!("/receipt/{id}?p=2&o=41&t=1732240000123456");
    let sent = "username=Ann; sent=%7B%22username%22%3A%22%3Cb%3E%22%7D";
    let answer = get(&path, sent).await;
    assert_eq!(answer.status, StatusCode::OK);
    assert!(answer.body.contains("partition 2, offset 41"));
    assert!(answer.body.contains("on its way"));
    assert!(answer.body.contains(r#"http-equiv="refresh""#));
    assert!(
        answer.body.contains("&lt;b&gt;"),
        "the JSON is shown, not run"
    );
    let answer = get(&format!("/receipt/{id}?p=2"), "username=Ann").await;
    assert_eq!(answer.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn an_address_alone_claims_nothing() {
    let path = "/receipt/0b1f1a52-9a3e-5f6b-8d53-0c8f1f0f2a11?p=2&o=41&t=1732240000123456";
    let body = get(path, "username=Ann").await.body;
    assert!(body.contains("Waiting for a row with this id"), "{body}");
    assert!(!body.contains("Accepted:") && !body.contains("Accepted by the shop"));
    assert!(body.contains("kcat -C -b 127.0.0.1:1 "), "{body}");
}

/// The receipt of a spooled click, as markup.
fn spooled(progress: Progress) -> String {
    let waiting = progress == Progress::Waiting;
    let view = ReceiptView {
        event_id: "7".into(),
        received_at: "then".into(),
        place: Place::Spool,
        topic: "clickstream".into(),
        brokers: "127.0.0.1:1".into(),
        message: Some("{}".into()),
        progress,
        select: "SELECT 1;".into(),
        href: "/".into(),
        progress_href: waiting.then(|| "/receipt/7/progress?t=1".into()),
        inside: true,
    };
    super::render::html(|| receipt(view))
}

#[test]
fn a_click_that_kafka_cannot_take_is_said_to_be_on_disk() {
    let html = spooled(Progress::Waiting);
    assert!(html.contains("kept on disk, on its way"), "{html}");
    assert!(
        html.contains("Kept on the shop's disk") || html.contains("Kept on the shop&#x27;s disk")
    );
    assert!(html.contains(r#"data-progress="/receipt/7/progress?t=1""#));
    let stored = spooled(Progress::Stored {
        after_ms: 70_000,
        row: None,
    });
    assert!(
        stored.contains("70000 ms after the shop accepted it"),
        "{stored}"
    );
    assert!(!stored.contains("on its way"), "{stored}");
}

#[test]
fn a_receipt_that_no_row_can_answer_stops_asking() {
    let html = spooled(Progress::Unknown);
    assert!(html.contains("there is no such row"), "{html}");
    assert!(!html.contains("data-progress") && !html.contains("Accepted by the shop"));
}

#[rstest]
#[case("9223372036854775807")]
#[case("-9223372036854775808")]
#[case("8210266876799999999")]
#[case("-8334601228800000000")]
#[tokio::test]
async fn a_receipt_of_no_time_is_not_found(#[case] time: &str) {
    let id = "0b1f1a52-9a3e-5f6b-8d53-0c8f1f0f2a11";
    for path in ["", "/progress"] {
        let answer = get(&format!("/receipt/{id}{path}?p=2&o=41&t={time}"), "").await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND);
    }
}

#[tokio::test]
async fn a_purchase_that_failed_is_offered_again_as_it_was() {
    let shown = "000000010-21FF00AA";
    let now = format!("username=Ann; cart={shown}000000021---------");
    let answer = post("/checkout", &now, &format!("{TOKEN}&items={shown}")).await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
    let items = format!(r#"name="items" value="{shown}""#);
    assert!(answer.body.contains(&items), "{}", answer.body);
    assert!(answer.body.contains(TOKEN.trim_start_matches("token=")));
}

#[tokio::test]
async fn a_form_never_takes_its_token_from_an_address() {
    let answer = get(&format!("/?{TOKEN}&category=hat"), "username=Ann").await;
    assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(answer.body.contains(r#"name="token" value=""#));
    assert!(!answer.body.contains(TOKEN.trim_start_matches("token=")));
}

#[tokio::test]
async fn showing_options_does_not_wait_for_kafka() {
    let path = format!("/?{TOKEN}&style_before=&category=shirt&style=Polo+shirt");
    let asked = get(&path, "username=Ann");
    let answer = tokio::time::timeout(Duration::from_secs(1), asked).await;
    assert_eq!(answer.unwrap().status, StatusCode::SEE_OTHER);
}

#[tokio::test]
async fn that_postgres_is_away_is_said_once_whoever_notices() {
    let said = Said::default();
    let log = tracing_subscriber::fmt()
        .with_ansi(false)
        .with_writer({
            let said = said.clone();
            move || said.clone()
        })
        .finish();
    let _log = tracing::subscriber::set_default(log);
    said.hears_outages().await;
    let shop = open(Path::new("/nonexistent"));
    let health = Health::new();
    let watch = readiness::watch(
        shop.store.clone(),
        health.part("postgres"),
        Arc::clone(&shop.postgres),
        CancellationToken::new(),
    );
    let receipt = domain::receipt::Receipt {
        event_id: uuid::Uuid::nil(),
        received_at: chrono::Utc::now(),
        place: Place::Kafka {
            partition: 0,
            offset: 0,
        },
    };
    // A connection is given up after five seconds; then both have noticed, more than once.
    tokio::select! {
        () = watch => panic!("the watch goes on"),
        _ = shop.collector.wait_stored(&receipt, Duration::from_secs(12)) => {}
    }
    let text = String::from_utf8(said.0.lock().unwrap().clone()).unwrap();
    let warnings = text
        .lines()
        .filter(|line| line.contains("WARN") && line.contains("Postgres"));
    assert_eq!(warnings.count(), 1, "{text}");
    assert_eq!(health.report().parts["postgres"], "cannot be reached");
}

/// What was logged.
#[derive(Clone, Default)]
struct Said(Arc<Mutex<Vec<u8>>>);

impl Said {
    /// Waits until an outage is heard. A line that another test's thread, where nobody listens, is just
    /// meeting for the first time is remembered as silent for all threads, until the next look.
    async fn hears_outages(&self) {
        let until = Instant::now() + Duration::from_secs(5);
        while self.0.lock().unwrap().is_empty() {
            assert!(Instant::now() < until, "an outage is not heard");
            tokio::time::sleep(Duration::from_millis(10)).await;
            tracing::callsite::rebuild_interest_cache();
            service::outage::Outage::new("A test").missing("to be heard");
        }
    }
}

impl Write for Said {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn a_cart_shows_what_the_browser_carries() {
    let answer = get("/cart", "username=Ann; cart=0000000000-2-1F2FFAA").await;
    assert!(answer.body.contains("nothing here") || answer.body.contains("Nothing here"));
    let answer = get("/cart", "username=Ann; cart=000000010-32FF00AA").await;
    assert!(answer.body.contains("Your cart"));
    let answer = get("/cart", "username=Ann; cart=000000010-21FF00AA").await;
    assert!(
        answer.body.contains("Polo shirt, size M, #FF00AA"),
        "{}",
        answer.body
    );
}

#[rstest]
#[tokio::test]
async fn a_post_from_another_site_is_turned_away(
    #[values("/cart", "/hello", "/checkout", "/click")] path: &str,
    #[values("cross-site", "same-site", "nonsense")] site: &str,
) {
    let request = Request::post(path)
        .header("sec-fetch-site", site)
        .header(header::COOKIE, "username=Ann")
        .body(Body::from(TOKEN))
        .unwrap();
    let answer = send(shop_at(Path::new("/nonexistent")), request).await;
    assert_eq!(answer.status, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn every_page_forbids_what_it_does_not_need() {
    for path in ["/", "/hello", "/cart", "/thanks", "/nowhere"] {
        let answer = get(path, "username=Ann").await;
        let policy = answer.header("content-security-policy");
        assert!(policy.contains("default-src 'self'"), "{path}: {policy}");
        assert!(policy.contains("frame-ancestors 'none'"));
        assert!(!policy.contains("unsafe-inline"));
        assert_eq!(answer.header("x-content-type-options"), "nosniff");
        assert!(!answer.body.contains(" style="), "{path}");
        let scripts = answer.body.split("<script").skip(1);
        let inline = scripts.filter(|script| !script.starts_with(" defer src=\"/tracker.js\" "));
        assert_eq!(inline.count(), 0, "{path}: no bundle, no script of ours");
    }
}

#[tokio::test]
async fn a_bundle_is_taken_up_as_soon_as_it_is_there() {
    let site = tempfile::tempdir().unwrap();
    let pkg = site.path().join("pkg");
    std::fs::create_dir(&pkg).unwrap();
    for file in ["app.AAAAAAAA.js", "app.BBBBBBBB.wasm", "app.CCCCCCCC.css"] {
        std::fs::write(pkg.join(file), "x").unwrap();
    }
    let ask = |path: &str| {
        let request = Request::get(path).header(header::COOKIE, "username=Ann");
        send(shop_at(site.path()), request.body(Body::empty()).unwrap())
    };
    let page = ask("/").await;
    assert!(page.body.contains(r#"href="/pkg/app.CCCCCCCC.css""#));
    let nonce = page.body.split(r#"nonce=""#).nth(1).unwrap();
    let nonce = &nonce[..nonce.find('"').unwrap()];
    let policy = page.header("content-security-policy");
    assert!(policy.contains(&format!("'nonce-{nonce}'")), "{policy}");
    assert!(!nonce.is_empty());
    let file = ask("/pkg/app.BBBBBBBB.wasm").await;
    assert_eq!(file.header("content-type"), "application/wasm");
    assert!(file.header("cache-control").contains("immutable"));
    assert_eq!(
        ask("/pkg/app.DDDDDDDD.js").await.status,
        StatusCode::NOT_FOUND
    );
}

#[tokio::test]
async fn two_forms_never_share_a_token() {
    let token = |answer: &Answer| {
        let start = answer.body.find(r#"name="token" value=""#).unwrap() + 20;
        answer.body[start..start + 36].to_owned()
    };
    let (one, other) = (
        get("/", "username=Ann").await,
        get("/", "username=Ann").await,
    );
    assert_ne!(token(&one), token(&other));
}
