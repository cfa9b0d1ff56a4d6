//! How the visitor's own connection came in. TLS ends at a proxy, so only a proxy can tell; and only one of
//! ours is believed, since anybody can write an `X-Forwarded-Proto`.

use axum::extract::{ConnectInfo, Request};
use axum::http::{Extensions, HeaderMap};
use service::settings::Networks;
use std::net::{IpAddr, SocketAddr};

/// The scheme of the addresses that a visitor sees; requests carry it along once [`learn`] has seen them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Scheme {
    /// In the clear, or nobody of ours says otherwise.
    #[default]
    Http,
    /// Over TLS.
    Https,
}

impl Scheme {
    /// The scheme of this request.
    pub fn of(request: &Extensions) -> Self {
        request.get::<Self>().copied().unwrap_or_default()
    }

    /// As addresses begin with it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }

    /// What ends each cookie that is set here: one that came over TLS is never sent without.
    pub const fn of_cookies(self) -> &'static str {
        match self {
            Self::Http => "",
            Self::Https => "; Secure",
        }
    }
}

/// Lets a request carry its scheme.
pub(super) fn learn(request: &mut Request, proxies: &Networks) {
    let peer = request.extensions().get::<ConnectInfo<SocketAddr>>();
    if let Some(peer) = peer.map(|peer| peer.ip()) {
        let scheme = scheme(peer, request.headers(), proxies);
        request.extensions_mut().insert(scheme);
    }
}

/// What the other end of a connection says, where that is a proxy of ours. Of several proxies each may have
/// added a word: a connection that was open anywhere on the way counts as open.
fn scheme(peer: IpAddr, headers: &HeaderMap, proxies: &Networks) -> Scheme {
    let lines = headers.get_all("x-forwarded-proto").into_iter();
    let mut words = lines
        .flat_map(|line| line.to_str().unwrap_or_default().split(','))
        .map(|word| word.trim().eq_ignore_ascii_case("https"))
        .peekable();
    if proxies.contain(peer.to_canonical()) && words.peek().is_some() && words.all(|tls| tls) {
        Scheme::Https
    } else {
        Scheme::Http
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case::a_proxy("10.0.0.0/8", "10.0.0.1", &["https"], Scheme::Https)]
    #[case::version_6("10.0.0.0/8", "::ffff:10.0.0.1", &["HTTPS"], Scheme::Https)]
    #[case::two_proxies("10.0.0.0/8", "10.0.0.1", &["https, https", "https"], Scheme::Https)]
    #[case::open_between("10.0.0.0/8", "10.0.0.1", &["https, http"], Scheme::Http)]
    #[case::the_client_lies("10.0.0.0/8", "10.0.0.1", &["https", "http"], Scheme::Http)]
    #[case::in_the_clear("10.0.0.0/8", "10.0.0.1", &["http"], Scheme::Http)]
    #[case::nothing("10.0.0.0/8", "10.0.0.1", &[], Scheme::Http)]
    #[case::an_empty_word("10.0.0.0/8", "10.0.0.1", &[""], Scheme::Http)]
    #[case::not_this_one("10.0.0.0/8", "9.9.9.9", &["https"], Scheme::Http)]
    #[case::nobody_is_trusted("", "10.0.0.1", &["https"], Scheme::Http)]
    fn a_proxys_word_counts_when_it_is_ours(
        #[case] proxies: &str,
        #[case] peer: &str,
        #[case] lines: &[&'static str],
        #[case] wanted: Scheme,
    ) {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append("x-forwarded-proto", line.parse().unwrap());
        }
        let scheme = scheme(peer.parse().unwrap(), &headers, &proxies.parse().unwrap());
        assert_eq!(scheme, wanted);
    }
}
