//! What Postgres tells: the books, who has read how far, and which page views only the server saw.

use crate::figures::{Books, Direct, SpoolTold, Twice, Views};
use chrono::{DateTime, TimeDelta, Utc};
use std::collections::BTreeMap;
use std::time::Duration;
use store::{Balance, LeaseRow, Store, StoreError};
use tokio::sync::watch;
use tokio::time::Instant;

/// How often Postgres is asked.
const EVERY: Duration = Duration::from_secs(1);
/// An answer counts for so long; after that Postgres is silent. The store itself has more patience.
const FRESH: Duration = Duration::from_millis(2500);
/// Every so many answers some rows are looked at, for two with one id; this many.
const LOOK_EVERY: i64 = 5;
const LOOK_AT_ROWS: u32 = 200;
/// They are taken from the last hour, each time from another minute of it on.
const LOOK_BACK_MIN: i64 = 60;
/// And so many of the shop's page views, the newest: those of the last day at most, and old enough for a tracker to
/// have told of them, which it does a moment after the page is there.
const LOOK_AT_VIEWS: u32 = 1000;
const VIEWS_BACK: TimeDelta = TimeDelta::days(1);
const VIEWS_SETTLE: TimeDelta = TimeDelta::seconds(10);

/// The last answer.
#[derive(Debug, Clone, Default)]
pub struct Told {
    answer: Option<(Instant, Answer)>,
    /// Whether the last question failed.
    failed: bool,
    /// What the last look at rows has found.
    twice: Option<Twice>,
    /// What the last look at page views has found.
    views: Option<Views>,
}

#[derive(Debug, Clone)]
struct Answer {
    balance: Balance,
    leases: Vec<LeaseRow>,
}

impl Told {
    /// Whether Postgres has answered, or failed to.
    pub const fn spoke(&self) -> bool {
        self.failed || self.answer.is_some()
    }

    /// The books; none while Postgres is silent.
    pub fn books(&self) -> Option<Books> {
        Some(Books {
            twice: self.twice,
            ..books(&self.fresh()?.balance)
        })
    }

    /// What only the server saw; none while Postgres is silent.
    pub fn views(&self) -> Option<Views> {
        self.fresh()?;
        self.views
    }

    /// The leases; none while Postgres is silent.
    pub fn leases(&self) -> Option<&[LeaseRow]> {
        Some(&self.fresh()?.leases)
    }

    /// When the newest answer was there.
    pub fn answered_at(&self) -> Option<Instant> {
        self.answer.as_ref().map(|(at, _)| *at)
    }

    /// Where each partition is read on, as far as was ever told.
    pub fn next_offsets(&self) -> BTreeMap<i32, i64> {
        let leases = self.answer.iter().flat_map(|(_, answer)| &answer.leases);
        leases
            .map(|row| (row.partition, row.lease.next.0))
            .collect()
    }

    fn fresh(&self) -> Option<&Answer> {
        let (at, answer) = self.answer.as_ref()?;
        (!self.failed && at.elapsed() < FRESH).then_some(answer)
    }

    #[cfg(test)]
    pub fn just_now(balance: Balance, leases: Vec<LeaseRow>) -> Self {
        Self {
            answer: Some((Instant::now(), Answer { balance, leases })),
            failed: false,
            twice: None,
            views: Some(Views::of(4, 1)),
        }
    }
}

/// Asks once a second, and tells. Never ends by itself.
pub async fn ask_postgres(store: Store, topic: String, told: watch::Sender<Told>) {
    for turn in 0.. {
        let asked = Instant::now();
        if turn % LOOK_EVERY == 0 {
            if let Some(twice) = look_for_twice(&store, turn / LOOK_EVERY).await {
                told.send_modify(|told| told.twice = Some(twice));
            }
            if let Some(views) = look_at_views(&store).await {
                told.send_modify(|told| told.views = Some(views));
            }
        }
        match ask(&store, &topic).await {
            Ok(answer) => told.send_modify(|told| {
                told.answer = Some((Instant::now(), answer));
                told.failed = false;
            }),
            Err(error) => {
                tracing::debug!(%error, "Postgres does not tell the books");
                told.send_modify(|told| told.failed = true);
            }
        }
        tokio::time::sleep_until(asked + EVERY).await;
    }
}

/// Looks at some rows; at the oldest there are when none is of the last hour. None when Postgres cannot say.
async fn look_for_twice(store: &Store, look: i64) -> Option<Twice> {
    let minutes = LOOK_BACK_MIN - look * 7 % LOOK_BACK_MIN;
    let recent = Utc::now() - TimeDelta::minutes(minutes);
    for since in [recent, DateTime::UNIX_EPOCH] {
        let seen = store.look_for_twice(since, LOOK_AT_ROWS).await.ok()?;
        if seen.among > 0 {
            return Some(Twice {
                found: seen.found,
                among: seen.among,
            });
        }
    }
    Some(Twice { found: 0, among: 0 })
}

/// Looks at the newest page views. None when Postgres cannot say.
async fn look_at_views(store: &Store) -> Option<Views> {
    let now = Utc::now();
    let (since, until) = (now - VIEWS_BACK, now - VIEWS_SETTLE);
    let seen = store.shop_views(since, until, LOOK_AT_VIEWS).await.ok()?;
    Some(Views::of(seen.among, seen.server_only))
}

async fn ask(store: &Store, topic: &str) -> Result<Answer, StoreError> {
    Ok(Answer {
        balance: store.balance(topic).await?,
        leases: store.leases(topic).await?,
    })
}

fn books(balance: &Balance) -> Books {
    let direct = balance.direct;
    Books {
        acknowledged: balance.acknowledged,
        acknowledged_by_source: balance.by_source.iter().cloned().collect(),
        unreported: balance.unreported,
        stored: balance.stored,
        duplicate: balance.duplicate,
        rejected: balance.rejected,
        expired: balance.expired,
        in_flight: balance.in_flight,
        spooled: balance.spooled,
        lost: balance.lost,
        spools: (balance.spools.iter())
            .map(|spool| SpoolTold {
                id: spool.spool.to_string(),
                waiting: spool.waiting,
                gone: spool.gone,
                reported_at: spool.reported_at,
            })
            .collect(),
        difference: 0,
        twice: None,
        direct: Direct {
            stored: direct.stored,
            duplicate: direct.duplicate,
            rejected: direct.rejected,
            expired: direct.expired,
        },
        reported_at: balance.reported_at,
    }
    .closed()
}
