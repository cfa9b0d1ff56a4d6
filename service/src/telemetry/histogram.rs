//! Distributions that cost the same however much is measured: a number for each bucket, and nothing to fold
//! later.
//!
//! The exporter's own keep every value, with its time, until somebody folds them: 16 bytes for each of the
//! 300,000 events that a consumer may write in a second.

use metrics::{Histogram, HistogramFn, Key};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Upper bounds of what is measured in seconds: a request takes milliseconds, an event that waited in a
/// spool took hours.
const SECONDS: [f64; 18] = [
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0,
    300.0, 1_800.0, 7_200.0,
];
/// Upper bounds of everything else, which is counts.
const COUNTS: [f64; 10] = [
    1.0, 3.0, 10.0, 30.0, 100.0, 300.0, 1_000.0, 3_000.0, 10_000.0, 30_000.0,
];

/// Measures many durations at once, in seconds: together they cost little more than one.
pub fn record_seconds(histogram: &Histogram, values: impl Iterator<Item = f64>) {
    let mut buckets = [(0_u32, 0.0_f64); SECONDS.len() + 1];
    for value in values {
        let (count, sum) = &mut buckets[bucket(&SECONDS, value)];
        *count += 1;
        *sum += value;
    }
    for (count, sum) in buckets.into_iter().filter(|(count, _)| *count > 0) {
        // Their mean lies in the same bucket, and the sum stays what it is.
        histogram.record_many(sum / f64::from(count), count as usize);
    }
}

/// Which bucket a value belongs to: the first whose bound it does not exceed.
fn bucket(bounds: &[f64], value: f64) -> usize {
    bounds.partition_point(|bound| *bound < value)
}

/// One distribution.
#[derive(Debug)]
pub(super) struct Buckets {
    bounds: &'static [f64],
    /// One for each bound, and one for what is above them all.
    counts: Box<[AtomicU64]>,
    /// The bits of a float.
    sum: AtomicU64,
}

impl Buckets {
    fn new(bounds: &'static [f64]) -> Self {
        Self {
            bounds,
            counts: (0..=bounds.len()).map(|_| AtomicU64::new(0)).collect(),
            sum: AtomicU64::new(0.0_f64.to_bits()),
        }
    }

    fn write(&self, text: &mut String, name: &str, labels: &str) {
        let bounds = self.bounds.iter().map(ToString::to_string);
        let mut count = 0;
        for (bound, one) in bounds.chain(["+Inf".to_owned()]).zip(&self.counts) {
            count += one.load(Ordering::Relaxed);
            let _ = writeln!(text, "{name}_bucket{{{labels},le=\"{bound}\"}} {count}");
        }
        let sum = f64::from_bits(self.sum.load(Ordering::Relaxed));
        let _ = writeln!(text, "{name}_sum{{{labels}}} {sum}");
        let _ = writeln!(text, "{name}_count{{{labels}}} {count}");
    }
}

impl HistogramFn for Buckets {
    fn record(&self, value: f64) {
        self.record_many(value, 1);
    }

    fn record_many(&self, value: f64, count: usize) {
        if !value.is_finite() {
            return;
        }
        let count = u32::try_from(count).unwrap_or(u32::MAX);
        self.counts[bucket(self.bounds, value)].fetch_add(count.into(), Ordering::Relaxed);
        let add = |sum| Some((f64::from_bits(sum) + value * f64::from(count)).to_bits());
        // It is never refused.
        let _ = self
            .sum
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, add);
    }
}

/// All distributions of a process.
#[derive(Debug)]
pub(super) struct Histograms {
    service: &'static str,
    families: Mutex<BTreeMap<String, Family>>,
}

/// Those of one name.
#[derive(Debug, Default)]
struct Family {
    help: String,
    /// By their labels, as they are written.
    series: BTreeMap<String, Arc<Buckets>>,
}

impl Histograms {
    /// None yet; each will have the label `service`.
    pub fn new(service: &'static str) -> Self {
        Self {
            service,
            families: Mutex::default(),
        }
    }

