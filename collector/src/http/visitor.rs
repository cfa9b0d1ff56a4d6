//! What a request tells of the visitor besides its body: of an event that the visitor's own browser sends,
//! which browser it is, from where, and on which visit. Of a program that sends other people's events,
//! nothing: its address and its name are not theirs.

use super::address::ClientAddress;
use super::privacy::Sender;
use super::visit::Offered;
use crate::Draft;
use axum::http::request::Parts;
use axum::http::{HeaderMap, header};
use domain::Source;
use domain::event::limits;
use std::net::IpAddr;

/// Who sent a request.
#[derive(Debug, Clone, Copy)]
pub(super) struct Visitor<'a> {
    /// Whether a browser did. It says on behalf of which page it posts; nothing else does.
    browser: bool,
    /// Empty when the request came without.
    user_agent: Option<&'a str>,
    ip: Option<IpAddr>,
    visit: Option<&'a Offered>,
    sender: Sender,
}

impl<'a> Visitor<'a> {
    /// What a request's head says.
    pub fn of(parts: &'a Parts) -> Self {
        let headers = &parts.headers;
        Self {
            browser: headers.contains_key(header::ORIGIN) || headers.contains_key("sec-fetch-site"),
            user_agent: user_agent(headers),
            ip: ClientAddress::of(&parts.extensions),
            visit: parts.extensions.get(),
            sender: Sender::of(&parts.extensions),
        }
    }

    /// The event with what its body left open; without what its sender does not want kept.
    pub fn sent(&self, draft: Draft) -> Draft {
        // Our script runs in browsers alone: what else says to be it is a program, and is to be known as one.
        let draft = if self.browser || draft.source == Source::Tracker {
            self.described(draft)
        } else {
            draft
        };
        self.sender.spared(draft)
    }

    fn described(&self, draft: Draft) -> Draft {
        let visit = self.visit.filter(|offered| {
            // On the shop's own pages the script's events belong to the visit that the shop knows.
            let known = draft.source == Source::Tracker && !offered.visit.is_new;
            known || draft.session_id.is_none()
        });
        let visit = visit.map(|offered| {
            offered.take();
            offered.visit.id.to_string()
        });
        Draft {
            session_id: visit.or(draft.session_id),
            user_agent: draft
                .user_agent
                .or_else(|| self.user_agent.map(str::to_owned)),
            ip: draft.ip.or_else(|| self.ip.map(|ip| ip.to_string())),
            ..draft
        }
    }
}

/// What a browser calls itself, empty where it says nothing; none where an event can't hold it: a visitor's
/// browser must not cost the visitor an event.
pub fn user_agent(headers: &HeaderMap) -> Option<&str> {
    let Some(value) = headers.get(header::USER_AGENT) else {
        return Some("");
    };
    let text = value.to_str().ok()?;
    (text.chars().count() <= limits::USER_AGENT).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::super::scheme::Scheme;
    use super::super::visit::Visit;
    use super::*;
    use axum::http::Request;
    use rstest::rstest;
    use uuid::Uuid;

    const OURS: Uuid = Uuid::from_u128(7);

    /// A request with these headers from 10.0.0.1, on a visit that its browser knew already or not.
    fn parts(lines: &[(&str, &str)], is_new: bool) -> Parts {
        let mut request = Request::post("/event")
            .extension(ClientAddress([10, 0, 0, 1].into()))
            .extension(Offered::new(Visit::known_as(OURS, is_new), Scheme::Http));
        for (name, value) in lines {
            request = request.header(*name, *value);
        }
        request.body(()).unwrap().into_parts().0
    }

    fn from(source: Source) -> Draft {
        Draft {
            source,
            ..Draft::default()
        }
    }

    #[rstest]
    #[case::a_page(&[("origin", "https://a.example"), ("user-agent", "x")], Source::Event, Some("x"))]
    #[case::a_page_too(&[("sec-fetch-site", "same-origin"), ("user-agent", "x")], Source::Track, Some("x"))]
    #[case::a_page_that_says_nothing(&[("origin", "https://a.example")], Source::Segment, Some(""))]
    #[case::too_much(&[("origin", "https://a.example"), ("user-agent", LONG)], Source::Segment, None)]
    #[case::a_program_as_our_script(&[("user-agent", "curl/8")], Source::Tracker, Some("curl/8"))]
    fn a_visitors_own_browser_tells_of_the_visitor(
        #[case] lines: &[(&str, &str)],
        #[case] source: Source,
        #[case] user_agent: Option<&str>,
    ) {
        let parts = parts(lines, true);
        let draft = Visitor::of(&parts).sent(from(source));
        assert_eq!(draft.user_agent.as_deref(), user_agent);
        assert_eq!(draft.ip.as_deref(), Some("10.0.0.1"));
        assert_eq!(draft.session_id, Some(OURS.to_string()));
    }

    const LONG: &str = {
        const BYTES: [u8; limits::USER_AGENT + 1] = [b'x'; limits::USER_AGENT + 1];
        match std::str::from_utf8(&BYTES) {
            Ok(text) => text,
            Err(_) => panic!("x is text"),
        }
    };

    #[test]
    fn a_program_does_not_speak_of_itself() {
        let parts = parts(&[("user-agent", "analytics-node/2")], false);
        for source in [Source::Event, Source::Segment] {
            let draft = Visitor::of(&parts).sent(from(source));
            assert_eq!(draft, from(source));
        }
    }

    #[test]
    fn what_the_body_says_counts_more() {
        let parts = parts(
            &[("origin", "https://a.example"), ("user-agent", "x")],
            true,
        );
        let told = Draft {
            user_agent: Some("y".into()),
            ip: Some("10.9.9.9".into()),
            session_id: Some("theirs".into()),
            ..from(Source::Tracker)
        };
        assert_eq!(Visitor::of(&parts).sent(told.clone()), told);
    }

    #[rstest]
    #[case(Source::Tracker, OURS.to_string())]
    #[case(Source::Segment, "theirs".to_owned())]
    fn our_scripts_events_are_of_the_visit_that_the_shop_knows(
        #[case] source: Source,
        #[case] session: String,
    ) {
        let parts = parts(&[("sec-fetch-site", "same-origin")], false);
        let told = Draft {
            session_id: Some("theirs".into()),
            ..from(source)
        };
        let draft = Visitor::of(&parts).sent(told);
        assert_eq!(draft.session_id, Some(session));
    }
}
