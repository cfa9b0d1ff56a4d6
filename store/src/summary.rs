//! What happened lately, in a few numbers.

use crate::connection::Store;
use crate::error::StoreError;
use chrono::{DateTime, Utc};

/// Events written since some time.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Summary {
    /// Different usernames of people.
    pub unique_users: i64,
    /// People's clicks (the sum of `count`) by type, the most frequent first.
    pub by_type: Vec<(String, i64)>,
    /// People's page views by path, the most frequent first, ten at most.
    pub top_pages: Vec<(String, i64)>,
    /// Clicks of programs.
    pub bot_clicks: i64,
    /// Events that all this is about.
    pub rows: i64,
}

impl Store {
    /// Summarises what was written since `since`, of the events received up to seven days before that; none where
    /// that is more than `at_most` events, which are as many as it reads.
    pub async fn summary(
        &self,
        since: DateTime<Utc>,
        at_most: i64,
    ) -> Result<Option<Summary>, StoreError> {
        let mut session = self.session().await?;
        // One more tells that there are more.
        let limit = at_most.saturating_add(1);
        let rows = sqlx::query_file!("queries/summary.sql", since, limit).fetch_all(&mut *session);
        let rows = self.answer(rows).await?;
        session.finish();
        let mut summary = Summary::default();
        for row in rows {
            match (row.what.as_str(), row.name) {
                ("type", Some(name)) => summary.by_type.push((name, row.n)),
                ("page", Some(name)) => summary.top_pages.push((name, row.n)),
                ("bots", None) => summary.bot_clicks = row.n,
                ("rows", None) => summary.rows = row.n,
                _ => summary.unique_users = row.n,
            }
        }
        Ok((summary.rows <= at_most).then_some(summary))
    }
}
