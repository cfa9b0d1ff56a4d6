//! Measured times, told as people read them.

use std::fmt;
use std::time::Duration;

/// Durations of one kind of thing.
#[derive(Debug, Clone, Default)]
pub struct Times(Vec<Duration>);

impl Times {
    /// Adds one.
    pub fn add(&mut self, time: Duration) {
        self.0.push(time);
    }

    /// Adds all of others.
    pub fn append(&mut self, mut others: Self) {
        self.0.append(&mut others.0);
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The smallest time that at least `share` (0 to 100) percent of all do not exceed; none without
    /// any.
    pub fn percentile(&self, share: usize) -> Option<Duration> {
        let mut sorted = self.0.clone();
        sorted.sort_unstable();
        let rank = (sorted.len() * share).div_ceil(100).max(1);
        sorted.get(rank - 1).copied()
    }
}

impl fmt::Display for Times {
    /// `p50 3.1 ms, p99 8.0 ms, longest 9.2 ms of 1000`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Some(p50), Some(p99), Some(longest)) = (
            self.percentile(50),
            self.percentile(99),
            self.percentile(100),
        ) else {
            return f.write_str("none measured");
        };
        write!(
            f,
            "p50 {:.1} ms, p99 {:.1} ms, longest {:.1} ms of {}",
            ms(p50),
            ms(p99),
            ms(longest),
            self.len()
        )
    }
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}

/// Events a second.
#[expect(clippy::cast_precision_loss, reason = "a rate for people")]
pub fn rate(count: usize, during: Duration) -> f64 {
    count as f64 / during.as_secs_f64().max(f64::EPSILON)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_times_that_were_measured() {
        let mut times = Times::default();
        assert_eq!(times.percentile(50), None);
        assert_eq!(times.to_string(), "none measured");
        for ms in (1..=200).rev() {
            times.add(Duration::from_millis(ms));
        }
        assert_eq!(times.percentile(50), Some(Duration::from_millis(100)));
        assert_eq!(times.percentile(99), Some(Duration::from_millis(198)));
        assert_eq!(
            times.to_string(),
            "p50 100.0 ms, p99 198.0 ms, longest 200.0 ms of 200"
        );
    }
}
