//! Which visit an event belongs to, where a browser tells: a cookie says so until half an hour after the
//! visit's last event. The shop's pages and the addresses for events beside them share it; no script can
//! read it.
//!
//! A page of another site gets no such cookie: most browsers would not keep it. There `tracker.js` keeps one
//! of its own, with the same half hour, and says what is in it.

use super::scheme::Scheme;
use axum::http::{HeaderMap, HeaderValue, header};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use uuid::Uuid;

/// The cookie's name.
const COOKIE: &str = "session_id";

/// How long after its last event a visit ends, in seconds.
const WINDOW_S: u32 = 30 * 60;

/// One visit of one browser.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Visit {
    /// Its id.
    pub id: Uuid,
    /// Whether the browser did not know it yet.
    pub is_new: bool,
}

impl Visit {
    /// The visit that a browser is on; where it is on none, a new one.
    pub fn of(headers: &HeaderMap) -> Self {
        let known = cookie(headers, COOKIE).and_then(|id| Uuid::parse_str(id).ok());
        Self {
            id: known.unwrap_or_else(Uuid::new_v4),
            is_new: known.is_none(),
        }
    }

    /// What lets the browser stay on it for another half hour.
    pub fn cookie(&self, scheme: Scheme) -> Option<HeaderValue> {
        let (id, secure) = (self.id, scheme.of_cookies());
        let cookie =
            format!("{COOKIE}={id}; Path=/; Max-Age={WINDOW_S}; HttpOnly; SameSite=Lax{secure}");
        HeaderValue::try_from(cookie).ok()
    }
}

/// The visit that a request's events may belong to; they say whether they do.
#[derive(Debug, Clone)]
pub(super) struct Offered {
    pub visit: Visit,
    scheme: Scheme,
    taken: Arc<AtomicBool>,
}

impl Offered {
    pub fn new(visit: Visit, scheme: Scheme) -> Self {
        Self {
            visit,
            scheme,
            taken: Arc::default(),
        }
    }

    /// An event is of this visit.
    pub fn take(&self) {
        self.taken.store(true, Ordering::Relaxed);
    }

    /// The cookie for the answer. A new visit that nothing happened on is none: whoever counts visits in
    /// another way would be given a second one.
    pub fn cookie(&self) -> Option<HeaderValue> {
        let taken = self.taken.load(Ordering::Relaxed);
        (taken || !self.visit.is_new).then(|| self.visit.cookie(self.scheme))?
    }
}

/// The value of a cookie, as it was sent.
pub fn cookie<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|line| line.to_str().ok())
        .flat_map(|line| line.split(';'))
        .find_map(|pair| {
            let (key, value) = pair.trim().split_once('=')?;
            (key == name).then_some(value)
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(cookie: &str) -> HeaderMap {
        HeaderMap::from_iter([(header::COOKIE, cookie.parse().unwrap())])
    }

    #[test]
    fn a_browser_stays_on_its_visit() {
        let first = Visit::of(&HeaderMap::new());
        assert!(first.is_new);
        let cookie = first.cookie(Scheme::Http).unwrap();
        let cookie = cookie.to_str().unwrap();
        let (pair, kept) = cookie.split_once("; ").unwrap();
        assert_eq!(kept, "Path=/; Max-Age=1800; HttpOnly; SameSite=Lax");
        let again = Visit::of(&with(&format!("other=1; {pair}")));
        assert_eq!((again.id, again.is_new), (first.id, false));
        let over_tls = first.cookie(Scheme::Https).unwrap();
        assert_eq!(over_tls, format!("{cookie}; Secure"));
    }

    #[test]
    fn what_is_no_visits_id_begins_a_new_one() {
        for cookie in ["session_id=1", "session_id", "session_id=", "other=1"] {
            assert!(Visit::of(&with(cookie)).is_new, "{cookie}");
        }
    }
}
