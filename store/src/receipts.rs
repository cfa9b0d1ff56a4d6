//! How far an acknowledged event has come.

use crate::connection::Store;
use crate::error::StoreError;
use domain::NextOffset;
use domain::receipt::{Progress, Receipt};

impl Store {
    /// Where each partition of the topic stands: an event is dealt with as soon as this covers its offset.
    ///
    /// One poller per process asks, for every receipt that waits.
    pub async fn next_offsets(&self, topic: &str) -> Result<Vec<(i32, NextOffset)>, StoreError> {
        let _ = topic;
        todo!()
    }

    /// What became of an event; none when it is not dealt with yet.
    ///
    /// A duplicate is answered with the first copy's row. A reject is found by its place in Kafka.
    pub async fn progress(
        &self,
        topic: &str,
        receipt: &Receipt,
    ) -> Result<Option<Progress>, StoreError> {
        let _ = (topic, receipt);
        todo!()
    }
}
