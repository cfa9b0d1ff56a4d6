//! From a request's body to JSON: which kinds of body are read, packed or not, and how much may come out.

use super::answer::Refusal;
use crate::http::json;
use crate::http::reply::Refused;
use axum::body::Bytes;
use axum::http::{HeaderMap, header};
use flate2::read::MultiGzDecoder;
use serde::Deserialize;
use std::io::Read as _;

/// The body as its sender wrote it, of at most `max` bytes, however small it was packed.
pub(super) fn plain(headers: &HeaderMap, body: Bytes, max: usize) -> Result<Bytes, Refusal> {
    if !is_read_here(headers) {
        return Err(Refused::Unsupported.into());
    }
    let mut encodings = headers.get_all(header::CONTENT_ENCODING).iter();
    let encoding = encodings
        .next()
        .map_or(Ok("identity"), |name| name.to_str());
    let encoding = encoding.unwrap_or_default().trim().to_ascii_lowercase();
    match (encoding.as_str(), encodings.next()) {
        ("identity", None) => Ok(body),
        ("gzip" | "x-gzip", None) => unpack(&body, max),
        _ => Err(Refusal {
            refused: Refused::Unsupported,
            why: "the content encoding is not supported; gzip is".into(),
        }),
    }
}

/// Whether the body is said to be JSON in UTF-8, or text that may be it: a page's last words (`sendBeacon`)
/// come as text. Without a word it is taken to be JSON.
fn is_read_here(headers: &HeaderMap) -> bool {
    let Some(value) = headers.get(header::CONTENT_TYPE) else {
        return true;
    };
    let Ok(value) = value.to_str() else {
        return false;
    };
    let mut parts = value.split(';').map(str::trim);
    let kind = parts.next().unwrap_or_default();
    let known = ["application/json", "text/plain"]
        .iter()
        .any(|one| kind.eq_ignore_ascii_case(one));
    known && parts.all(is_utf8)
}

/// Whether a parameter of a content type leaves it at UTF-8.
fn is_utf8(parameter: &str) -> bool {
    parameter.split_once('=').is_none_or(|(name, value)| {
        let value = value.trim().trim_matches('"');
        !name.trim().eq_ignore_ascii_case("charset")
            || ["utf-8", "utf8", "us-ascii"]
                .iter()
                .any(|one| value.eq_ignore_ascii_case(one))
    })
}

/// Unpacks gzip. A few bytes may stand for as many as one likes: it ends at the first one too many.
fn unpack(packed: &[u8], max: usize) -> Result<Bytes, Refusal> {
    let mut whole = Vec::with_capacity(max.min(4 * packed.len()));
    let read = MultiGzDecoder::new(packed)
        .take(max as u64 + 1)
        .read_to_end(&mut whole);
    match read {
        Ok(_) if whole.len() > max => Err(Refused::TooLarge.into()),
        Ok(_) => Ok(whole.into()),
        Err(error) => Err(Refusal::invalid(format!("the body is not gzip: {error}"))),
    }
}

/// Reads an object of JSON; what a text holds may be borrowed from it.
pub(super) fn json<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Result<T, Refusal> {
    let text = std::str::from_utf8(body).map_err(|_| Refusal::invalid("the body is not UTF-8"))?;
    json::object_of(text).map_err(|error| Refusal::invalid(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::Compression;
    use flate2::write::GzEncoder;
    use rstest::rstest;
    use std::io::Write as _;

    fn headers(lines: &[(&'static str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(*name, value.parse().unwrap());
        }
        headers
    }

    fn gzip(bytes: &[u8]) -> Bytes {
        let mut packed = GzEncoder::new(Vec::new(), Compression::best());
        packed.write_all(bytes).unwrap();
        packed.finish().unwrap().into()
    }

    #[rstest]
    #[case(&[], true)]
    #[case(&[("content-type", "application/json")], true)]
    #[case(&[("content-type", "Application/JSON; charset=UTF-8")], true)]
    #[case(&[("content-type", r#"application/json;charset="utf-8""#)], true)]
    #[case(&[("content-type", "text/plain;charset=UTF-8")], true)]
    #[case(&[("content-type", "text/plain")], true)]
    #[case(&[("content-type", "application/json; charset=iso-8859-1")], false)]
    #[case(&[("content-type", "application/x-www-form-urlencoded")], false)]
    #[case(&[("content-type", "application/jsonp")], false)]
    #[case(&[("content-type", "")], false)]
    #[case(&[("content-encoding", "identity")], true)]
    #[case(&[("content-encoding", "br")], false)]
    #[case(&[("content-encoding", "gzip, gzip")], false)]
    #[case(&[("content-encoding", "gzip"), ("content-encoding", "gzip")], false)]
    fn json_and_text_are_read_and_nothing_else(
        #[case] lines: &[(&'static str, &str)],
        #[case] read: bool,
    ) {
        let body = plain(&headers(lines), Bytes::from_static(b"{}"), 2);
        match body {
            Ok(body) => assert!(read && body == "{}"),
            Err(refusal) => assert!(!read && refusal.refused == Refused::Unsupported),
        }
    }

    #[rstest]
    #[case("gzip")]
    #[case("x-gzip")]
    #[case("GZIP")]
    fn a_packed_body_is_unpacked_up_to_its_limit(#[case] encoding: &str) {
        let headers = headers(&[("content-encoding", encoding)]);
        let unpacked = |max| plain(&headers, gzip(b"12345"), max);
        assert_eq!(unpacked(5).unwrap(), "12345");
        assert_eq!(unpacked(4).unwrap_err().refused, Refused::TooLarge);
        let parts = [gzip(b"123"), gzip(b""), gzip(b"45")].concat();
        assert_eq!(plain(&headers, parts.into(), 5).unwrap(), "12345");
    }

    #[test]
    fn a_bomb_is_not_unpacked() {
        let headers = headers(&[("content-encoding", "gzip")]);
        let bomb = gzip(&vec![b' '; 20 << 20]);
        assert!(bomb.len() < 32 * 1024, "{}", bomb.len());
        // Half of it would be found to be cut, if anybody came that far.
        for bomb in [bomb.clone(), bomb.slice(..bomb.len() / 2)] {
            let refused = plain(&headers, bomb, 500 * 1024).unwrap_err();
            assert_eq!(refused.refused, Refused::TooLarge);
        }
    }

    #[test]
    fn what_is_no_gzip_is_invalid() {
        let headers = headers(&[("content-encoding", "gzip")]);
        let whole = gzip(b"12345");
        let cut = whole.slice(..whole.len() - 3);
        for body in [Bytes::from_static(b"{}"), Bytes::new(), cut] {
            let refused = plain(&headers, body, 100).unwrap_err();
            assert_eq!(refused.refused, Refused::Invalid);
        }
    }
}
