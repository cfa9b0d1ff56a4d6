//! Posts come from the shop's own pages, or from programs that carry nobody's cookies.
//!
//! `SameSite=Lax` keeps other sites from posting with a visitor's cookies already; this also keeps out
//! other ports of the same host, which count as the same site.

use axum::extract::Request;
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

/// Answers 403 to a post that a browser sent from another origin.
pub async fn same_origin_only(request: Request, next: Next) -> Response {
    let safe = matches!(
        *request.method(),
        Method::GET | Method::HEAD | Method::OPTIONS
    );
    if safe || is_own(request.headers()) {
        next.run(request).await
    } else {
        (
            StatusCode::FORBIDDEN,
            "This form belongs to another site; nothing was recorded.\n",
        )
            .into_response()
    }
}

/// Whether a browser says that the request comes from our own page, or no browser is involved.
fn is_own(headers: &HeaderMap) -> bool {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    if headers.contains_key("sec-fetch-site") {
        return matches!(text("sec-fetch-site"), Some("same-origin" | "none"));
    }
    if !headers.contains_key(header::ORIGIN.as_str()) {
        return true;
    }
    let origin = text("origin").and_then(|origin| origin.split_once("://"));
    origin.is_some_and(|(_, authority)| Some(authority) == text("host"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;
    use rstest::rstest;

    #[rstest]
    #[case(&[], true)]
    #[case(&[("sec-fetch-site", "same-origin")], true)]
    #[case(&[("sec-fetch-site", "same-site")], false)]
    #[case(&[("sec-fetch-site", "cross-site"), ("origin", "http://127.0.0.1:8501")], false)]
    #[case(&[("origin", "http://127.0.0.1:8501")], true)]
    #[case(&[("origin", "http://127.0.0.1:9999")], false)]
    #[case(&[("origin", "null")], false)]
    fn only_our_own_pages_post(#[case] sent: &[(&'static str, &'static str)], #[case] own: bool) {
        let mut headers =
            HeaderMap::from_iter([(header::HOST, HeaderValue::from_static("127.0.0.1:8501"))]);
        for (name, value) in sent {
            headers.insert(*name, HeaderValue::from_static(value));
        }
        assert_eq!(is_own(&headers), own);
    }
}
