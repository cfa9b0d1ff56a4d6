//! Which sites' pages may send events with the browser's leave, and read the answer (CORS, as the Fetch
//! standard has it). A site that is named may send credentials; one that is only let in by `*` may not.
//!
//! Not a library's layer: those answer every `OPTIONS` as a preflight, and the contracts have answers of
//! their own to an `OPTIONS` that is none.

use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use std::str::FromStr;

/// The methods that any of the addresses has.
const METHODS: HeaderValue = HeaderValue::from_static("GET, POST, PUT");
/// How long a browser may remember the answer to a preflight, in seconds: no browser takes more than a day.
const REMEMBERED_S: HeaderValue = HeaderValue::from_static("86400");

/// The sites whose pages may send.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Origins {
    /// Whether any site may, without credentials.
    any: bool,
    /// Those that may with them.
    named: Vec<String>,
}

impl FromStr for Origins {
    type Err = String;

    /// Reads `*` and origins between commas.
    fn from_str(text: &str) -> Result<Self, String> {
        let mut origins = Self::default();
        for one in text.split(',').map(str::trim).filter(|one| !one.is_empty()) {
            if one == "*" {
                origins.any = true;
            } else if is_origin(one) {
                origins.named.push(one.to_ascii_lowercase());
            } else {
                return Err(format!(
                    "{one:?} is no origin; expected a list such as https://shop.example,http://localhost:3000"
                ));
            }
        }
        Ok(origins)
    }
}

/// Whether it is a scheme, a host and perhaps a port, and nothing behind.
fn is_origin(text: &str) -> bool {
    text.split_once("://").is_some_and(|(scheme, host)| {
        matches!(scheme, "http" | "https")
            && !host.is_empty()
            && !host.contains(['/', '?', '#', '@', ' ', '*'])
    })
}

impl Origins {
    /// What to say to the page of this origin, besides `Vary`; nothing when it may not send.
    fn leave(&self, origin: &HeaderValue) -> Option<HeaderMap> {
        let mut headers = HeaderMap::new();
        let allowed = header::ACCESS_CONTROL_ALLOW_ORIGIN;
        // A browser writes its origin in lower case, but a name is one in any.
        let is_named = |text: &str| self.named.iter().any(|one| one.eq_ignore_ascii_case(text));
        if origin.to_str().is_ok_and(is_named) {
            headers.insert(allowed, origin.clone());
            headers.insert(
                header::ACCESS_CONTROL_ALLOW_CREDENTIALS,
                HeaderValue::from_static("true"),
            );
        } else if self.any {
            headers.insert(allowed, HeaderValue::from_static("*"));
        } else {
            return None;
        }
        Some(headers)
    }

    /// Whether an answer is another for another site.
    fn differ(&self) -> bool {
        !self.named.is_empty()
    }

    /// The answer to a preflight; none to any other request, and none to a page that may not send.
    pub(super) fn preflight(&self, request: &Parts) -> Option<Response> {
        let asked = &request.headers;
        if request.method != Method::OPTIONS
            || !asked.contains_key(header::ACCESS_CONTROL_REQUEST_METHOD)
        {
            return None;
        }
        let mut headers = self.leave(asked.get(header::ORIGIN)?)?;
        headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, METHODS);
        // What we do not know we do not read: there is no header that could do harm.
        if let Some(names) = asked.get(header::ACCESS_CONTROL_REQUEST_HEADERS) {
            headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, names.clone());
        }
        headers.insert(header::ACCESS_CONTROL_MAX_AGE, REMEMBERED_S);
        headers.insert(
            header::VARY,
            HeaderValue::from_static("origin, access-control-request-headers"),
        );
        Some((StatusCode::NO_CONTENT, headers).into_response())
    }

    /// Adds to any other answer what lets the page of `origin` read it.
    pub(super) fn add(&self, origin: Option<&HeaderValue>, answer: &mut Response) {
        let headers = answer.headers_mut();
        if self.differ() {
            headers.append(header::VARY, HeaderValue::from_static("origin"));
        }
        if let Some(leave) = origin.and_then(|origin| self.leave(origin)) {
            headers.extend(leave);
            headers.insert(
                header::ACCESS_CONTROL_EXPOSE_HEADERS,
                HeaderValue::from_static("retry-after"),
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::Request;
    use rstest::rstest;

    fn origins(text: &str) -> Origins {
        text.parse().unwrap()
    }

    #[rstest]
    #[case("https://a.example", "https://a.example", Some(("https://a.example", true)))]
    #[case("https://A.example", "https://a.example", Some(("https://a.example", true)))]
    #[case("https://a.example", "http://a.example", None)]
    #[case("https://a.example", "https://a.example:444", None)]
    #[case("https://a.example", "https://b.example", None)]
    #[case("https://a.example", "null", None)]
    #[case("*", "https://b.example", Some(("*", false)))]
    #[case("*", "null", Some(("*", false)))]
    #[case("*,https://a.example", "https://a.example", Some(("https://a.example", true)))]
    #[case("*,https://a.example", "https://b.example", Some(("*", false)))]
    #[case("", "https://a.example", None)]
    fn only_a_named_site_may_send_credentials(
        #[case] settings: &str,
        #[case] origin: &'static str,
        #[case] leave: Option<(&str, bool)>,
    ) {
        let headers = origins(settings).leave(&HeaderValue::from_static(origin));
        let said = headers.as_ref().map(|headers| {
            (
                headers["access-control-allow-origin"].to_str().unwrap(),
                headers.contains_key("access-control-allow-credentials"),
            )
        });
        assert_eq!(said, leave);
    }

    #[rstest]
    #[case("a.example")]
    #[case("https://a.example/")]
    #[case("https://")]
    #[case("https://*.example")]
    #[case("ftp://a.example")]
    fn what_is_no_origin_is_refused(#[case] text: &str) {
        assert!(
            text.parse::<Origins>()
                .unwrap_err()
                .contains("is no origin")
        );
    }

    #[rstest]
    #[case("OPTIONS", &[("origin", "https://a.example"), ("access-control-request-method", "POST")], true)]
    #[case("OPTIONS", &[("origin", "https://b.example"), ("access-control-request-method", "POST")], false)]
    #[case("OPTIONS", &[("origin", "https://a.example")], false)]
    #[case("OPTIONS", &[("access-control-request-method", "POST")], false)]
    #[case("POST", &[("origin", "https://a.example"), ("access-control-request-method", "POST")], false)]
    fn a_preflight_is_an_options_that_asks_for_a_method(
        #[case] method: &str,
        #[case] lines: &[(&str, &str)],
        #[case] answered: bool,
    ) {
        let mut request = Request::builder().method(method);
        for (name, value) in lines {
            request = request.header(*name, *value);
        }
        let (parts, ()) = request.body(()).unwrap().into_parts();
        let answer = origins("https://a.example").preflight(&parts);
        assert_eq!(answer.is_some(), answered);
    }
}
