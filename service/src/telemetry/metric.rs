//! A metric is declared once, beside the code that measures it: its name, unit and meaning, and the values
//! that its labels can have. Whoever counts holds a handle that was made before.

use metrics::{Counter, Gauge, Histogram, Unit};

/// What kind of number a metric is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Only grows.
    Counter,
    /// Goes up and down.
    Gauge,
    /// A distribution.
    Histogram,
}

impl Kind {
    /// As Prometheus calls it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
        }
    }
}

/// What a metric is told apart by. Never a text that a client chose: each value is a series that is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Label {
    /// The label's name.
    pub name: &'static str,
    /// All its values; none where they are known only at run time, such as the numbers of partitions.
    pub values: &'static [&'static str],
}

/// A metric as it is declared.
#[derive(Debug, Clone, Copy)]
pub struct Metric {
    /// The Prometheus name; a counter's ends in `_total`, a time's in `_seconds`.
    pub name: &'static str,
    /// What kind of number it is.
    pub kind: Kind,
    /// Its unit.
    pub unit: Unit,
    /// What it is told apart by.
    pub labels: &'static [Label],
    /// What it counts, for whoever reads the dashboard.
    pub help: &'static str,
}

impl Metric {
    /// A number that only grows.
    pub const fn counter(name: &'static str, unit: Unit, help: &'static str) -> Self {
        Self::new(name, Kind::Counter, unit, help)
    }

    /// A number that goes up and down.
    pub const fn gauge(name: &'static str, unit: Unit, help: &'static str) -> Self {
        Self::new(name, Kind::Gauge, unit, help)
    }

    /// A distribution.
    pub const fn histogram(name: &'static str, unit: Unit, help: &'static str) -> Self {
        Self::new(name, Kind::Histogram, unit, help)
    }

    const fn new(name: &'static str, kind: Kind, unit: Unit, help: &'static str) -> Self {
        Self {
            name,
            kind,
            unit,
            labels: &[],
            help,
        }
    }

    /// The same, told apart by these.
    #[must_use]
    pub const fn by(self, labels: &'static [Label]) -> Self {
        Self { labels, ..self }
    }

    /// The handle for these values of its labels, in their order. To be made once and kept.
    pub fn to_counter(&self, values: &[&str]) -> Counter {
        metrics::counter!(self.name, self.labelled(values))
    }

    /// The same of a gauge.
    pub fn to_gauge(&self, values: &[&str]) -> Gauge {
        metrics::gauge!(self.name, self.labelled(values))
    }

    /// The same of a distribution.
    pub fn to_histogram(&self, values: &[&str]) -> Histogram {
        metrics::histogram!(self.name, self.labelled(values))
    }

    /// A handle for each value of its only label; all of them are shown from now on, as 0.
    pub fn to_counters(&self) -> Counters {
        let values = self.labels.iter().flat_map(|label| label.values);
        Counters(
            values
                .map(|value| (*value, self.to_counter(&[value])))
                .collect(),
        )
    }

    fn labelled(&self, values: &[&str]) -> Vec<metrics::Label> {
        debug_assert_eq!(self.labels.len(), values.len(), "{}", self.name);
        let pairs = self.labels.iter().zip(values);
        pairs
            .map(|(label, value)| metrics::Label::new(label.name, (*value).to_owned()))
            .collect()
    }
}

/// The counters of one metric, one for each value of its label.
pub struct Counters(Vec<(&'static str, Counter)>);

impl Counters {
    /// Counts so many more of a value, which has to be a declared one.
    pub fn add(&self, value: &str, count: u64) {
        let found = self.0.iter().find(|(known, _)| *known == value);
        debug_assert!(found.is_some(), "{value} is not declared");
        if let Some((_, counter)) = found {
            counter.increment(count);
        }
    }
}

/// Gives every metric its help text and unit.
pub fn describe(metrics: &[Metric]) {
    for metric in metrics {
        let (name, unit, help) = (metric.name, metric.unit, metric.help);
        match metric.kind {
            Kind::Counter => metrics::describe_counter!(name, unit, help),
            Kind::Gauge => metrics::describe_gauge!(name, unit, help),
            Kind::Histogram => metrics::describe_histogram!(name, unit, help),
        }
    }
}
