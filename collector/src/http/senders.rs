//! Who sends, and whether too much: one allowance for an address, over HTTP and over gRPC.

use super::address;
use super::limit::Limits;
use super::reply::Refused;
use super::settings::HttpSettings;
use axum::http::HeaderMap;
use service::settings::Networks;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

/// Those who send events to this process. Clones share what is counted.
#[derive(Clone)]
pub struct Senders(Arc<Inner>);

struct Inner {
    limits: Limits,
    proxies: Networks,
}

impl Senders {
    /// Nobody has sent anything yet.
    pub fn new(settings: &HttpSettings) -> Self {
        Self(Arc::new(Inner {
            limits: Limits::new(&settings.limits),
            proxies: settings.proxies.trusted_proxies.clone(),
        }))
    }

    pub(super) fn limits(&self) -> &Limits {
        &self.0.limits
    }

    pub(super) fn proxies(&self) -> &Networks {
        &self.0.proxies
    }

    /// One more request over HTTP, from this address.
    ///
    /// # Errors
    /// When to come again, if there were too many; to be counted by whoever answers so.
    pub fn admit(&self, address: Option<IpAddr>) -> Result<(), Refused> {
        self.limits().address(address).map_err(Refused::TooMany)
    }

    /// One more request over another protocol than HTTP, from the other end of a connection or from whom a
    /// proxy of ours names there.
    ///
    /// # Errors
    /// When to come again, if there were too many; that is then counted as HTTP's refusals are.
    pub(crate) fn one_more(&self, peer: IpAddr, headers: &HeaderMap) -> Result<(), Duration> {
        if !self.limits().of_addresses() {
            return Ok(());
        }
        let address = address::client(peer, headers, self.proxies());
        let admitted = self.limits().address(Some(address));
        admitted.inspect_err(|wait| Refused::TooMany(*wait).count())
    }
}
