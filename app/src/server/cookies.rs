//! Cookies: read without trust, written so that no script can read them.

use axum::http::{HeaderMap, HeaderValue};
use collector::http::{Scheme, visit};
use percent_encoding::{NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

/// Who the visitor says to be.
pub const USERNAME: &str = "username";
/// What lies in the cart.
pub const CART: &str = "cart";
/// The JSON of one click, sent only with requests for that click's receipt.
pub const SENT: &str = "sent";

/// Browsers keep 4096 bytes of name, value and attributes together (RFC 6265, section 6.1).
const VALUE_MAX_BYTES: usize = 3800;

/// The decoded value of a cookie; none when it is absent or no UTF-8.
pub fn read(headers: &HeaderMap, name: &str) -> Option<String> {
    let value = visit::cookie(headers, name)?;
    let text = percent_decode_str(value).decode_utf8().ok()?;
    Some(text.into_owned())
}

/// A cookie to set: for `path`, for `max_age_s` seconds or until the browser is closed.
///
/// None when the value is too long to be kept; a browser would drop it silently.
pub fn set(
    name: &str,
    value: &str,
    path: &str,
    max_age_s: Option<u32>,
    scheme: Scheme,
) -> Option<HeaderValue> {
    let value = utf8_percent_encode(value, NON_ALPHANUMERIC).to_string();
    if value.len() > VALUE_MAX_BYTES {
        return None;
    }
    let age = max_age_s.map_or_else(String::new, |seconds| format!("; Max-Age={seconds}"));
    HeaderValue::try_from(format!(
        "{name}={value}; Path={path}{age}; HttpOnly; SameSite=Lax{}",
        scheme.of_cookies()
    ))
    .ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::header;
    use proptest::prelude::*;

    fn sent_back(cookie: &HeaderValue) -> HeaderMap {
        let pair = cookie.to_str().unwrap().split(';').next().unwrap();
        let line = format!("other=1; {pair}");
        HeaderMap::from_iter([(header::COOKIE, HeaderValue::try_from(line).unwrap())])
    }

    proptest! {
        #[test]
        fn any_text_comes_back_as_it_was(text in "\\PC{0,32}|[\0-\u{7f}]{0,32}") {
            let cookie = set(USERNAME, &text, "/", None, Scheme::Http).unwrap();
            prop_assert_eq!(read(&sent_back(&cookie), USERNAME), Some(text));
        }
    }

    #[test]
    fn no_script_can_read_a_cookie_and_no_other_site_can_post_with_it() {
        let cookie = |scheme| set(CART, "x", "/", Some(60), scheme).unwrap();
        let open = "cart=x; Path=/; Max-Age=60; HttpOnly; SameSite=Lax";
        assert_eq!(cookie(Scheme::Http), open);
        assert_eq!(cookie(Scheme::Https), format!("{open}; Secure"));
    }

    #[test]
    fn what_a_browser_would_drop_is_not_set() {
        assert!(set(SENT, &"x".repeat(4000), "/", None, Scheme::Http).is_none());
    }

    #[test]
    fn nonsense_is_no_cookie() {
        let mut headers = HeaderMap::new();
        assert_eq!(read(&headers, USERNAME), None);
        headers.insert(
            header::COOKIE,
            HeaderValue::from_static("username=%FF; novalue; =; username"),
        );
        assert_eq!(read(&headers, USERNAME), None);
    }
}
