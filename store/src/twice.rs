//! Whether anything is stored twice: a spot check of rows, for those who want to see it and not only believe
//! the keys.

use crate::connection::Store;
use crate::error::StoreError;
use chrono::{DateTime, Utc};
use sqlx::Connection as _;

/// What a look at some rows has found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SpotCheck {
    /// Rows that were looked at.
    pub among: u64,
    /// Those of them whose id another row has, too.
    pub found: u64,
}

impl Store {
    /// Looks at up to `limit` rows of events that were received at `since` or later.
    pub async fn look_for_twice(
        &self,
        since: DateTime<Utc>,
        limit: u32,
    ) -> Result<SpotCheck, StoreError> {
        let mut session = self.session().await?;
        let look = async {
            let mut transaction = session.begin().await?;
            // A limit makes the planner hope to find such rows soon from the table's beginning, where the
            // oldest ones lie.
            sqlx::query!("SET LOCAL enable_seqscan = off")
                .execute(&mut *transaction)
                .await?;
            let row = sqlx::query_file!("queries/twice.sql", since, i64::from(limit))
                .fetch_one(&mut *transaction)
                .await?;
            transaction.commit().await?;
            Ok(row)
        };
        let row = self.answer(look).await?;
        session.finish();
        Ok(SpotCheck {
            among: row.among.unsigned_abs(),
            found: row.found.unsigned_abs(),
        })
    }
}
