//! A wait has a deadline and, when it passes, says what was seen instead.

use std::future::Future;
use std::time::{Duration, Instant};

/// Calls `look` until it answers `Ok`.
///
/// # Panics
/// After `deadline`, with what `look` saw last.
pub async fn until<T, F, Look>(what: &str, deadline: Duration, mut look: Look) -> T
where
    F: Future<Output = Result<T, String>>,
    Look: FnMut() -> F,
{
    let began = Instant::now();
    loop {
        let seen = match look().await {
            Ok(found) => return found,
            Err(seen) => seen,
        };
        assert!(
            began.elapsed() < deadline,
            "waited {deadline:?} in vain until {what}; last seen: {seen}"
        );
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
