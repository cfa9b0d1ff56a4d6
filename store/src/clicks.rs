//! How many clicks are stored, together with what that number covers: whoever knows of later clicks can add
//! them to it and counts none twice.

use crate::connection::Store;
use crate::error::StoreError;
use domain::NextOffset;

/// Clicks since ever and the places up to which they are counted, both of one instant.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StoredClicks {
    /// Clicks (the sum of `count`) by type, in the order in which the types were asked for.
    pub clicks: Vec<u64>,
    /// Where each partition of the topic stands: the clicks of all events below it are counted, of no others.
    pub next: Vec<(i32, NextOffset)>,
}

impl Store {
    /// Counts the clicks of these types, of all topics, and tells how far `topic` has been read.
    ///
    /// One small query: its cost depends neither on the number of events nor on their age.
    pub async fn clicks(&self, topic: &str, types: &[&str]) -> Result<StoredClicks, StoreError> {
        let mut session = self.session().await?;
        let row = sqlx::query_file!("queries/clicks.sql", topic, types as &[&str])
            .fetch_one(&mut *session);
        let row = self.answer(row).await?;
        session.finish();
        let next = row.next_offsets.into_iter().map(NextOffset);
        Ok(StoredClicks {
            clicks: row.clicks.into_iter().map(i64::unsigned_abs).collect(),
            next: row.partitions.into_iter().zip(next).collect(),
        })
    }
}
