//! Write keys: who may send to `/v1`. A key says which site or program sends; being part of a page, it is
//! no secret that protects anything else, and it opens nothing but the way in.

use super::reply::Refused;
use axum::http::{HeaderMap, HeaderValue, Uri, header};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

/// The name of a key that nobody asked for.
const UNNAMED: &str = "";

/// The keys that are asked for; none when there is none.
#[derive(Clone, Default)]
pub struct WriteKeys(Vec<Key>);

#[derive(Clone)]
struct Key {
    name: Arc<str>,
    /// A keyed hash of the key, not the key.
    seal: [u8; 32],
}

impl fmt::Debug for WriteKeys {
    /// The names alone.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list()
            .entries(self.0.iter().map(|key| &key.name))
            .finish()
    }
}

impl FromStr for WriteKeys {
    type Err = String;

    /// Reads `name=key` between commas. Two keys may have one name: the old one and the new one.
    fn from_str(text: &str) -> Result<Self, String> {
        let all = text.split(',').map(str::trim).filter(|one| !one.is_empty());
        all.enumerate()
            .map(|(at, one)| {
                // The pair itself is not shown: it holds the key.
                let wrong = |why: &str| format!("write key number {}: {why}", at + 1);
                let (name, key) = one
                    .split_once('=')
                    .ok_or_else(|| wrong("expected name=key"))?;
                if name.is_empty() || key.is_empty() {
                    return Err(wrong("neither name nor key may be empty"));
                }
                if key.contains(':') {
                    return Err(wrong("Basic authentication allows no ':' in a key"));
                }
                Ok(Key {
                    name: name.into(),
                    seal: hash(key).finalize().into_bytes().into(),
                })
            })
            .collect::<Result<_, _>>()
            .map(Self)
    }
}

impl WriteKeys {
    /// The name of the key that came with a request, or in its body where none came with it.
    pub(super) fn admit(
        &self,
        with_request: Option<&str>,
        in_body: Option<&str>,
    ) -> Result<Arc<str>, Refused> {
        if self.0.is_empty() {
            return Ok(UNNAMED.into());
        }
        let given = with_request.or(in_body).ok_or(Refused::Unauthorized)?;
        self.name_of(given).ok_or(Refused::Unauthorized)
    }

    /// Takes the same time for every wrong key.
    fn name_of(&self, given: &str) -> Option<Arc<str>> {
        let given = hash(given);
        let right = |key: &&Key| given.clone().verify_slice(&key.seal).is_ok();
        self.0.iter().find(right).map(|key| Arc::clone(&key.name))
    }
}

/// A hash of one length, so that not even a key's length can be told from how long a comparison takes.
fn hash(key: &str) -> Hmac<Sha256> {
    let Ok(mut hash) = Hmac::<Sha256>::new_from_slice(key.as_bytes()) else {
        unreachable!("an HMAC takes a key of any length");
    };
    hash.update(b"clickshop write key");
    hash
}

/// The key that came with a request: as Basic authentication's user, else as `writeKey` in the query.
pub(super) fn with_request(headers: &HeaderMap, uri: &Uri) -> Option<String> {
    let basic = headers.get(header::AUTHORIZATION).and_then(basic_user);
    basic.or_else(|| {
        let query = uri.query()?.as_bytes();
        let mut pairs = form_urlencoded::parse(query);
        let (_, key) = pairs.find(|(name, key)| name == "writeKey" && !key.is_empty())?;
        Some(key.into_owned())
    })
}

/// The user of `Basic base64(user:password)` (RFC 7617); none when it is empty.
fn basic_user(value: &HeaderValue) -> Option<String> {
    let (scheme, credentials) = value.to_str().ok()?.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let credentials = STANDARD.decode(credentials.trim()).ok()?;
    let credentials = String::from_utf8(credentials).ok()?;
    let user = credentials
        .split_once(':')
        .map_or(&*credentials, |(user, _)| user);
    (!user.is_empty()).then(|| user.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    fn two_sites() -> WriteKeys {
        "shop=old, shop=new,app=third".parse().unwrap()
    }

    #[rstest]
    #[case("old", Some("shop"))]
    #[case("new", Some("shop"))]
    #[case("third", Some("app"))]
    #[case("shop", None)]
    #[case("ol", None)]
    #[case("", None)]
    fn a_name_may_have_two_keys_while_one_is_changed(
        #[case] key: &str,
        #[case] name: Option<&str>,
    ) {
        let admitted = two_sites().admit(Some(key), None);
        assert_eq!(
            admitted.as_deref(),
            name.ok_or(Refused::Unauthorized).as_ref().copied()
        );
    }

    #[test]
    fn the_key_of_the_body_counts_where_none_came_with_the_request() {
        let keys = two_sites();
        assert_eq!(keys.admit(None, Some("new")).as_deref(), Ok("shop"));
        assert_eq!(
            keys.admit(Some("wrong"), Some("new")),
            Err(Refused::Unauthorized)
        );
        assert_eq!(keys.admit(None, None), Err(Refused::Unauthorized));
    }

    #[test]
    fn without_keys_everybody_is_let_in() {
        let keys: WriteKeys = "".parse().unwrap();
        assert_eq!(keys.admit(None, None).as_deref(), Ok(""));
        assert_eq!(keys.admit(Some("any"), None).as_deref(), Ok(""));
    }

    #[rstest]
    #[case("secret")]
    #[case("=secret")]
    #[case("name=")]
    #[case("name=sec:ret")]
    fn what_is_no_list_of_keys_is_refused_without_showing_them(#[case] text: &str) {
        let error = text.parse::<WriteKeys>().unwrap_err();
        assert!(
            error.starts_with("write key number 1") && !error.contains("sec"),
            "{error}"
        );
    }

    #[test]
    fn a_key_is_not_shown() {
        assert_eq!(format!("{:?}", two_sites()), r#"["shop", "shop", "app"]"#);
    }

    #[rstest]
    // "k:", "k:password" and "k" alone
    #[case(Some("Basic azo="), "/", Some("k"))]
    #[case(Some("basic azpwYXNzd29yZA=="), "/", Some("k"))]
    #[case(Some("Basic aw=="), "/", Some("k"))]
    #[case(Some("Basic azo="), "/?writeKey=q", Some("k"))]
    // ":", what is no Base64, and another scheme
    #[case(Some("Basic Og=="), "/?writeKey=q", Some("q"))]
    #[case(Some("Basic ?"), "/", None)]
    #[case(Some("Bearer azo="), "/?writeKey=q", Some("q"))]
    #[case(None, "/?a=b&writeKey=a%2Bb", Some("a+b"))]
    #[case(None, "/?writeKey=", None)]
    #[case(None, "/", None)]
    fn a_key_comes_as_user_or_in_the_query(
        #[case] authorization: Option<&str>,
        #[case] uri: &'static str,
        #[case] key: Option<&str>,
    ) {
        let mut headers = HeaderMap::new();
        if let Some(value) = authorization {
            headers.insert(header::AUTHORIZATION, value.parse().unwrap());
        }
        let given = with_request(&headers, &Uri::from_static(uri));
        assert_eq!(given.as_deref(), key);
    }
}
