//! Which visit an event belongs to, where a browser tells: a cookie says so until half an hour after the
//! visit's last event, and when that was, since a browser may keep a cookie for longer than it was told. The
//! shop's pages and the addresses for events beside them share it; no script can read it.
//!
//! A page of another site gets no such cookie: most browsers would not keep it. There `tracker.js` keeps one
//! of its own, with the same half hour, and says what is in it.

use super::scheme::Scheme;
use axum::http::{HeaderMap, HeaderValue, header};
use chrono::Utc;
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
    /// When this request came, in seconds since 1970: the time of the visit's last event, if it brings one.
    now_s: i64,
}

impl Visit {
    /// The visit that a browser is on; where it is on none, a new one.
    pub fn of(headers: &HeaderMap) -> Self {
        Self::at(headers, Utc::now().timestamp())
    }

    fn at(headers: &HeaderMap, now_s: i64) -> Self {
        let known = cookie(headers, COOKIE).and_then(|value| known(value, now_s));
        Self {
            id: known.unwrap_or_else(Uuid::new_v4),
            is_new: known.is_none(),
            now_s,
        }
    }

    /// A visit for tests of other modules.
    #[cfg(test)]
    pub(super) const fn known_as(id: Uuid, is_new: bool) -> Self {
        Self {
            id,
            is_new,
            now_s: 0,
        }
    }

    /// What lets the browser stay on it for another half hour.
    pub fn cookie(&self, scheme: Scheme) -> Option<HeaderValue> {
        let (id, now_s, secure) = (self.id, self.now_s, scheme.of_cookies());
        let cookie = format!(
            "{COOKIE}={id}.{now_s}; Path=/; Max-Age={WINDOW_S}; HttpOnly; SameSite=Lax{secure}"
        );
        HeaderValue::try_from(cookie).ok()
    }
}

/// The visit that a cookie names, unless its last event was too long ago. Without a time it is taken at its
/// word: older versions wrote none.
fn known(value: &str, now_s: i64) -> Option<Uuid> {
    let (id, last_s) = match value.split_once('.') {
        Some((id, last_s)) => (id, last_s.parse().ok()?),
        None => (value, now_s),
    };
    // A time to come is that of another machine's clock.
    let goes_on = now_s.saturating_sub(last_s) <= i64::from(WINDOW_S);
    Uuid::parse_str(id).ok().filter(|_| goes_on)
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
    use rstest::rstest;

    const NOW_S: i64 = 1_790_000_000;

    fn with(cookie: &str) -> HeaderMap {
        HeaderMap::from_iter([(header::COOKIE, cookie.parse().unwrap())])
    }

    #[test]
    fn a_browser_stays_on_its_visit() {
        let first = Visit::at(&HeaderMap::new(), NOW_S);
        assert!(first.is_new);
        let cookie = first.cookie(Scheme::Http).unwrap();
        let cookie = cookie.to_str().unwrap();
        let (pair, kept) = cookie.split_once("; ").unwrap();
        assert_eq!(kept, "Path=/; Max-Age=1800; HttpOnly; SameSite=Lax");
        let again = Visit::at(&with(&format!("other=1; {pair}")), NOW_S + 60);
        assert_eq!((again.id, again.is_new), (first.id, false));
        let pair = format!("session_id={}.{}; ", first.id, NOW_S + 60);
        let cookie_again = again.cookie(Scheme::Http).unwrap();
        assert!(cookie_again.to_str().unwrap().starts_with(&pair));
        let over_tls = first.cookie(Scheme::Https).unwrap();
        assert_eq!(over_tls, format!("{cookie}; Secure"));
    }

    #[rstest]
    #[case::just_now(".1790000000", true)]
    #[case::at_its_end(".1789998200", true)]
    #[case::too_long_ago(".1789998199", false)]
    #[case::long_ago(".-9223372036854775808", false)]
    #[case::by_a_clock_that_is_fast(".1790000100", true)]
    #[case::of_an_older_version("", true)]
    #[case::no_time(".", false)]
    #[case::no_time(".soon", false)]
    #[case::no_number(".1e9", false)]
    fn a_visit_ends_half_an_hour_after_its_last_event(#[case] time: &str, #[case] goes_on: bool) {
        let id = Uuid::from_u128(7);
        let visit = Visit::at(&with(&format!("session_id={id}{time}")), NOW_S);
        assert_eq!(visit.is_new, !goes_on);
        assert_eq!(visit.id == id, goes_on);
    }

    #[test]
    fn what_is_no_visits_id_begins_a_new_one() {
        for cookie in ["session_id=1", "session_id", "session_id=", "other=1"] {
            assert!(Visit::of(&with(cookie)).is_new, "{cookie}");
        }
    }
}
