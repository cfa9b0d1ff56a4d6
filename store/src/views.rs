//! Which page views only the server saw: whose browsers block trackers, or run no scripts.
//!
//! It is read from the rows and from the second copies that were recognised, so it needs no count of its own and
//! is the same after any replay.

use crate::connection::Store;
use crate::error::StoreError;
use chrono::{DateTime, Utc};

/// What is known of the shop's newest page views.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ShopViews {
    /// Page views that were looked at.
    pub among: u64,
    /// Those of them of which no tracker told.
    pub server_only: u64,
}

impl Store {
    /// Looks at the newest page views of people that the shop has counted itself, up to `limit`: of those that were
    /// received at `since` or later, and were rows at `until` already. Choose that a little in the past: a tracker
    /// needs a moment.
    ///
    /// A view whose first copy came from the tracker is the tracker's row, and not looked at.
    pub async fn shop_views(
        &self,
        since: DateTime<Utc>,
        until: DateTime<Utc>,
        limit: u32,
    ) -> Result<ShopViews, StoreError> {
        let mut session = self.session().await?;
        let row = sqlx::query_file!("queries/shop_views.sql", since, until, i64::from(limit))
            .fetch_one(&mut *session);
        let row = self.answer(row).await?;
        session.finish();
        Ok(ShopViews {
            among: row.among.unsigned_abs(),
            server_only: row.server_only.unsigned_abs(),
        })
    }
}
