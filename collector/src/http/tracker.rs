//! `GET /tracker.js`: the script for other people's pages, small enough not to be noticed.
//!
//! It is written once, with comments, in `assets/tracker.js`; what is handed out is the same without them. Where
//! `RESPECT_DNT` is set, it is told so, and heeds by itself what its visitor's browser says: every visitor gets
//! the same bytes, so that any cache may keep them.

use super::Doors;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use flate2::Compression;
use flate2::write::GzEncoder;
use sha2::{Digest as _, Sha256};
use std::fmt::Write as _;
use std::io::Write as _;
use std::sync::LazyLock;

const SOURCE: &str = include_str!("../../assets/tracker.js");

/// An hour: a page does not ask at every view, and a mended script is everywhere soon.
const KEPT: HeaderValue = HeaderValue::from_static("public, max-age=3600");

/// The line of the script that is another one where `RESPECT_DNT` is set, and how it is then.
const RESPECTFUL: [&str; 2] = ["const respectful = false;", "const respectful = true;"];

static SCRIPT: LazyLock<Script> = LazyLock::new(|| Script::new(SOURCE));
static RESPECTFUL_SCRIPT: LazyLock<Script> = LazyLock::new(|| {
    let [not, so] = RESPECTFUL;
    Script::new(&SOURCE.replace(not, so))
});

/// The script as it is handed out.
struct Script {
    plain: Bytes,
    /// None when it could not be packed.
    packed: Option<Bytes>,
    /// Weak, because packed and plain are different bytes that mean the same.
    tag: String,
}

impl Script {
    fn new(source: &str) -> Self {
        let plain = without_comments(source);
        let digest = Sha256::digest(plain.as_bytes());
        let mut tag = String::from("W/\"");
        for byte in &digest[..8] {
            let _ = write!(tag, "{byte:02x}");
        }
        tag.push('"');
        Self {
            packed: pack(plain.as_bytes()).ok(),
            plain: plain.into(),
            tag,
        }
    }
}

/// The script without its indentation and the lines that are comments.
fn without_comments(source: &str) -> String {
    source
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty() && !line.starts_with("//"))
        .flat_map(|line| [line, "\n"])
        .collect()
}

fn pack(bytes: &[u8]) -> std::io::Result<Bytes> {
    let mut packed = GzEncoder::new(Vec::new(), Compression::best());
    packed.write_all(bytes)?;
    Ok(packed.finish()?.into())
}

/// The script for other people's pages.
#[utoipa::path(
    get, path = "/tracker.js", tag = "trackers", operation_id = "tracker",
    responses(
        (status = 200, description = "The script; its comments are in `collector/assets/tracker.js`", body = String, content_type = "text/javascript"),
        (status = 304, description = "It is what `If-None-Match` says")
    )
)]
pub(super) async fn get(State(doors): State<Doors>, asked: HeaderMap) -> Response {
    if doors.gate.respects_dnt() {
        answer(&RESPECTFUL_SCRIPT, &asked)
    } else {
        answer(&SCRIPT, &asked)
    }
}

fn answer(script: &Script, asked: &HeaderMap) -> Response {
    let mut headers = HeaderMap::new();
    headers.insert(header::CACHE_CONTROL, KEPT);
    headers.insert(header::VARY, HeaderValue::from_static("accept-encoding"));
    if let Ok(tag) = HeaderValue::from_str(&script.tag) {
        headers.insert(header::ETAG, tag);
    }
    if has(asked, header::IF_NONE_MATCH, |tag| {
        tag == script.tag || tag == "*"
    }) {
        return (StatusCode::NOT_MODIFIED, headers).into_response();
    }
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("text/javascript; charset=utf-8"),
    );
    headers.insert(
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    );
    // Other sites' pages may ask for it, also those that ask for leave for everything they load.
    headers.insert(
        "cross-origin-resource-policy",
        HeaderValue::from_static("cross-origin"),
    );
    let takes_gzip = has(asked, header::ACCEPT_ENCODING, is_gzip);
    let body = match &script.packed {
        Some(packed) if takes_gzip => {
            let gzip = HeaderValue::from_static("gzip");
            headers.insert(header::CONTENT_ENCODING, gzip);
            packed
        }
        _ => &script.plain,
    };
    (headers, Body::from(body.clone())).into_response()
}

