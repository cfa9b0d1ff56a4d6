//! The drill's result as a table, for a terminal and for a document.

use super::reconcile::{Check, Figures};
use std::fmt::Write as _;
use std::time::Duration;

/// One case's line.
#[derive(Debug, Clone)]
pub struct Line {
    pub number: u8,
    pub about: &'static str,
    /// Counted from 0: how often the case was played before.
    pub round: u64,
    /// How long the whole case took.
    pub took: Duration,
    pub ended: Ended,
}

/// How a case ended.
#[derive(Debug, Clone)]
pub enum Ended {
    /// It was played and reconciled.
    Played {
        figures: Figures,
        recovery: Option<Duration>,
        checks: Vec<Check>,
        /// What could not be done here, if anything.
        skipped: Option<String>,
    },
    /// It could not be played to its end.
    Broken(String),
}

impl Line {
    /// Whether everything was as it must be.
    pub fn is_good(&self) -> bool {
        match &self.ended {
            Ended::Played { checks, .. } => checks.iter().all(|check| check.good),
            Ended::Broken(_) => false,
        }
    }

    /// What was not, in words.
    pub fn complaints(&self) -> Vec<&str> {
        match &self.ended {
            Ended::Played { checks, .. } => checks
                .iter()
                .filter(|check| !check.good)
                .map(|check| check.what.as_str())
                .collect(),
            Ended::Broken(why) => vec![why],
        }
    }

    /// Everything that was looked at, a line each.
    pub fn all_checks(&self) -> String {
        let checks = match &self.ended {
            Ended::Played { checks, .. } => checks,
            Ended::Broken(why) => return format!("FAILED {why}\n"),
        };
        checks.iter().fold(String::new(), |mut text, check| {
            let mark = if check.good { "good  " } else { "FAILED" };
            let _ = writeln!(text, "{mark} {}", check.what);
            text
        })
    }

    /// One sentence for whoever looks on.
    pub fn summary(&self) -> String {
        let took = self.took.as_secs_f64();
        match &self.ended {
            Ended::Played { figures, .. } => {
                let [.., pause, rows_pause, recovery, result] = self.cells();
                format!(
                    "{result} in {took:.0} s: {} acknowledged, {} stored, {} lost, {} twice; longest pause {pause} (rows {rows_pause}), recovery {recovery}",
                    figures.acknowledged, figures.stored, figures.lost, figures.twice
                )
            }
            Ended::Broken(_) => format!("FAILED after {took:.0} s"),
        }
    }

    /// The cells after the case's own name.
    fn cells(&self) -> [String; 8] {
        let seconds = |time: Duration| format!("{:.1} s", time.as_secs_f64());
        match &self.ended {
            Ended::Played {
                figures,
                recovery,
                skipped,
                ..
            } => [
                figures.acknowledged.to_string(),
                figures.stored.to_string(),
                figures.lost.to_string(),
                figures.twice.to_string(),
                seconds(figures.pause),
                seconds(figures.rows_pause),
                recovery.map_or_else(|| "–".to_owned(), seconds),
                match (self.is_good(), skipped) {
                    (false, _) => "FAILED".to_owned(),
                    (true, None) => "passed".to_owned(),
                    (true, Some(what)) => format!("passed; {what}"),
                },
            ],
            Ended::Broken(_) => {
                let unknown = || "?".to_owned();
                std::array::from_fn(|cell| {
                    if cell < 7 {
                        unknown()
                    } else {
                        "FAILED".to_owned()
                    }
                })
            }
        }
    }
}

/// The columns' names.
const HEAD: [&str; 9] = [
    "case",
    "acknowledged",
    "stored",
    "lost",
    "twice",
    "longest pause (answers)",
    "longest pause (rows)",
    "recovery",
    "result",
];

/// The table in Markdown, which a terminal can show as well.
pub fn markdown(lines: &[Line]) -> String {
    let rows: Vec<Vec<String>> = std::iter::once(HEAD.map(str::to_owned).to_vec())
        .chain(lines.iter().map(|line| {
            let case = format!("{}. {}", line.number, line.about);
            std::iter::once(case).chain(line.cells()).collect()
        }))
        .collect();
    let width = |column: usize| {
        let widths = rows.iter().map(|row| row[column].chars().count());
        widths.max().unwrap_or_default()
    };
    let widths: Vec<usize> = (0..HEAD.len()).map(width).collect();
    let mut text = String::new();
    for (number, row) in rows.iter().enumerate() {
        for (column, cell) in row.iter().enumerate() {
            // Figures stand to the right; writing to a String cannot fail.
            let width = widths[column];
            let _ = if (1..8).contains(&column) {
                write!(text, "| {cell:>width$} ")
            } else {
                write!(text, "| {cell:<width$} ")
            };
        }
        text.push_str("|\n");
        if number == 0 {
            for (column, width) in widths.iter().enumerate() {
                let right = if (1..8).contains(&column) { ":" } else { "-" };
                let _ = write!(text, "|{}{right}", "-".repeat(width + 1));
            }
            text.push_str("|\n");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(lost: usize) -> Line {
        Line {
            number: 3,
            about: "all brokers die",
            round: 0,
            took: Duration::from_secs(9),
            ended: Ended::Played {
                figures: Figures {
                    acknowledged: 10,
                    stored: 10 - lost,
                    lost,
                    ..Figures::default()
                },
                recovery: Some(Duration::from_millis(1_250)),
                checks: vec![Check::new(lost == 0, "nothing is lost")],
                skipped: None,
            },
        }
    }

    #[test]
    fn a_loss_cannot_be_overlooked() {
        let text = markdown(&[line(0), line(2)]);
        let rows: Vec<&str> = text.lines().collect();
        assert_eq!(rows.len(), 4);
        assert!(rows[2].contains("3. all brokers die") && rows[2].ends_with("| passed |"));
        assert!(rows[3].ends_with("| FAILED |"), "{}", rows[3]);
        assert_eq!(line(2).complaints(), ["nothing is lost"]);
        let widths: Vec<usize> = rows.iter().map(|row| row.chars().count()).collect();
        assert!(widths.iter().all(|width| *width == widths[0]), "{text}");
    }
}
