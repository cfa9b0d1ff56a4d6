//! What a page tells its tracker: the id under which the server has counted the very same view.

use super::*;
use std::fs;

/// The attributes of the page's tracker; none when the page has none.
fn tracker(answer: &Answer) -> Option<&str> {
    let (_, rest) = answer
        .body
        .split_once(r#"<script defer src="/tracker.js""#)?;
    rest.split('>').next()
}

/// One of its `data-` attributes.
fn told<'a>(answer: &'a Answer, name: &str) -> Option<&'a str> {
    let (_, rest) = tracker(answer)?.split_once(&format!(r#" data-{name}=""#))?;
    rest.split('"').next()
}

#[tokio::test]
async fn a_page_view_has_an_id_that_its_page_knows() {
    let mut ids = Vec::new();
    for (address, path) in [
        ("/?category=shirt", "/"),
        ("/", "/"),
        ("/hello", "/hello"),
        ("/cart", "/cart"),
        ("/thanks", "/thanks"),
        (
            "/receipt/0b1f1a52-9a3e-5f6b-8d53-0c8f1f0f2a11?p=2&o=41&t=1732240000123456",
            "/receipt/{id}",
        ),
    ] {
        let page = get(address, "username=Ann").await;
        let id = uuid::Uuid::parse_str(told(&page, "view").unwrap()).unwrap();
        assert_eq!(id.get_version_num(), 7, "{address}");
        ids.push(id);
        assert_eq!(told(&page, "path"), Some(path));
        assert_eq!(told(&page, "visit"), Some("cookie"));
        assert_eq!(told(&page, "user"), Some("Ann"));
        assert_eq!(told(&page, "write-key"), None);
    }
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), 6, "each view is another one");
}

#[tokio::test]
async fn whoever_is_new_has_a_visit_before_a_name() {
    let page = get("/", "").await;
    assert!(page.cookies()[0].starts_with("session_id="));
    assert!(told(&page, "view").is_some());
    assert_eq!(told(&page, "user"), None);
}

#[rstest]
#[case::none_there("/nowhere", "username=Ann")]
#[case::the_operators_own("/staff", "username=Ann")]
#[case::it_asks_again_by_itself(
    "/receipt/0b1f1a52-9a3e-5f6b-8d53-0c8f1f0f2a11?p=2&o=41&t=1732240000123456&again=1",
    "username=Ann"
)]
#[tokio::test]
async fn a_page_that_is_no_page_view_has_no_tracker(#[case] address: &str, #[case] cookie: &str) {
    assert_eq!(tracker(&get(address, cookie).await), None);
}

#[tokio::test]
async fn an_answer_to_a_form_is_no_page_view_either() {
    let answer = post("/hello", "", "username=").await;
    assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(tracker(&answer), None);
}

#[tokio::test]
async fn of_a_page_that_is_only_fetched_ahead_the_browser_alone_can_tell() {
    let request = Request::get("/cart")
        .header("sec-purpose", "prefetch")
        .header(header::COOKIE, "username=Ann");
    let router = shop_at(Path::new("/nonexistent"));
    let page = send(router, request.body(Body::empty()).unwrap()).await;
    assert_eq!(told(&page, "view"), None);
    assert!(told(&page, "visit").is_some());
}

#[tokio::test]
async fn a_name_stays_a_name_in_an_attribute() {
    let page = get("/", "username=%22%3E%3Cscript%3E").await;
    assert_eq!(told(&page, "user"), Some("&quot;&gt;&lt;script&gt;"));
}

#[rstest]
#[case(&["--write-keys=shop=1f"], (false, None))]
#[case(&["--write-keys=shop=1f", "--shop-write-key=1f"], (true, Some("1f")))]
#[tokio::test]
async fn where_keys_are_asked_for_a_page_has_a_tracker_with_a_key_or_none(
    #[case] flags: &[&str],
    #[case] tracked: (bool, Option<&str>),
) {
    let router = router(open_with(Path::new("/nonexistent"), flags));
    let page = send(router, Request::get("/").body(Body::empty()).unwrap()).await;
    let found = (tracker(&page).is_some(), told(&page, "write-key"));
    assert_eq!(found, tracked);
}

#[tokio::test]
async fn what_server_and_tracker_say_of_a_view_is_one_event_twice() {
    let folder = tempfile::tempdir().unwrap();
    let spool = format!("--spool-dir={}", folder.path().display());
    let shop = open_with(
        Path::new("/nonexistent"),
        &[&spool, "--spool-max-bytes=1048576"],
    );
    let router = router(shop.clone());
    let request = Request::get("/hello").header(header::COOKIE, "username=Ann");
    let page = send(router.clone(), request.body(Body::empty()).unwrap()).await;
    let id = told(&page, "view").unwrap();
    let click = "6b1f1a529a3e4f6b8d530c8f1f0f2a11";
    let request = Request::post("/click").header(header::COOKIE, "username=Ann");
    let body = format!("category=shirt&style=Polo+shirt&id={click}");
    let answer = send(router.clone(), request.body(Body::from(body)).unwrap()).await;
    assert_eq!(answer.status, StatusCode::NO_CONTENT);
    let told = format!(
        r#"{{"context":{{"library":{{"name":"tracker.js"}}}},"batch":[
            {{"type":"page","messageId":"{id}","userId":"Ann"}},
            {{"type":"track","event":"item_click","messageId":"{click}","userId":"Ann",
              "properties":{{"category":"shirt","style":"Polo shirt"}}}}]}}"#
    );
    let request = Request::post("/v1/batch").header("content-type", "text/plain");
    let answer = send(router, request.body(Body::from(told)).unwrap()).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
    shop.close().await;

    let mut kept = Vec::new();
    for entry in fs::read_dir(folder.path()).unwrap() {
        kept.extend(fs::read(entry.unwrap().path()).unwrap());
    }
    let kept = String::from_utf8_lossy(&kept);
    let events: Vec<&str> = kept.split(r#"{"boot":""#).skip(1).collect();
    let click = uuid::Uuid::parse_str(click).unwrap().to_string();
    for id in [id, &click] {
        let copies: Vec<_> = events
            .iter()
            .filter(|event| event.contains(&format!(r#""event_id":"{id}""#)))
            .collect();
        assert_eq!(copies.len(), 2, "{events:#?}");
        for source in ["shop", "tracker"] {
            let source = format!(r#""source":"{source}""#);
            assert!(copies.iter().any(|copy| copy.contains(&source)), "{source}");
        }
        assert!(copies.iter().all(|c| c.contains(r#""client_id":true"#)));
    }
    let looks = events
        .iter()
        .filter(|e| e.contains(r#""type":"item_click""#));
    assert!(looks.clone().all(|e| e.contains(r#""style":"Polo shirt""#)));
    assert_eq!(looks.count(), 2);
}
