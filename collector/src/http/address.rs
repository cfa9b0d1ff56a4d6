//! Whose request it is: the other end of the connection, or, where that is a proxy of ours, whom it names.
//!
//! Anybody can write an `X-Forwarded-For`. So it is read from its end, and only as long as the address
//! behind, which wrote the next one, is one of ours.

use axum::extract::{ConnectInfo, Request};
use axum::http::{Extensions, HeaderMap};
use service::settings::Networks;
use std::net::{IpAddr, SocketAddr};

/// The client's address; requests carry it along once [`learn`] has seen them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClientAddress(pub IpAddr);

impl ClientAddress {
    /// The address of this request's client, where it is known.
    pub fn of(request: &Extensions) -> Option<IpAddr> {
        request.get::<Self>().map(|address| address.0)
    }
}

/// Lets a request carry its client's address.
pub(super) fn learn(request: &mut Request, proxies: &Networks) {
    let peer = request.extensions().get::<ConnectInfo<SocketAddr>>();
    if let Some(peer) = peer.map(|peer| peer.ip()) {
        let address = ClientAddress(client(peer, request.headers(), proxies));
        request.extensions_mut().insert(address);
    }
}

/// Who is meant by the other end of a connection and what came with its request.
pub(super) fn client(peer: IpAddr, headers: &HeaderMap, proxies: &Networks) -> IpAddr {
    let mut client = peer.to_canonical();
    let lines = headers.get_all("x-forwarded-for").into_iter().rev();
    let mut named = lines.flat_map(|line| line.to_str().unwrap_or_default().rsplit(','));
    while proxies.contain(client) {
        // What is no address is nobody's: the proxy that passed it on is the last one we know.
        let Some(address) = named.next().and_then(address) else {
            break;
        };
        client = address;
    }
    client
}

/// Reads an address, with or without a port.
fn address(text: &str) -> Option<IpAddr> {
    let text = text.trim();
    let bare = text
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'))
        .unwrap_or(text);
    let with_port = || Some(text.parse::<SocketAddr>().ok()?.ip());
    let address = bare.parse().ok().or_else(with_port)?;
    Some(address.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case::nobody_is_trusted("", "9.9.9.9", &["1.1.1.1"], "9.9.9.9")]
    #[case::not_this_one("10.0.0.0/8", "9.9.9.9", &["1.1.1.1"], "9.9.9.9")]
    #[case::a_proxy("10.0.0.0/8", "10.0.0.1", &["1.1.1.1"], "1.1.1.1")]
    #[case::the_client_lies("10.0.0.0/8", "10.0.0.1", &["6.6.6.6, 1.1.1.1"], "1.1.1.1")]
    #[case::two_proxies("10.0.0.0/8", "10.0.0.1", &["6.6.6.6, 1.1.1.1, 10.0.0.2"], "1.1.1.1")]
    #[case::two_lines("10.0.0.0/8", "10.0.0.1", &["1.1.1.1", "10.0.0.2"], "1.1.1.1")]
    #[case::only_proxies("10.0.0.0/8", "10.0.0.1", &["10.0.0.3,10.0.0.2"], "10.0.0.3")]
    #[case::no_address("10.0.0.0/8", "10.0.0.1", &["1.1.1.1, unknown"], "10.0.0.1")]
    #[case::nothing("10.0.0.0/8", "10.0.0.1", &[], "10.0.0.1")]
    #[case::a_port("10.0.0.0/8", "10.0.0.1", &["1.1.1.1:5555"], "1.1.1.1")]
    #[case::version_6("10.0.0.0/8", "::ffff:10.0.0.1", &["[2001:db8::1]:443"], "2001:db8::1")]
    #[case::brackets("10.0.0.0/8", "10.0.0.1", &["[2001:db8::1]"], "2001:db8::1")]
    fn a_proxys_word_counts_when_it_is_ours(
        #[case] proxies: &str,
        #[case] peer: &str,
        #[case] lines: &[&'static str],
        #[case] wanted: &str,
    ) {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append("x-forwarded-for", line.parse().unwrap());
        }
        let client = client(peer.parse().unwrap(), &headers, &proxies.parse().unwrap());
        assert_eq!(client, wanted.parse::<IpAddr>().unwrap());
    }
}
