//! How long to wait before the next attempt: at once, then longer and longer, never longer than is
//! comfortable for whoever waits for the thing to come back.

use std::time::Duration;

/// The longest pause.
pub const LONGEST: Duration = Duration::from_secs(2);

/// The pause before attempt `failures + 1`: nothing before the first, then 50 ms doubled each time.
pub fn pause(failures: u32) -> Duration {
    match failures {
        0 => Duration::ZERO,
        n => Duration::from_millis(50)
            .saturating_mul(1 << (n - 1).min(10))
            .min(LONGEST),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_and_stay_bounded() {
        assert_eq!(pause(0), Duration::ZERO);
        assert_eq!(pause(1), Duration::from_millis(50));
        assert_eq!(pause(3), Duration::from_millis(200));
        for n in 1..100 {
            assert!(pause(n) >= pause(n - 1));
            assert!(pause(n) <= LONGEST);
        }
    }
}
