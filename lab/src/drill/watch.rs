//! Looks at the leases ten times a second while a case runs: who holds them, and that no offset ever goes
//! back.

use crate::stack::until;
use sqlx::PgPool;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::task::JoinHandle;

/// How often is looked.
const EVERY: Duration = Duration::from_millis(100);
/// How long Postgres may take to tell the leases after they were moved.
const READ: Duration = Duration::from_secs(30);

/// One partition's lease at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    /// The offset that is to be read next.
    pub next: i64,
    /// The process that holds it; 0 for none.
    pub pid: u32,
}

/// Every lease at one moment, by partition.
pub type Leases = BTreeMap<i32, Held>;

#[derive(Debug, Default)]
struct Seen {
    newest: Leases,
    /// Somebody moves offsets on purpose at this moment.
    may_go_back: bool,
    /// How often that was done: a look that began before its end is of no use after it.
    moved: u32,
    went_back: Vec<String>,
}

/// The task that looks, until it is dropped.
pub struct Watch {
    db: PgPool,
    topic: String,
    seen: Arc<Mutex<Seen>>,
    looking: JoinHandle<()>,
}

impl Watch {
    /// Begins to look.
    pub fn start(db: PgPool, topic: String) -> Self {
        let seen: Arc<Mutex<Seen>> = Arc::default();
        let ours = Arc::clone(&seen);
        let (from, of) = (db.clone(), topic.clone());
        let looking = tokio::spawn(async move {
            let mut tick = tokio::time::interval(EVERY);
            tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
            loop {
                tick.tick().await;
                let moved = lock(&ours).moved;
                // Postgres may be away on purpose.
                if let Ok(now) = leases(&from, &of).await {
                    lock(&ours).look(moved, now);
                }
            }
        });
        Self {
            db,
            topic,
            seen,
            looking,
        }
    }

    /// The leases when they were last seen.
    pub fn newest(&self) -> Leases {
        lock(&self.seen).newest.clone()
    }

    /// The partitions that a process holds.
    pub fn of(&self, pid: u32) -> Leases {
        let mut leases = self.newest();
        leases.retain(|_, held| held.pid == pid);
        leases
    }

    /// Lets offsets go back as long as `moving` takes, which moves them on purpose. Where they are then is where they
    /// must not go back from.
    pub async fn while_moved<T>(
        &self,
        moving: impl Future<Output = anyhow::Result<T>>,
    ) -> anyhow::Result<T> {
        lock(&self.seen).may_go_back = true;
        let moved = moving.await?;
        let now = until("the leases can be read", READ, || async {
            let now = leases(&self.db, &self.topic).await;
            now.map_err(|error| error.to_string())
        })
        .await?;
        lock(&self.seen).moved_to(now);
        Ok(moved)
    }

    /// Every offset that went back, in words.
    pub fn went_back(&self) -> Vec<String> {
        lock(&self.seen).went_back.clone()
    }

    /// Waits until others go on with everything that a process held, `before`; returns the time since
    /// `from`.
    ///
    /// # Errors
    /// After `deadline`, with the partitions that stand still.
    pub async fn taken_over(
        &self,
        before: &Leases,
        from: Instant,
        deadline: Duration,
    ) -> anyhow::Result<Duration> {
        until("others go on with the partitions", deadline, || async {
            let now = self.newest();
            let still: Vec<i32> = before
                .iter()
                .filter(|(partition, was)| {
                    now.get(partition)
                        .is_none_or(|is| is.pid == was.pid || is.next <= was.next)
                })
                .map(|(partition, _)| *partition)
                .collect();
            if still.is_empty() {
                Ok(())
            } else {
                Err(format!("partitions {still:?} stand still"))
            }
        })
        .await?;
        Ok(from.elapsed())
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.looking.abort();
    }
}

impl Seen {
    /// What was seen by a look that began after so many moves.
    fn look(&mut self, moved: u32, now: Leases) {
        if moved != self.moved {
            return;
        }
        for (partition, was) in &self.newest {
            let back = now.get(partition).filter(|is| is.next < was.next);
            if let (Some(is), false) = (back, self.may_go_back) {
                self.went_back
                    .push(format!("partition {partition}: {} → {}", was.next, is.next));
            }
        }
        self.newest = now;
    }

    /// The end of a move: from here on nothing goes back.
    fn moved_to(&mut self, now: Leases) {
        self.newest = now;
        self.may_go_back = false;
        self.moved += 1;
    }
}

fn lock(seen: &Mutex<Seen>) -> MutexGuard<'_, Seen> {
    seen.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Every lease of a topic now.
pub async fn leases(db: &PgPool, topic: &str) -> sqlx::Result<Leases> {
    let rows: Vec<(i32, i64, Option<String>)> = sqlx::query_as(
        "SELECT partition, next_offset, owner FROM partition_leases WHERE topic = $1",
    )
    .bind(topic)
    .fetch_all(db)
    .await?;
    let held = rows.into_iter().map(|(partition, next, owner)| {
        let pid = owner.as_deref().map_or(0, pid_of);
        (partition, Held { next, pid })
    });
    Ok(held.collect())
}

/// An owner is written as `host:pid`.
fn pid_of(owner: &str) -> u32 {
    let pid = owner.rsplit(':').next().unwrap_or_default();
    pid.split(' ')
        .next()
        .unwrap_or_default()
        .parse()
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(next: i64) -> Leases {
        [(3, Held { next, pid: 9 })].into()
    }

    #[test]
    fn an_offset_that_goes_back_is_told_unless_it_is_being_moved() {
        let mut seen = Seen::default();
        seen.look(0, at(5));
        seen.look(0, at(8));
        assert!(seen.went_back.is_empty());
        seen.look(0, at(7));
        assert_eq!(seen.went_back, ["partition 3: 8 → 7"]);
        seen.may_go_back = true;
        seen.look(0, at(2));
        seen.moved_to(at(0));
        assert_eq!(seen.went_back.len(), 1);
        // It began before the end of the move, and came after it.
        seen.look(0, at(2));
        seen.look(1, at(1));
        assert_eq!(seen.went_back.len(), 1);
        seen.look(1, at(0));
        assert_eq!(seen.went_back[1..], ["partition 3: 1 → 0"]);
    }

    #[test]
    fn an_owner_tells_its_process() {
        assert_eq!(pid_of("host:17"), 17);
        assert_eq!(pid_of("host:17 (reset)"), 17);
        assert_eq!(pid_of("nobody"), 0);
    }
}
