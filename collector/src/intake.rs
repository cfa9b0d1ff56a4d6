//! Memory is bounded under any load: a request has room set aside for all that becomes of its body before the first
//! byte of it is read, and gives that back with its answer. HTTP and gRPC share the room; who finds none within a
//! few seconds is told to come again, and nothing of the request is read.
//!
//! What waits for Kafka or for the disk has limits of its own ([`crate::QueueLimits`], the spool): this one is for
//! what stands before them, however slow a client, Kafka or the disk may be.

use crate::telemetry::METERS;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{sleep, timeout};

/// A body, what is read out of it, and the messages that are made of that, come to so many times its bytes: an event
/// of 300 bytes is those, 600 as a message and 300 of what is remembered about it.
const FACTOR: usize = 4;

/// What any request is counted for besides: the first event is not smaller for having few bytes.
const BASE_BYTES: usize = 2 << 10;

/// A body of so few bytes is a click or two, which gets in while large bodies take all else.
const SMALL_MAX_BYTES: usize = 4 << 10;

/// The part of the room that is for small bodies alone: one of so many.
const SMALL_PART: usize = 8;

/// The least that there may be: two whole batches, and what is for small bodies.
const MIN_BYTES: u32 = 6 << 20;

/// The room of a process that was not told another one.
pub(crate) const DEFAULT_BYTES: u32 = 64 << 20;

/// How soon to come again when there was no room.
pub(crate) const RETRY_AFTER: Duration = Duration::from_secs(1);

/// Why a request is not read, as it is counted.
pub(crate) const BUSY: &str = "busy";

/// How much may be read and kept at a time, so that memory stays bounded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IntakeLimits {
    /// Bytes of memory; a body counts for four times its own.
    pub bytes: u32,
    /// How long a request waits for room.
    pub wait: Duration,
}

impl Default for IntakeLimits {
    /// 64 MiB: room for 450 batches of 30 KB at a time, or 28 of 500 KB. Those take turns, which at 256 connections of
    /// the largest batches takes some seconds: hence a wait of five.
    fn default() -> Self {
        Self {
            bytes: DEFAULT_BYTES,
            wait: Duration::from_secs(5),
        }
    }
}

impl IntakeLimits {
    /// So many bytes, and the usual wait.
    pub fn of(bytes: u32) -> Self {
        Self {
            bytes,
            ..Self::default()
        }
    }
}

/// Reads a number of bytes: at least 6 MiB, less than 4 GiB.
pub(crate) fn bytes(text: &str) -> Result<u32, String> {
    match text.parse() {
        Ok(bytes @ MIN_BYTES..) => Ok(bytes),
        _ => Err(format!(
            "expected bytes, at least {MIN_BYTES} and at most {}",
            u32::MAX
        )),
    }
}

/// There was no room in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Busy;

/// The room for requests, of which each takes a share.
#[derive(Debug)]
pub(crate) struct Intake {
    /// For small bodies alone.
    small: Arc<Semaphore>,
    /// For any.
    common: Arc<Semaphore>,
    common_bytes: usize,
    max_bytes: usize,
    wait: Duration,
}

/// A request's share of the room, given back when dropped.
#[derive(Debug)]
pub(crate) struct Share(OwnedSemaphorePermit);

impl Intake {
    /// All of it is free.
    pub fn new(limits: IntakeLimits) -> Self {
        let max_bytes = limits.bytes as usize;
        let small_bytes = max_bytes / SMALL_PART;
        let common_bytes = max_bytes - small_bytes;
        Self {
            small: Arc::new(Semaphore::new(small_bytes)),
            common: Arc::new(Semaphore::new(common_bytes)),
            common_bytes,
            max_bytes,
            wait: limits.wait,
        }
    }

    /// Room for a body of so many bytes; waits for it, in the order of asking.
    pub async fn admit(&self, body_bytes: usize) -> Result<Share, Busy> {
        // One that is larger than all the room is read alone.
        let bytes = cost(body_bytes).min(self.common_bytes);
        let permits = u32::try_from(bytes).unwrap_or(u32::MAX);
        let at_once = |room: &Arc<Semaphore>| Arc::clone(room).try_acquire_many_owned(permits);
        let is_small = body_bytes <= SMALL_MAX_BYTES;
        if is_small && let Ok(share) = at_once(&self.small) {
            return Ok(Share(share));
        }
        if let Ok(share) = at_once(&self.common) {
            return Ok(Share(share));
        }
        let in_turn = |room: &Arc<Semaphore>| Arc::clone(room).acquire_many_owned(permits);
        let either = async {
            if is_small {
                tokio::select! {
                    share = in_turn(&self.small) => share,
                    share = in_turn(&self.common) => share,
                }
            } else {
                in_turn(&self.common).await
            }
        };
        match timeout(self.wait, either).await {
            Ok(Ok(share)) => Ok(Share(share)),
            // Nobody closes the room: it is the time that is up.
            Ok(Err(_)) | Err(_) => Err(Busy),
        }
    }

