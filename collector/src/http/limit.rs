//! How many requests are too many: from one address, and with one write key. Who sends more is told when
//! to come again, and nothing of the request is read.

use super::settings::LimitSettings;
use governor::clock::{Clock as _, DefaultClock};
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};
use std::hash::Hash;
use std::net::{IpAddr, Ipv6Addr};
use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// How often those that have not come for a while are forgotten, in seconds.
const FORGET_EVERY_S: u64 = 30;

/// The limits of one process; another process has its own.
pub(super) struct Limits {
    address: Option<Limit<IpAddr>>,
    key: Option<Limit<Arc<str>>>,
}

impl Limits {
    pub fn new(settings: &LimitSettings) -> Self {
        Self {
            address: NonZeroU32::new(settings.rate_limit_address).map(Limit::new),
            key: NonZeroU32::new(settings.rate_limit_key).map(Limit::new),
        }
    }

    /// Whether there is a limit for addresses.
    pub const fn of_addresses(&self) -> bool {
        self.address.is_some()
    }

    /// One more request from this address.
    pub fn address(&self, address: Option<IpAddr>) -> Result<(), Duration> {
        match (&self.address, address) {
            (Some(limit), Some(address)) => limit.take(&household(address)),
            _ => Ok(()),
        }
    }

    /// One more request with the key of this name; keys that nobody asked for have none, and no limit.
    pub fn key(&self, name: &Arc<str>) -> Result<(), Duration> {
        match &self.key {
            Some(limit) if !name.is_empty() => limit.take(name),
            _ => Ok(()),
        }
    }
}

/// What one sender has: an IPv4 address, or an IPv6 network of 64 bits with all its addresses.
fn household(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            let network = u128::from(address) >> 64 << 64;
            IpAddr::V6(Ipv6Addr::from(network))
        }
        address @ IpAddr::V4(_) => address,
    }
}

struct Limit<K: Hash + Eq + Clone> {
    limiter: DefaultKeyedRateLimiter<K>,
    since: Instant,
    /// When it was last looked at who may be forgotten, in seconds after `since`.
    forgot_s: AtomicU64,
}

impl<K: Hash + Eq + Clone> Limit<K> {
    /// So many a second, and so many at once.
    fn new(a_second: NonZeroU32) -> Self {
        Self {
            limiter: RateLimiter::keyed(Quota::per_second(a_second)),
            since: Instant::now(),
            forgot_s: AtomicU64::new(0),
        }
    }

    /// One more, or when to come again.
    fn take(&self, who: &K) -> Result<(), Duration> {
        self.forget();
        self.limiter.check_key(who).map_err(|too_early| {
            let wait = too_early.wait_time_from(DefaultClock::default().now());
            // `Retry-After` has whole seconds, and coming early is in vain.
            Duration::from_secs(wait.as_secs() + 1)
        })
    }

    /// Forgets, now and then, who would be let in anyway. Without it every address that ever came would
    /// be remembered.
    fn forget(&self) {
        let now_s = self.since.elapsed().as_secs();
        let last_s = self.forgot_s.load(Ordering::Relaxed);
        let due = now_s >= last_s + FORGET_EVERY_S;
        let mine = || {
            let swap = &self.forgot_s;
            swap.compare_exchange(last_s, now_s, Ordering::Relaxed, Ordering::Relaxed)
                .is_ok()
        };
        if due && mine() {
            self.limiter.retain_recent();
            self.limiter.shrink_to_fit();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits(address: u32, key: u32) -> Limits {
        Limits::new(&LimitSettings {
            rate_limit_address: address,
            rate_limit_key: key,
        })
    }

    fn ip(text: &str) -> Option<IpAddr> {
        text.parse().ok()
    }

    #[test]
    fn whoever_sends_too_many_is_told_when_to_come_again() {
        // A test that takes longer than a second at this line would be told so.
        let limits = limits(1, 1);
        assert_eq!(limits.address(ip("10.0.0.1")), Ok(()));
        let refused = Duration::from_secs(1);
        assert_eq!(limits.address(ip("10.0.0.1")), Err(refused));
        assert_eq!(limits.address(ip("10.0.0.2")), Ok(()), "somebody else");
        assert_eq!(limits.address(None), Ok(()), "nobody knows who");
        assert_eq!(limits.key(&"shop".into()), Ok(()));
        assert_eq!(limits.key(&"shop".into()), Err(refused));
        assert_eq!(limits.key(&"app".into()), Ok(()));
        assert_eq!(limits.key(&"".into()), Ok(()));
        assert_eq!(limits.key(&"".into()), Ok(()), "keys are not asked for");
    }

    #[test]
    fn a_network_of_version_6_is_one_sender() {
        let limits = limits(1, 0);
        assert_eq!(limits.address(ip("2001:db8::1")), Ok(()));
        assert!(limits.address(ip("2001:db8::2")).is_err());
        assert_eq!(limits.address(ip("2001:db8:0:1::1")), Ok(()));
        assert_eq!(limits.address(ip("10.0.0.1")), Ok(()));
        assert!(limits.address(ip("::ffff:10.0.0.1")).is_err());
    }

    #[test]
    fn without_a_limit_any_number_is_taken() {
        let limits = limits(0, 0);
        for _ in 0..10_000 {
            assert_eq!(limits.address(ip("10.0.0.1")), Ok(()));
            assert_eq!(limits.key(&"shop".into()), Ok(()));
        }
    }
}
