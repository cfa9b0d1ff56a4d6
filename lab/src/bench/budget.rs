//! What is asked for, row by row: what must be so, and what we aim at.

use std::fmt;

/// One row of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Row {
    /// The consumer works off a backlog.
    Drain,
    /// `POST /event` at 64 connections.
    #[value(name = "event-64")]
    Event64,
    /// `POST /event` at 1,024 connections.
    #[value(name = "event-1024")]
    Event1024,
    /// `POST /events` with 100 events each.
    Batches,
    /// `PublishEvent` over gRPC.
    Grpc,
    /// `GET /api/clicks`.
    Counters,
    /// From a click to its row.
    Clicks,
    /// The shop's front page.
    Storefront,
    /// What a browser downloads.
    Sizes,
}

/// What a number counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// One thing divided by another of its kind.
    Ratio,
    /// Things a second.
    PerSecond,
    /// Milliseconds.
    Ms,
    /// Thousands of bytes.
    Kilobytes,
    /// Millions of bytes.
    Megabytes,
}

/// One thing that is asked for.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Criterion {
    /// What is looked at.
    pub what: &'static str,
    /// In what.
    pub unit: Unit,
    /// Whether more is better; else less is.
    pub more: bool,
    /// What must be reached.
    pub must: f64,
    /// What we would like to reach.
    pub aim: f64,
}

/// All that is asked for in a row; the first criterion decides whose rates and processes are shown.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Budget {
    /// The row.
    pub row: Row,
    /// What is measured, ÷ against what.
    pub what: &'static str,
    /// What is asked for.
    pub criteria: &'static [Criterion],
}

/// What became of a criterion.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    /// Less than what must be.
    Missed,
    /// What must be.
    Met,
    /// What we aimed at.
    Aim,
}

const fn more(what: &'static str, unit: Unit, must: f64, aim: f64) -> Criterion {
    Criterion {
        what,
        unit,
        more: true,
        must,
        aim,
    }
}

const fn less(what: &'static str, unit: Unit, must: f64, aim: f64) -> Criterion {
    Criterion {
        what,
        unit,
        more: false,
        must,
        aim,
    }
}

const BUDGETS: [Budget; 9] = [
    Budget {
        row: Row::Drain,
        what: "consumer drain, first fetch to last commit ÷ two connections' binary COPY of the same rows into the same tables",
        criteria: &[
            more("ratio", Unit::Ratio, 0.4, 0.8),
            more("events", Unit::PerSecond, 100_000.0, 300_000.0),
            less("consumer's memory", Unit::Megabytes, 150.0, 80.0),
        ],
    },
    Budget {
        row: Row::Event64,
        what: "`POST /event`, 64 connections ÷ a bare librdkafka loop with 64 outstanding",
        criteria: &[more("ratio", Unit::Ratio, 0.6, 0.9)],
    },
    Budget {
        row: Row::Event1024,
        what: "`POST /event`, 1,024 connections ÷ `/health` of the same binary",
        criteria: &[
            more("ratio", Unit::Ratio, 0.3, 0.5),
            less("p99 at the rate that must be", Unit::Ms, 50.0, 50.0),
        ],
    },
    Budget {
        row: Row::Batches,
        what: "`POST /events`, batches of 100 ÷ Kafka's own producer benchmark",
        criteria: &[more("ratio", Unit::Ratio, 0.6, 0.8)],
    },
    Budget {
        row: Row::Grpc,
        what: "gRPC `PublishEvent`, 64 connections ÷ `POST /event`, 64 connections",
        criteria: &[more("ratio", Unit::Ratio, 0.6, 0.6)],
    },
    Budget {
        row: Row::Counters,
        what: "`GET /api/clicks`, 64 connections ÷ `/health` of the same binary",
        criteria: &[more("ratio", Unit::Ratio, 0.8, 0.8)],
    },
    Budget {
        row: Row::Clicks,
        what: "click → row at 100 clicks a second",
        criteria: &[
            less("p50", Unit::Ms, 20.0, 10.0),
            less("p99", Unit::Ms, 100.0, 50.0),
        ],
    },
    Budget {
        row: Row::Storefront,
        what: "storefront, uncached, distinct cookies ÷ the same bytes as a constant",
        criteria: &[
            more("ratio", Unit::Ratio, 0.1, 0.25),
            more("pages", Unit::PerSecond, 5_000.0, 5_000.0),
            less("app's memory", Unit::Megabytes, 150.0, 80.0),
        ],
    },
    Budget {
        row: Row::Sizes,
        what: "what a browser downloads, brotli",
        criteria: &[
            less("WASM", Unit::Kilobytes, 110.0, 80.0),
            less("first load in all", Unit::Kilobytes, 150.0, 120.0),
        ],
    },
];