    /// Notes what a distribution is about.
    pub fn describe(&self, name: &str, help: &str) {
        help.clone_into(&mut self.lock().entry(name.to_owned()).or_default().help);
    }

    /// The distribution of this name and these labels, from now on one of those that are shown.
    pub fn get(&self, key: &Key) -> Arc<Buckets> {
        let bounds: &[f64] = if key.name().ends_with("_seconds") {
            &SECONDS
        } else {
            &COUNTS
        };
        // Rust escapes what Prometheus does; labels and their values are our own plain words.
        let mut labels = format!("service={:?}", self.service);
        for label in key.labels() {
            let _ = write!(labels, ",{}={:?}", label.key(), label.value());
        }
        let mut families = self.lock();
        let family = families.entry(key.name().to_owned()).or_default();
        let series = family.series.entry(labels);
        Arc::clone(series.or_insert_with(|| Arc::new(Buckets::new(bounds))))
    }

    /// Writes all of them as Prometheus reads them.
    pub fn write(&self, text: &mut String) {
        for (name, family) in self.lock().iter() {
            if family.series.is_empty() {
                continue;
            }
            let _ = writeln!(text, "# HELP {name} {}", family.help);
            let _ = writeln!(text, "# TYPE {name} histogram");
            for (labels, buckets) in &family.series {
                buckets.write(text, name, labels);
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Family>> {
        self.families.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case(-1.0, 0)]
    #[case(0.001, 0)]
    #[case(0.0011, 1)]
    #[case(7_200.0, 17)]
    #[case(7_200.1, 18)]
    fn a_value_belongs_to_the_first_bound_that_it_does_not_exceed(
        #[case] value: f64,
        #[case] index: usize,
    ) {
        assert_eq!(bucket(&SECONDS, value), index);
    }

    #[test]
    fn what_is_shown_is_what_was_measured() {
        let histograms = Histograms::new("test");
        histograms.describe("a_batch_events", "How many");
        let events = histograms.get(&Key::from_parts("a_batch_events", &[("kind", "x")]));
        events.record(2.0);
        events.record_many(3.0, 4);
        events.record(f64::NAN);
        events.record(40_000.0);
        let mut text = String::new();
        histograms.write(&mut text);
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(
            lines[..5],
            [
                "# HELP a_batch_events How many",
                "# TYPE a_batch_events histogram",
                r#"a_batch_events_bucket{service="test",kind="x",le="1"} 0"#,
                r#"a_batch_events_bucket{service="test",kind="x",le="3"} 5"#,
                r#"a_batch_events_bucket{service="test",kind="x",le="10"} 5"#,
            ]
        );
        assert_eq!(
            lines[11..],
            [
                r#"a_batch_events_bucket{service="test",kind="x",le="30000"} 5"#,
                r#"a_batch_events_bucket{service="test",kind="x",le="+Inf"} 6"#,
                r#"a_batch_events_sum{service="test",kind="x"} 40014"#,
                r#"a_batch_events_count{service="test",kind="x"} 6"#,
            ]
        );
    }

    #[test]
    fn many_at_once_are_what_they_are_one_by_one() {
        let values = [0.0, 0.002, 0.0021, 0.4, 3.0, 3.5, 90.0, 100_000.0];
        let shown = |measure: fn(&Histogram, &[f64])| {
            let histograms = Histograms::new("test");
            let handle = Histogram::from_arc(histograms.get(&Key::from_name("a_way_seconds")));
            measure(&handle, &values);
            let mut text = String::new();
            histograms.write(&mut text);
            let (sums, counts): (Vec<_>, Vec<_>) = text
                .lines()
                .map(str::to_owned)
                .partition(|line| line.contains("_sum"));
            let sum: f64 = sums[0].rsplit(' ').next().unwrap().parse().unwrap();
            (sum, counts)
        };
        let (sum, counts) = shown(|all, values| record_seconds(all, values.iter().copied()));
        let (wanted, one_by_one) = shown(|all, values| values.iter().for_each(|v| all.record(*v)));
        assert_eq!(counts, one_by_one);
        assert!((sum - wanted).abs() < 1e-6, "{sum} {wanted}");
    }
}
