//! Who may write a partition, and from where: the newest holder only, from where the last one ended.
//!
//! Kafka tells a consumer which partitions are its own, but cannot stop one that was frozen and wakes up
//! late. The lease does: every holder bumps the epoch, every write names its epoch, and the offset moves
//! in the same statement as the rows.

use crate::connection::Store;
use crate::error::{StoreError, is_lock_timeout};
use domain::{LastSeen, NextOffset};
use std::collections::BTreeMap;
use std::time::Duration;

/// How long a commit takes, or a small batch; who holds a lease's row for longer may be frozen.
const A_COMMIT: Duration = Duration::from_millis(200);

/// One partition of one topic.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PartitionKey {
    /// The topic's name.
    pub topic: String,
    /// The partition's number.
    pub partition: i32,
}

/// Who wants the lease.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holder {
    /// Any name by which an operator finds the process, such as host and process id.
    pub owner: String,
    /// The Kafka cluster's own id.
    pub cluster_id: String,
}

/// Where to start with a topic that the store has never seen.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct FirstContact {
    /// The low watermark of each partition that the topic has now, all of them.
    ///
    /// All, because they are recorded together: a partition that appears later is thereby known to be new
    /// and is read from its beginning, where the low watermark could skip what was written meanwhile.
    pub lows: Vec<(i32, NextOffset)>,
}

/// The record before `next`: it tells whether the topic is still the same one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LastRecord {
    /// Its offset.
    pub offset: LastSeen,
    /// Its time, milliseconds since 1970, as the broker wrote it.
    pub time_ms: i64,
    /// A hash of its key and value, of the caller's choosing.
    pub hash: i64,
}

/// The right to write one partition, until somebody else acquires it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    /// Names this holding; every later one is higher.
    pub epoch: i64,
    /// Where to read on.
    pub next: NextOffset,
    /// The last record that was dealt with, if any was.
    pub last: Option<LastRecord>,
    /// The Kafka cluster in which these offsets were counted. It stays when another cluster's id is given
    /// to [`Store::acquire`], so that the caller can see the difference and halt.
    pub cluster_id: String,
}

/// A lease as an operator sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeaseRow {
    /// The partition's number.
    pub partition: i32,
    /// Who holds it, or held it last; none before the first time.
    pub owner: Option<String>,
    /// When that holder acquired it.
    pub acquired_at: Option<chrono::DateTime<chrono::Utc>>,
    /// The lease itself.
    pub lease: Lease,
}

impl Store {
    /// Takes the lease of a partition from whoever has it.
    ///
    /// Bumping the epoch waits for a statement of the former holder that is under way, so what is returned
    /// is where that one really ended. Always use it after an unknown outcome; a plain read could be stale.
    /// A transaction of the former holder is given the time of a commit and then ended: its client may be frozen.
    pub async fn acquire(
        &self,
        key: &PartitionKey,
        holder: &Holder,
        first: &FirstContact,
    ) -> Result<Lease, StoreError> {
        let taken = match self.take(key, holder, A_COMMIT).await {
            // Either a slow statement, which ends, or a transaction whose client froze before its commit.
            Err(StoreError::Unavailable(error)) if is_lock_timeout(&error) => {
                self.end_writers(key).await?;
                self.take(key, holder, self.lock_timeout).await?
            }
            taken => taken?,
        };
        if let Some(lease) = taken {
            // Those that began under the former epoch; any later one finds that its epoch is over before it writes.
            self.end_writers(key).await?;
            return Ok(lease);
        }
        self.register(key, holder, first).await?;
        match self.take(key, holder, self.lock_timeout).await? {
            Some(lease) => Ok(lease),
            // Only an operator deletes leases, of partitions that are no more; the row was written a moment ago.
            None => Err(StoreError::Broken(sqlx::Error::RowNotFound)),
        }
    }

    /// Every lease of a topic, by partition.
    pub async fn leases(&self, topic: &str) -> Result<Vec<LeaseRow>, StoreError> {
        let mut session = self.session().await?;
        let rows = sqlx::query_file!("queries/leases.sql", topic).fetch_all(&mut *session);
        let rows = self.answer(rows).await?;
        session.finish();
        let leases = rows.into_iter().map(|row| LeaseRow {
            partition: row.partition,
            owner: row.owner,
            acquired_at: row.acquired_at,
            lease: Lease::from(LeaseColumns {
                epoch: row.epoch,
                next_offset: row.next_offset,
                last_offset: row.last_offset,
                last_record_time_ms: row.last_record_time_ms,
                last_record_hash: row.last_record_hash,
                cluster_id: row.cluster_id,
            }),
        });
        Ok(leases.collect())
    }

