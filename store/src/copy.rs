//! A large batch, written faster: most of its rows by COPY, all else by the ingest statement, in one transaction.
//!
//! It is optimistic. COPY knows no "on conflict": when a row is there already, or a value can't be stored, the whole
//! transaction is undone, and the statement alone decides about the batch. So the outcome is always the statement's;
//! only the time differs. Clients' ids are claimed first, one by one, because their retries are everyday; what then
//! refuses a row is a replay, or Kafka's second copy of an acknowledgement.
//!
//! A transaction, unlike a statement, stays open when its client freezes. So that this holds nobody up, it is marked
//! before it reads the lease, and whoever takes the lease ends all transactions with that mark
//! ([`Store::acquire`](crate::Store::acquire)). Should it live on, the compare-and-set of the lease, which
//! comes last, finds the newer epoch and undoes everything.

mod binary;
mod plan;

use crate::agents::Agents;
use crate::columns::EventColumns;
use crate::ingest::{Batch, Outcome, ingest};
use binary::Rows;
use plan::{Cart, Plan};
use sqlx::Connection;
use sqlx::postgres::PgConnection;
use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};
use uuid::Uuid;

/// So many bytes are encoded and sent at a time: Postgres works on one part while the next is made.
const PART_BYTES: usize = 128 * 1024;

/// The most large batches in a row for which COPY is not tried again.
const MOST_SKIPPED: u32 = 63;

/// What became of an attempt that was not refused.
pub(crate) enum Attempt {
    /// It is committed: rows that were copied, and what the statement did beside them.
    Written(u64, Outcome),
    /// The lease is another's, or stands elsewhere; nothing was written.
    Fenced,
}

/// Writes a batch by COPY. After any error nothing of it is there, except that an error of the connection at the very
/// end leaves the outcome unknown.
pub(crate) async fn write(
    connection: &mut PgConnection,
    batch: &Batch,
    agents: &Agents,
) -> sqlx::Result<Attempt> {
    let (topic, partition) = (&batch.key.topic, batch.key.partition);
    let mut transaction = connection.begin().await?;
    sqlx::query_file!("queries/mark_writer.sql", topic, i64::from(partition))
        .execute(&mut *transaction)
        .await?;
    let held = sqlx::query_file_scalar!(
        "queries/still_held.sql",
        topic,
        partition,
        batch.epoch,
        batch.from.0
    )
    .fetch_optional(&mut *transaction)
    .await?;
    let Some(now) = held else {
        transaction.rollback().await?;
        return Ok(Attempt::Fenced);
    };

    let mut plan = Plan::of(&batch.events);
    let claimed = claim(&mut transaction, partition, &plan).await?;
    plan.keep_claimed(&claimed);
    let texts = plan
        .copied
        .iter()
        .map(|(_, event)| event.user_agent.as_deref());
    let senders = agents.of(texts);
    let mut rows = Rows::new(binary::EVENTS);
    let mut events = transaction.copy_in_raw(binary::EVENTS.sql).await?;
    for (placed, agent) in plan.copied.iter().zip(&senders) {
        rows.event(placed, agent, partition, now);
        if rows.len() >= PART_BYTES {
            events.send(rows.bytes()).await?;
            rows.clear();
        }
    }
    events.send(rows.end()).await?;
    events.finish().await?;
    write_cart(&mut transaction, &plan.cart()).await?;

    let rest = EventColumns::of(plan.rest.iter().copied(), agents);
    let outcome = ingest(&mut transaction, batch, &rest, &plan.counts(&senders)).await?;
    if !outcome.held {
        transaction.rollback().await?;
        return Ok(Attempt::Fenced);
    }
    transaction.commit().await?;
    Ok(Attempt::Written(plan.copied.len() as u64, outcome))
}

/// Writes the rows of `clickstream_data`. Not by COPY: for so few bytes that would end in two small packets, and the
/// second one waits for the other side's delayed acknowledgement of the first (Nagle's algorithm, which the driver
/// does not turn off): 40 ms for each batch.
async fn write_cart(connection: &mut PgConnection, cart: &Cart<'_>) -> sqlx::Result<()> {
    if cart.username.is_empty() {
        return Ok(());
    }
    sqlx::query_file!(
        "queries/cart.sql",
        &cart.username as &[&str],
        &cart.created,
        &cart.category as &[Option<&str>],
        &cart.gender as &[Option<&str>],
        &cart.style as &[Option<&str>],
        &cart.size as &[Option<&str>],
        &cart.color as &[Option<String>],
        &cart.event_id,
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Claims the ids that clients chose, in the order of ids; returns those that were free.
async fn claim(
    connection: &mut PgConnection,
    partition: i32,
    plan: &Plan<'_>,
) -> sqlx::Result<HashSet<Uuid>> {
    let by_clients = || plan.copied.iter().filter(|(_, event)| event.client_id);
    let ids: Vec<_> = by_clients().map(|(_, event)| event.event_id).collect();
    if ids.is_empty() {
        return Ok(HashSet::new());
    }
    let received: Vec<_> = by_clients().map(|(_, event)| event.received_at).collect();
    let offsets: Vec<_> = by_clients().map(|(offset, _)| offset.0).collect();
    let free = sqlx::query_file_scalar!("queries/claim.sql", partition, &ids, &received, &offsets)
        .fetch_all(connection)
        .await?;
    Ok(free.into_iter().collect())
}

/// Whether COPY is worth trying: in a replay each batch would be refused and cost twice.
#[derive(Debug, Default)]
pub(crate) struct Optimism(Mutex<Skipping>);

#[derive(Debug, Default)]
struct Skipping {
    /// For how many more large batches COPY is not tried.
    left: u32,
    /// How many that were after the last refusal.
    last: u32,
}

impl Optimism {
    /// Whether to try it for this batch.
    pub(crate) fn tries(&self) -> bool {
        let mut skipping = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let tries = skipping.left == 0;
        skipping.left = skipping.left.saturating_sub(1);
        tries
    }

    /// It went through.
    pub(crate) fn confirmed(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Skipping::default();
    }

    /// It was refused: leaves it for a while, each time longer.
    pub(crate) fn refused(&self) {
        let mut skipping = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        skipping.last = (2 * skipping.last + 1).min(MOST_SKIPPED);
        skipping.left = skipping.last;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_in_a_row_are_tried_ever_less_often_and_a_success_forgets_them() {
        let optimism = Optimism::default();
        let mut refused_at = Vec::new();
        for batch in 0..300 {
            if optimism.tries() {
                refused_at.push(batch);
                optimism.refused();
            }
        }
        assert_eq!(refused_at, [0, 2, 6, 14, 30, 62, 126, 190, 254]);
        optimism.confirmed();
        assert!(optimism.tries() && optimism.tries());
    }
}
