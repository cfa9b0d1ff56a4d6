//! What a session tells others about its work: Kafka while it goes on, and everybody when it ends.

use super::Session;
use crate::partition::State;
use crate::source::Change;
use rdkafka::consumer::{CommitMode, Consumer};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use std::time::{Duration, Instant};
use tokio_util::task::TaskTracker;

/// How often Kafka is told the offsets, for its own tools.
const COMMIT_EVERY: Duration = Duration::from_secs(1);
/// How long the batches under way may hold up our leaving.
const LAST_BATCHES: Duration = Duration::from_secs(1);
/// How long the group may take to hear that we leave.
const LEAVING: Duration = Duration::from_millis(500);
/// How long everything else may take: a statement that waits, an answer of a broker that is away.
const LAST_ANSWERS: Duration = Duration::from_secs(4);

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
        if news.count() == 0 {
            return;
        }
        match self.client.commit(&news, CommitMode::Async) {
            Ok(()) => self.client.context().committing(),
            Err(error) => tracing::debug!(%error, "Kafka was not told the offsets"),
        }
    }

    /// Lets the batches under way end, but not for long, then leaves the group: the others can go on with
    /// our partitions at once, and the leases make them wait for a statement that is still under way.
    pub(super) fn end(mut self) {
        for partition in self.partitions.values_mut() {
            partition.cancel.cancel();
            if let Some(reading) = &partition.reading {
                reading.mailbox.close();
            }
        }
        if !self.ended(&self.writers, LAST_BATCHES) {
            tracing::warn!(
                "a batch is still under way; whoever reads its partition next will wait for it"
            );
        }
        self.last_commit -= COMMIT_EVERY;
        self.tell_kafka();
        self.leave();
        self.ended(&self.writers, LAST_ANSWERS);
        self.ended(&self.tasks, LAST_ANSWERS);
        for number in self.partitions.keys() {
            self.shared.board.state(*number, &State::Revoked);
        }
        // If the group has not heard yet that we leave, it does now.
        drop(self.client);
    }

    /// Waits until all of these tasks have ended, but not longer than `patience`; says whether they have.
    fn ended(&self, tasks: &TaskTracker, patience: Duration) -> bool {
        tasks.close();
        // The timer belongs to the runtime, which this thread is not one of.
        self.runtime
            .block_on(async { tokio::time::timeout(patience, tasks.wait()).await })
            .is_ok()
    }

    /// Leaves the group. Whoever still asks Kafka something holds the client, and must not hold up that.
    ///
    /// A client that is dropped while a commit is under way, or before it has answered the last rebalance,
    /// ends without telling the group, which then waits for the session to time out.
    fn leave(&self) {
        self.client.unsubscribe();
        let deadline = Instant::now() + LEAVING;
        let mut holds = !self.partitions.is_empty();
        while (holds || self.client.context().commits()) && Instant::now() < deadline {
            // Answers the last rebalance; what else comes is left to our successors.
            drop(self.client.poll(Duration::from_millis(10)));
            let changes = self.client.context().take_changes();
            holds &= !changes
                .iter()
                .any(|change| matches!(change, Change::Revoked(_)));
        }
    }
}