    /// Moves a partition to another offset, in the cluster that `holder` names, and takes it from its holder.
    ///
    /// For operators only. Going back is a replay: rows and counts stay as they are. Going forward past records
    /// that were never read books them as expired. `recreated` says that the topic is another one now, whose
    /// records were never read, whatever their offsets; what the collectors have put into this partition so far
    /// and was not counted is booked as expired. A report that comes later can tell of more: then the same reset
    /// books that, too.
    ///
    /// Returns nothing when there is no such lease.
    pub async fn reset_offset(
        &self,
        key: &PartitionKey,
        holder: &Holder,
        to: NextOffset,
        recreated: bool,
    ) -> Result<Option<Lease>, StoreError> {
        let mut session = self.session().await?;
        let row = sqlx::query_file_as!(
            LeaseColumns,
            "queries/reset_offset.sql",
            key.topic,
            key.partition,
            to.0,
            recreated,
            holder.owner,
            holder.cluster_id,
        )
        .fetch_optional(&mut *session);
        let row = self.answer(row).await?;
        session.finish();
        Ok(row.map(Lease::from))
    }

    /// How many events the collectors put into each partition of a topic beyond those that were counted there.
    pub async fn unread(&self, topic: &str) -> Result<BTreeMap<i32, u64>, StoreError> {
        let mut session = self.session().await?;
        let rows = sqlx::query_file!("queries/unread.sql", topic).fetch_all(&mut *session);
        let rows = self.answer(rows).await?;
        session.finish();
        let unread = rows.into_iter();
        Ok(unread
            .map(|row| (row.partition, row.events.unsigned_abs()))
            .collect())
    }

    /// Gives up a partition that Kafka does not have any more: its lease goes, and what collectors put there and was
    /// not counted is booked as expired.
    ///
    /// For operators only. A report that comes later can tell of more: then the same books that, too. Returns how many
    /// events were booked; nothing when there was neither a lease nor anything to book.
    pub async fn give_up(&self, key: &PartitionKey) -> Result<Option<u64>, StoreError> {
        let mut session = self.session().await?;
        let row = sqlx::query_file!("queries/give_up.sql", key.topic, key.partition)
            .fetch_one(&mut *session);
        let row = self.answer(row).await?;
        session.finish();
        let expired = row.expired.unsigned_abs();
        Ok((row.had_lease || expired > 0).then_some(expired))
    }

    /// Ends every transaction that writes the partition now; see [`crate::copy`].
    async fn end_writers(&self, key: &PartitionKey) -> Result<(), StoreError> {
        let mut session = self.session().await?;
        let ended = sqlx::query_file!(
            "queries/end_writers.sql",
            key.topic,
            i64::from(key.partition),
        )
        .fetch_one(&mut *session);
        self.answer(ended).await?;
        session.finish();
        Ok(())
    }

    /// Bumps the epoch of a lease that is there, waiting for its row no longer than `patience`.
    async fn take(
        &self,
        key: &PartitionKey,
        holder: &Holder,
        patience: Duration,
    ) -> Result<Option<Lease>, StoreError> {
        let mut session = self.session().await?;
        let row = sqlx::query_file_as!(
            LeaseColumns,
            "queries/acquire.sql",
            key.topic,
            key.partition,
            holder.owner,
            format!("{}ms", patience.as_millis()),
        )
        .fetch_optional(&mut *session);
        let row = self.answer(row).await;
        // Who waited in vain needs the connection again at once.
        if row.as_ref().err().is_none_or(is_lock_timeout) {
            session.finish();
        }
        Ok(row?.map(Lease::from))
    }

    /// Writes down where reading begins, for every partition that has no lease yet; changes no other.
    async fn register(
        &self,
        key: &PartitionKey,
        holder: &Holder,
        first: &FirstContact,
    ) -> Result<(), StoreError> {
        let (mut partitions, mut lows): (Vec<i32>, Vec<i64>) = first
            .lows
            .iter()
            .map(|(partition, low)| (*partition, low.0))
            .unzip();
        if !partitions.contains(&key.partition) {
            partitions.push(key.partition);
            lows.push(0);
        }
        let mut session = self.session().await?;
        let done = sqlx::query_file!(
            "queries/register.sql",
            key.topic,
            &partitions,
            &lows,
            holder.cluster_id,
        )
        .execute(&mut *session);
        self.answer(done).await?;
        session.finish();
        Ok(())
    }
}

/// A lease as the table has it.
struct LeaseColumns {
    epoch: i64,
    next_offset: i64,
    last_offset: Option<i64>,
    last_record_time_ms: Option<i64>,
    last_record_hash: Option<i64>,
    cluster_id: String,
}

impl From<LeaseColumns> for Lease {
    fn from(row: LeaseColumns) -> Self {
        let last = (row.last_offset.zip(row.last_record_time_ms)).zip(row.last_record_hash);
        Self {
            epoch: row.epoch,
            next: NextOffset(row.next_offset),
            last: last.map(|((offset, time_ms), hash)| LastRecord {
                offset: LastSeen(offset),
                time_ms,
                hash,
            }),
            cluster_id: row.cluster_id,
        }
    }
}