impl Row {
    /// Every row, in the table's order.
    pub const ALL: [Self; 9] = [
        Self::Drain,
        Self::Event64,
        Self::Event1024,
        Self::Batches,
        Self::Grpc,
        Self::Counters,
        Self::Clicks,
        Self::Storefront,
        Self::Sizes,
    ];

    /// Its name on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Drain => "drain",
            Self::Event64 => "event-64",
            Self::Event1024 => "event-1024",
            Self::Batches => "batches",
            Self::Grpc => "grpc",
            Self::Counters => "counters",
            Self::Clicks => "clicks",
            Self::Storefront => "storefront",
            Self::Sizes => "sizes",
        }
    }

    /// What is asked for.
    pub const fn budget(self) -> &'static Budget {
        // The rows stand in the order of the enumeration; a test holds them to it.
        &BUDGETS[self as usize]
    }
}

impl Criterion {
    /// What a measured value comes to.
    pub fn verdict(&self, value: f64) -> Verdict {
        let reaches = |wanted: f64| {
            if self.more {
                value >= wanted
            } else {
                value <= wanted
            }
        };
        // What is no number reaches nothing.
        if reaches(self.aim) {
            Verdict::Aim
        } else if reaches(self.must) {
            Verdict::Met
        } else {
            Verdict::Missed
        }
    }

    /// A bound as people write it: `≥ 0.4`.
    pub fn bound(&self, value: f64) -> String {
        let sign = if self.more { '≥' } else { '≤' };
        format!("{sign} {}", self.unit.show(value))
    }
}

impl Unit {
    /// A number with its unit.
    pub fn show(self, value: f64) -> String {
        match self {
            Self::Ratio => format!("{value:.2}"),
            Self::PerSecond => format!("{}/s", grouped(value)),
            Self::Ms => format!("{value:.1} ms"),
            Self::Kilobytes => format!("{value:.0} kB"),
            Self::Megabytes => format!("{value:.0} MB"),
        }
    }
}

/// A whole number with its thousands apart.
pub fn grouped(value: f64) -> String {
    let digits = format!("{value:.0}");
    let mut text = String::with_capacity(digits.len() + 4);
    for (at, digit) in digits.char_indices() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Missed => "**missed**",
            Self::Met => "met",
            Self::Aim => "aim reached",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_has_its_own_budget() {
        for row in Row::ALL {
            assert_eq!(row.budget().row, row);
            let named = clap::ValueEnum::to_possible_value(&row).unwrap();
            assert_eq!(named.get_name(), row.name());
            for criterion in row.budget().criteria {
                let aim = criterion.verdict(criterion.aim);
                assert_eq!(aim, Verdict::Aim, "{}", criterion.what);
                assert!(criterion.verdict(criterion.must) >= Verdict::Met);
                assert_eq!(criterion.verdict(f64::NAN), Verdict::Missed);
            }
        }
    }

    #[test]
    fn more_is_better_or_less_is() {
        let rate = more("", Unit::PerSecond, 10.0, 20.0);
        let times = less("", Unit::Ms, 20.0, 10.0);
        assert_eq!([9.0, 10.0, 20.0].map(|v| rate.verdict(v)), times_of(&times));
        assert_eq!(rate.bound(1_234_567.0), "≥ 1,234,567/s");
        assert_eq!(times.bound(20.0), "≤ 20.0 ms");
    }

    fn times_of(times: &Criterion) -> [Verdict; 3] {
        [21.0, 20.0, 10.0].map(|v| times.verdict(v))
    }

    #[test]
    fn thousands_stand_apart() {
        assert_eq!(grouped(7.0), "7");
        assert_eq!(grouped(999.6), "1,000");
        assert_eq!(grouped(123_456.0), "123,456");
    }
}
