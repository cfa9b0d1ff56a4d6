//! A wait has a deadline and, when it passes, says what was seen instead.

use anyhow::ensure;
use std::future::Future;
use std::time::{Duration, Instant};

/// How often is looked.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// Calls `look` until it answers `Ok`.
///
/// # Errors
/// After `deadline`, with what `look` saw last.
pub async fn until<T, F, Look>(what: &str, deadline: Duration, mut look: Look) -> anyhow::Result<T>
where
    F: Future<Output = Result<T, String>>,
    Look: FnMut() -> F,
{
    let began = Instant::now();
    loop {
        let seen = match look().await {
            Ok(found) => return Ok(found),
            Err(seen) => seen,
        };
        ensure!(
            began.elapsed() < deadline,
            "waited {deadline:?} in vain until {what}; last seen: {seen}"
        );
        tokio::time::sleep(LOOK_EVERY).await;
    }
}