    /// The bytes that are set aside now.
    pub fn used_bytes(&self) -> usize {
        let free = self.small.available_permits() + self.common.available_permits();
        self.max_bytes.saturating_sub(free)
    }

    /// Tells the metrics, each second, for ever.
    pub async fn watch(&self) {
        #[expect(clippy::cast_precision_loss, reason = "a gauge is a float")]
        let number = |n: usize| n as f64;
        METERS.intake_max_bytes.set(number(self.max_bytes));
        loop {
            METERS.intake_bytes.set(number(self.used_bytes()));
            sleep(Duration::from_secs(1)).await;
        }
    }
}

impl Share {
    /// Gives back what a body of so many bytes does not need.
    pub fn shrink(&mut self, body_bytes: usize) {
        let spare = self.0.num_permits().saturating_sub(cost(body_bytes));
        drop(self.0.split(spare));
    }
}

/// What a body of so many bytes comes to in memory.
const fn cost(body_bytes: usize) -> usize {
    BASE_BYTES.saturating_add(body_bytes.saturating_mul(FACTOR))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    const LARGE: usize = 500 * 1024;

    fn intake(bytes: u32) -> Intake {
        Intake::new(IntakeLimits {
            bytes,
            wait: Duration::from_millis(50),
        })
    }

    #[rstest]
    #[case::nothing(0, 2048)]
    #[case::a_click(300, 3248)]
    #[case::a_batch(30_000, 122_048)]
    #[case::larger_than_all(100 << 20, 7 << 20)]
    #[case::larger_than_a_number(usize::MAX, 7 << 20)]
    #[tokio::test]
    async fn a_body_counts_for_what_becomes_of_it_until_it_is_dropped(
        #[case] body_bytes: usize,
        #[case] used: usize,
    ) {
        let intake = intake(8 << 20);
        let share = intake.admit(body_bytes).await.unwrap();
        assert_eq!(intake.used_bytes(), used);
        drop(share);
        assert_eq!(intake.used_bytes(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn no_more_is_let_in_than_there_is_room_for() {
        let intake = intake(8 << 20);
        let mut inside = Vec::new();
        while let Ok(share) = intake.admit(LARGE).await {
            inside.push(share);
        }
        assert_eq!(inside.len(), 3, "of 2 MB each, in 7 MiB");
        // Small ones still get in, as far as the room that is theirs goes, and no further.
        let mut small = Vec::new();
        while let Ok(share) = intake.admit(300).await {
            small.push(share);
        }
        let theirs = (1 << 20) / 3248 + ((7 << 20) - 3 * cost(LARGE)) / 3248;
        assert_eq!(small.len(), theirs);
        assert!(intake.used_bytes() <= 8 << 20);
        small.pop();
        assert!(intake.admit(300).await.is_ok());
        inside.pop();
        assert!(intake.admit(LARGE).await.is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn who_comes_while_there_is_no_room_waits_for_a_turn() {
        let intake = Arc::new(intake(8 << 20));
        let served = (0..100).map(|_| {
            let intake = Arc::clone(&intake);
            tokio::spawn(async move {
                let _share = intake.admit(LARGE).await?;
                sleep(Duration::from_millis(1)).await;
                Ok::<_, Busy>(intake.used_bytes())
            })
        });
        for one in served.collect::<Vec<_>>() {
            assert!(one.await.unwrap().unwrap() <= 8 << 20);
        }
        assert_eq!(intake.used_bytes(), 0);
    }

    #[tokio::test]
    async fn what_turns_out_to_be_smaller_gives_back_the_rest() {
        let intake = intake(8 << 20);
        let mut share = intake.admit(LARGE).await.unwrap();
        share.shrink(300);
        assert_eq!(intake.used_bytes(), 3248);
        share.shrink(LARGE);
        assert_eq!(intake.used_bytes(), 3248, "nothing to give back");
    }

    #[rstest]
    #[case("6291456", true)]
    #[case("4294967295", true)]
    #[case("6291455", false)]
    #[case("4294967296", false)]
    #[case("64MiB", false)]
    fn a_number_of_bytes_has_room_for_a_batch(#[case] text: &str, #[case] good: bool) {
        assert_eq!(bytes(text).is_ok(), good);
    }
}
