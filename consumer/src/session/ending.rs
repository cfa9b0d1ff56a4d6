//! What a session tells others about its work: Kafka while it goes on, and everybody when it ends.

use super::Session;
use crate::partition::State;
use rdkafka::consumer::{CommitMode, Consumer};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use std::time::{Duration, Instant};

/// How often Kafka is told the offsets, for its own tools.
const COMMIT_EVERY: Duration = Duration::from_secs(1);
/// How long the batches under way may take at the end.
const LAST_BATCHES: Duration = Duration::from_secs(5);

impl Session {
    /// Tells Kafka the stored offsets, without waiting: only so that its own tools show the lag.
    pub(super) fn tell_kafka(&mut self) {
        if self.last_commit.elapsed() < COMMIT_EVERY {
            return;
        }
        self.last_commit = Instant::now();
        let mut news = TopicPartitionList::new();
        for (number, view) in self.shared.board.views() {
            let Some(next) = view.next else { continue };
            if self.committed.insert(number, next) != Some(next) {
                let _ =
                    news.add_partition_offset(&self.shared.topic, number, Offset::Offset(next.0));
            }
        }
        if news.count() > 0
            && let Err(error) = self.client.commit(&news, CommitMode::Async)
        {
            tracing::debug!(%error, "Kafka was not told the offsets");
        }
    }

    /// Lets the batches under way end, then leaves the group.
    pub(super) fn end(mut self) {
        for partition in self.partitions.values_mut() {
            partition.cancel.cancel();
            if let Some(reading) = &partition.reading {
                reading.mailbox.close();
            }
        }
        self.tasks.close();
        let tasks = self.tasks.clone();
        let waited = self
            .runtime
            .block_on(async move { tokio::time::timeout(LAST_BATCHES, tasks.wait()).await });
        if waited.is_err() {
            tracing::warn!(
                "a batch is still under way; whoever reads its partition next will wait for it"
            );
        }
        self.last_commit -= COMMIT_EVERY;
        self.tell_kafka();
        for number in self.partitions.keys() {
            self.shared.board.state(*number, &State::Revoked);
        }
        // Dropping the client answers the last rebalance and tells the group that we leave.
        drop(self.client);
    }
}
