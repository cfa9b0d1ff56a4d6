//! The tracker of the shop's own pages: whether they have one, and by which key it sends.
//!
//! It tells what the server cannot see, and of each page view once more, under the server's own id.

use super::settings::TrackerSettings;
use collector::http::HttpSettings;

/// Lets pages load `/tracker.js`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tracker {
    /// The key that is part of every page; none where none is asked for.
    pub write_key: Option<String>,
}

impl Tracker {
    /// None where the collector would refuse what it sends: such a page is better off without.
    pub fn new(settings: &TrackerSettings, http: &HttpSettings) -> Option<Self> {
        let given = settings.shop_write_key.as_deref();
        let key = given.filter(|key| !key.is_empty());
        if !http.admits(key) {
            tracing::warn!(
                "the shop's pages have no tracker: WRITE_KEYS are asked for, and SHOP_WRITE_KEY is none of them"
            );
            return None;
        }
        Some(Self {
            write_key: key.map(str::to_owned),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::server::Settings;
    use clap::Parser as _;
    use rstest::rstest;

    const WITHOUT_KEY: Option<Tracker> = Some(Tracker { write_key: None });

    fn with_key(key: &str) -> Tracker {
        Tracker {
            write_key: Some(key.to_owned()),
        }
    }

    #[rstest]
    #[case(&[], WITHOUT_KEY)]
    #[case(&["--shop-write-key="], WITHOUT_KEY)]
    #[case(&["--shop-write-key=any"], Some(with_key("any")))]
    #[case(&["--write-keys=shop=1f,app=2e"], None)]
    #[case(&["--write-keys=shop=1f,app=2e", "--shop-write-key=shop"], None)]
    #[case(&["--write-keys=shop=1f,app=2e", "--shop-write-key=1f"], Some(with_key("1f")))]
    fn pages_have_a_tracker_where_it_may_send(
        #[case] flags: &[&str],
        #[case] tracker: Option<Tracker>,
    ) {
        let settings = Settings::parse_from(["app"].iter().chain(flags));
        assert_eq!(Tracker::new(&settings.tracker, &settings.http), tracker);
    }
}
