//! What a visitor who does not want to be followed is spared: the event still counts, but nothing in it
//! tells who it was.

use crate::Draft;
use axum::http::{Extensions, HeaderMap};
use domain::agent::Agent;
use serde_json::Map;

/// Whether the sender of a request is to remain unknown.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Sender {
    /// No: they did not ask for it, or nobody minds.
    #[default]
    Known,
    /// Yes.
    Unknown,
}

/// A request whose sender asked for it, where that is respected, carries this.
#[derive(Debug, Clone, Copy)]
pub(super) struct Unknown;

/// Whether a browser says that its visitor wants not to be tracked (DNT), or nothing to be passed on
/// (Global Privacy Control).
pub(super) fn wants_to_be_unknown(headers: &HeaderMap) -> bool {
    ["dnt", "sec-gpc"]
        .iter()
        .any(|name| headers.get(*name).is_some_and(|value| value == "1"))
}

impl Sender {
    /// What a request carries.
    pub fn of(request: &Extensions) -> Self {
        match request.get::<Unknown>() {
            Some(Unknown) => Self::Unknown,
            None => Self::Known,
        }
    }

    /// What may be kept of a draft: all, or what happened, when, and on which page.
    pub fn spared(self, draft: Draft) -> Draft {
        match self {
            Self::Known => draft,
            Self::Unknown => Draft {
                username: None,
                session_id: None,
                // What a program calls itself tells of no person, and keeps it apart from them.
                user_agent: draft
                    .user_agent
                    .filter(|text| Agent::of(Some(text)).bot.is_some()),
                ip: None,
                url: draft.url.map(without_query),
                referrer: draft.referrer.map(without_query),
                path: draft.path.map(without_query),
                // Nobody knows what is in them.
                properties: Map::new(),
                ..draft
            },
        }
    }
}

/// An address as far as everybody sees it alike.
fn without_query(mut address: String) -> String {
    if let Some(end) = address.find(['?', '#']) {
        address.truncate(end);
    }
    address
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;
    use rstest::rstest;

    #[rstest]
    #[case("dnt", "1", true)]
    #[case("sec-gpc", "1", true)]
    #[case("dnt", "0", false)]
    #[case("dnt", "unspecified", false)]
    #[case("accept", "1", false)]
    fn a_browser_says_it_with_a_one(
        #[case] name: &'static str,
        #[case] value: &'static str,
        #[case] unknown: bool,
    ) {
        let mut headers = HeaderMap::new();
        headers.insert(name, HeaderValue::from_static(value));
        assert_eq!(wants_to_be_unknown(&headers), unknown);
    }

    #[test]
    fn what_happened_is_kept_and_who_it_was_is_not() {
        let draft = Draft {
            event_type: "play".into(),
            username: Some("Ann".into()),
            session_id: Some("s".into()),
            user_agent: Some("Mozilla".into()),
            ip: Some("10.0.0.1".into()),
            url: Some("https://a.example/b?mail=ann@a.example#c".into()),
            path: Some("/b".into()),
            referrer: Some("https://a.example/#ann".into()),
            properties: Map::from_iter([("mail".to_owned(), "ann@a.example".into())]),
            count: 2,
            ..Draft::default()
        };
        assert_eq!(Sender::Known.spared(draft.clone()), draft);
        let kept = Draft {
            event_type: "play".into(),
            url: Some("https://a.example/b".into()),
            path: Some("/b".into()),
            referrer: Some("https://a.example/".into()),
            count: 2,
            ..Draft::default()
        };
        assert_eq!(Sender::Unknown.spared(draft), kept);
    }

    #[rstest]
    #[case("curl/8.7.1", true)]
    #[case("", true)]
    #[case(
        "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
        false
    )]
    fn a_program_that_asks_for_it_is_still_a_program(#[case] text: &str, #[case] kept: bool) {
        let draft = Draft {
            user_agent: Some(text.into()),
            ..Draft::default()
        };
        assert_eq!(Sender::Unknown.spared(draft).user_agent.is_some(), kept);
    }
}