/// Whether an entry of a list header is so.
fn has(headers: &HeaderMap, name: header::HeaderName, so: impl Fn(&str) -> bool) -> bool {
    let lines = headers.get_all(name).into_iter();
    lines
        .filter_map(|line| line.to_str().ok())
        .flat_map(|line| line.split(','))
        .any(|entry| so(entry.trim()))
}

/// Whether an entry of `Accept-Encoding` is gzip, and not one that is refused (`q=0`).
fn is_gzip(entry: &str) -> bool {
    let (name, quality) = entry.split_once(';').unwrap_or((entry, "q=1"));
    let quality = quality.trim().strip_prefix("q=").unwrap_or_default();
    name.trim().eq_ignore_ascii_case("gzip") && quality.trim().parse::<f32>().is_ok_and(|q| q > 0.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::read::GzDecoder;
    use rstest::rstest;
    use std::io::Read as _;

    /// The contract's limit, packed.
    const MAX_BYTES: usize = 3_000;

    async fn ask(lines: &[(&'static str, &str)]) -> (Response, Vec<u8>) {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(*name, value.parse().unwrap());
        }
        let (parts, body) = answer(&SCRIPT, &headers).into_parts();
        let bytes = axum::body::to_bytes(body, 1 << 20).await.unwrap();
        (Response::from_parts(parts, Body::empty()), bytes.to_vec())
    }

    #[test]
    fn the_script_is_at_most_3_kb_on_the_wire() {
        for script in [&*SCRIPT, &*RESPECTFUL_SCRIPT] {
            let packed = script.packed.as_ref().unwrap().len();
            println!("{} bytes, packed {packed}", script.plain.len());
            assert!(packed <= MAX_BYTES, "{packed} bytes");
        }
    }

    #[test]
    fn the_script_that_respects_who_asks_for_it_differs_in_one_line() {
        let text = |script: &Script| String::from_utf8(script.plain.to_vec()).unwrap();
        let (plain, respectful) = (text(&SCRIPT), text(&RESPECTFUL_SCRIPT));
        assert_eq!(plain.lines().count(), respectful.lines().count());
        let lines = plain.lines().zip(respectful.lines());
        let other: Vec<_> = lines.filter(|(one, other)| one != other).collect();
        let [not, so] = RESPECTFUL;
        assert_eq!(other, [(not, so)]);
        assert_ne!(SCRIPT.tag, RESPECTFUL_SCRIPT.tag, "so that caches notice");
    }

    #[test]
    fn comments_and_indentation_stay_here() {
        let source = "// what it is\n(() => {\n  // why\n  a(\"https://b\"); // c\n\n})();\n";
        let plain = without_comments(source);
        assert_eq!(plain, "(() => {\na(\"https://b\"); // c\n})();\n");
        // A text over several lines would lose its lines' beginnings.
        let plain = without_comments(SOURCE);
        assert!(!plain.contains('`') && !plain.contains("/*"), "{plain}");
    }

    #[tokio::test]
    async fn it_comes_packed_to_who_takes_it_and_once_an_hour() {
        let (answer, packed) = ask(&[("accept-encoding", "br, gzip")]).await;
        assert_eq!(answer.headers()["content-encoding"], "gzip");
        let mut unpacked = Vec::new();
        GzDecoder::new(&packed[..])
            .read_to_end(&mut unpacked)
            .unwrap();
        let (answer, plain) = ask(&[("accept-encoding", "gzip;q=0")]).await;
        assert_eq!(plain, unpacked);
        let headers = answer.headers();
        assert!(!headers.contains_key("content-encoding"));
        assert_eq!(headers["content-type"], "text/javascript; charset=utf-8");
        assert_eq!(headers["cache-control"], "public, max-age=3600");
        assert_eq!(headers["vary"], "accept-encoding");
        let tag = headers["etag"].to_str().unwrap();
        let (again, nothing) = ask(&[("if-none-match", &format!("\"x\", {tag}"))]).await;
        assert_eq!(again.status(), StatusCode::NOT_MODIFIED);
        assert_eq!(again.headers()["etag"], tag);
        assert!(nothing.is_empty());
        let (other, _) = ask(&[("if-none-match", "\"x\"")]).await;
        assert_eq!(other.status(), StatusCode::OK);
    }

    #[rstest]
    #[case("gzip", true)]
    #[case("GZIP; q=0.5", true)]
    #[case("gzip;q=0", false)]
    #[case("gzip;q=x", false)]
    #[case("br", false)]
    fn gzip_may_be_refused(#[case] entry: &str, #[case] taken: bool) {
        assert_eq!(is_gzip(entry), taken);
    }
}
