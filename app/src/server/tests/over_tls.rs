//! What changes where a proxy of ours says that the visitor came over TLS.

use super::*;

const STAFF_TOKEN: &str = "sixteen-letters-";

#[rstest]
#[case::a_proxy("10.0.0.1", "https", true)]
#[case::in_the_clear("10.0.0.1", "http", false)]
#[case::whoever_says_so("192.0.2.1", "https", false)]
#[tokio::test]
async fn no_cookie_of_theirs_is_ever_sent_in_the_clear(
    #[case] peer: &str,
    #[case] said: &str,
    #[case] secure: bool,
) {
    let staff_token = format!("--staff-token={STAFF_TOKEN}");
    let flags = ["--trusted-proxies=10.0.0.0/8", &staff_token];
    let router = router(open_with(Path::new("/nonexistent"), &flags));
    let token = format!("token={STAFF_TOKEN}");
    for (method, path, body, cookie) in [
        ("GET", "/", "", "session_id="),
        ("POST", "/hello", "username=Ann", "username=Ann"),
        ("POST", "/staff", &token, "staff="),
        ("POST", "/staff/out", "", "staff=;"),
    ] {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("x-forwarded-proto", said)
            // A page's own word, which anybody can write, too.
            .header(header::ORIGIN, "https://shop.example")
            .header("sec-fetch-site", "same-origin");
        let request = request.body(Body::from(body.to_owned())).unwrap();
        let answer = from(peer, &router, request).await;
        let cookies = answer.cookies();
        assert!(cookies[0].starts_with(cookie), "{path}: {cookies:?}");
        // The one that opens doors takes the page's word, too.
        let secure = secure || cookie == "staff=";
        for cookie in cookies {
            assert_eq!(cookie.ends_with("; Secure"), secure, "{path}: {cookie}");
        }
    }
}
