//! The table: what was asked for beside what was measured, and what it cost.

use super::budget::{Budget, Criterion, Unit, Verdict};
use super::usage::Used;
use anyhow::Context as _;
use std::fmt::Write as _;
use std::path::Path;

/// One measurement of a row.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Trial {
    /// A value for each criterion, in their order.
    pub values: Vec<f64>,
    /// Ours and the ceiling, with their unit, where one is divided by the other.
    pub sides: Option<[String; 2]>,
    /// What each process used while ours was measured.
    pub used: Vec<Used>,
    /// Why this trial does not count.
    pub void: Vec<String>,
}

/// What the trials of a row came to in one criterion.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Figure {
    /// The worst trial's value.
    pub worst: f64,
    /// The median.
    pub median: f64,
    /// The best trial's value.
    pub best: f64,
}

impl Figure {
    /// The median, and where the trials differ, from where to where they lie.
    fn show(&self, criterion: &Criterion) -> String {
        if self.worst.is_nan() {
            return format!(
                "{}; not measured in every trial",
                criterion.unit.show(self.median)
            );
        }
        let [worst, median, best] =
            [self.worst, self.median, self.best].map(|value| criterion.unit.show(value));
        if worst == best {
            return median;
        }
        format!("{median} ({worst} to {best})")
    }
}

/// All trials of a row.
#[derive(Debug, Clone, PartialEq)]
pub struct Result {
    /// What was asked for.
    pub budget: &'static Budget,
    /// The trials, in their order.
    pub trials: Vec<Trial>,
}

impl Result {
    /// The trial whose first value is the median: whose rates and processes are shown.
    pub fn median(&self) -> Option<&Trial> {
        let criterion = self.budget.criteria.first()?;
        let order = self.in_order(0, criterion);
        order.get(Self::middle(&order)?).map(|(_, trial)| *trial)
    }

    /// The median of all trials for each criterion, and the worst and the best of them; none without trials. One trial
    /// with a pause in it then spoils no figure, and no figure profits from what another one's median was.
    pub fn figures(&self) -> Vec<Figure> {
        let figure = |(at, criterion): (usize, &Criterion)| {
            let order = self.in_order(at, criterion);
            let value = |at: usize| order.get(at).map(|(value, _)| *value);
            Some(Figure {
                worst: value(0)?,
                median: value(Self::middle(&order)?)?,
                best: value(order.len() - 1)?,
            })
        };
        let all = self.budget.criteria.iter().enumerate();
        all.filter_map(figure).collect()
    }

    /// The trials by a criterion's value, the worst first; what is no number is the worst there can be.
    fn in_order(&self, at: usize, criterion: &Criterion) -> Vec<(f64, &Trial)> {
        let value = |trial: &Trial| trial.values.get(at).copied().unwrap_or(f64::NAN);
        let mut order: Vec<_> = self.trials.iter().map(|one| (value(one), one)).collect();
        order.sort_by(|(a, _), (b, _)| match (a.is_nan(), b.is_nan()) {
            (false, false) if criterion.more => a.total_cmp(b),
            (false, false) => b.total_cmp(a),
            (a, b) => b.cmp(&a),
        });
        order
    }

    /// The middle one; of two in the middle the worse.
    fn middle<T>(order: &[T]) -> Option<usize> {
        Some(order.len().checked_sub(1)? / 2)
    }

    /// Why the row does not count; any void trial is reason enough.
    pub fn void(&self) -> Vec<&str> {
        let all = self.trials.iter().flat_map(|trial| &trial.void);
        all.map(String::as_str).collect()
    }

    /// The verdict on each criterion.
    pub fn verdicts(&self) -> Vec<Verdict> {
        let figures = self.figures();
        let judge = |(at, criterion): (usize, &Criterion)| {
            criterion.verdict(figures.get(at).map_or(f64::NAN, |figure| figure.median))
        };
        self.budget.criteria.iter().enumerate().map(judge).collect()
    }

    /// Whether the row is not as it must be; without `judged` only a void one is not.
    pub fn failed(&self, judged: bool) -> bool {
        let missed = self.verdicts().contains(&Verdict::Missed);
        !self.void().is_empty() || (judged && missed)
    }

    /// The row in one line, for whoever watches.
    pub fn line(&self) -> String {
        let Some(trial) = self.median() else {
            return "  not measured".to_owned();
        };
        let mut text = String::new();
        if let Some([ours, ceiling]) = &trial.sides {
            let _ = write!(text, "  {ours} ÷ {ceiling}");
        }
        for ((criterion, value), verdict) in self
            .budget
            .criteria
            .iter()
            .zip(self.figures())
            .zip(self.verdicts())
        {
            let value = value.show(criterion);
            let _ = write!(text, "  {} {value} ({verdict})", criterion.what);
        }
        for reason in self.void() {
            let _ = write!(text, "\n  VOID: {reason}");
        }
        text
    }
}

/// Both tables.
pub fn markdown(results: &[Result]) -> String {
    let mut text = String::from(
        "| what | | must | aim | ours | ceiling | measured | verdict |\n|---|---|---|---|---|---|---|---|\n",
    );
    for row in results {
        let Some(trial) = row.median() else { continue };
        let sides = trial.sides.clone().unwrap_or_default();
        let void = !row.void().is_empty();
        let figures = row.figures();
        for (at, (criterion, verdict)) in row.budget.criteria.iter().zip(row.verdicts()).enumerate()
        {
            let first = at == 0;
            let value = figures.get(at).map(|figure| figure.show(criterion));
            let verdict = if void {
                "**void**".to_owned()
            } else {
                verdict.to_string()
            };
            let _ = writeln!(
                text,
                "| {} | {} | {} | {} | {} | {} | {} | {verdict} |",
                if first { row.budget.what } else { "" },
                criterion.what,
                criterion.bound(criterion.must),
                criterion.bound(criterion.aim),
                if first { sides[0].as_str() } else { "" },
                if first { sides[1].as_str() } else { "" },
                value.unwrap_or_default(),
            );
        }
    }
    text.push_str("\n| row | process | cores in use | most memory |\n|---|---|---|---|\n");
    for row in results {
        for used in row.median().map_or(&[][..], |trial| &trial.used) {
            let memory = used.peak_mb.map(|peak| Unit::Megabytes.show(peak));
            let _ = writeln!(
                text,
                "| {} | {} | {:.2} | {} |",
                row.budget.row.name(),
                used.process,
                used.cores,
                memory.unwrap_or_default()
            );
        }
    }
    text
}

const BEGIN: &str = "<!-- bench:begin -->";
const END: &str = "<!-- bench:end -->";

/// Puts the tables into a document, between its marks, with the day and the machine.
pub fn write_into(file: &Path, tables: &str) -> anyhow::Result<()> {
    let document =
        std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
    let day = chrono::Utc::now().format("%Y-%m-%d");
    let text = format!("Measured on {day}: {}.\n\n{tables}", machine());
    let document = between_marks(&document, &text)
        .with_context(|| format!("{} has no {BEGIN} … {END}", file.display()))?;
    std::fs::write(file, document).with_context(|| format!("cannot write {}", file.display()))
}

/// The document with what lies between its marks replaced; none without marks.
fn between_marks(document: &str, text: &str) -> Option<String> {
    let (before, rest) = document.split_once(BEGIN)?;
    let (_, after) = rest.split_once(END)?;
    Some(format!("{before}{BEGIN}\n{text}{END}{after}"))
}

/// The machine in a few words.
fn machine() -> String {
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let of = |file: &str, key: &str| {
        let text = std::fs::read_to_string(file).ok()?;
        let line = text.lines().find(|line| line.starts_with(key))?.to_owned();
        Some(line.split_once(':')?.1.trim().to_owned())
    };
    let model = of("/proc/cpuinfo", "model name").unwrap_or_else(|| std::env::consts::ARCH.into());
    let memory = of("/proc/meminfo", "MemTotal")
        .and_then(|text| text.split(' ').next()?.parse::<u64>().ok())
        .map_or_else(String::new, |kb| {
            format!(", {} GB of memory", kb / 1_000_000)
        });
    format!("{cores} cores ({model}){memory}, {}", std::env::consts::OS)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::budget::Row;

    fn trial(ratio: f64) -> Trial {
        Trial {
            values: vec![ratio],
            sides: Some([format!("{ratio}/s"), "1/s".to_owned()]),
            used: vec![Used {
                process: "collector".to_owned(),
                cores: 0.5,
                peak_mb: Some(12.4),
            }],
            void: Vec::new(),
        }
    }

    fn result(ratios: &[f64]) -> Result {
        Result {
            budget: Row::Event64.budget(),
            trials: ratios.iter().copied().map(trial).collect(),
        }
    }

    #[test]
    fn the_median_trial_is_shown_with_all_that_belongs_to_it() {
        let result = result(&[0.95, 0.1, 0.7]);
        assert_eq!(result.median(), Some(&trial(0.7)));
        assert_eq!(result.verdicts(), [Verdict::Met]);
        assert!(!result.failed(true));
        let text = markdown(&[result]);
        let row = "| ≥ 0.60 | ≥ 0.90 | 0.7/s | 1/s | 0.70 (0.10 to 0.95) | met |";
        assert!(text.contains(row), "{text}");
        assert!(text.contains("| event-64 | collector | 0.50 | 12 MB |"));
    }

    #[test]
    fn a_miss_counts_where_it_is_judged_and_a_void_trial_always() {
        let mut result = result(&[0.1]);
        assert!(result.failed(true));
        assert!(!result.failed(false));
        result.trials[0]
            .void
            .push("3 came from the spool".to_owned());
        assert!(result.failed(false));
        assert!(markdown(&[result]).contains("**void**"));
    }

    /// A row with two criteria: a ratio and a time, of which less is better.
    #[test]
    fn each_figure_is_the_median_of_its_own_trials() {
        let mut result = Result {
            budget: Row::Event1024.budget(),
            trials: vec![trial(0.4), trial(0.3), trial(0.5)],
        };
        for (trial, ms) in result.trials.iter_mut().zip([90.0, 40.0, 45.0]) {
            trial.values.push(ms);
        }
        let shown = |result: &Result| {
            let both = result.figures().into_iter().zip(result.budget.criteria);
            both.map(|(figure, criterion)| figure.show(criterion))
                .collect::<Vec<_>>()
        };
        let p99 = "45.0 ms (90.0 ms to 40.0 ms)";
        assert_eq!(shown(&result), ["0.40 (0.30 to 0.50)", p99]);
        assert_eq!(result.verdicts(), [Verdict::Met, Verdict::Aim]);
        result.trials[1].values.pop();
        assert!(shown(&result)[1].starts_with("90.0 ms"), "one is missing");
        assert_eq!(result.verdicts()[1], Verdict::Missed);
        result.trials.pop();
        assert!(result.figures()[1].median.is_nan(), "the worse of two");
        assert_eq!(result.verdicts()[1], Verdict::Missed);
    }

    #[test]
    fn nothing_measured_is_nothing_reached() {
        assert!(result(&[]).failed(true));
    }

    #[test]
    fn a_document_keeps_what_is_outside_its_marks() {
        let document = format!("# A\n{BEGIN}\nold\n{END}\nend\n");
        let new = between_marks(&document, "new\n").unwrap();
        assert_eq!(new, format!("# A\n{BEGIN}\nnew\n{END}\nend\n"));
        assert_eq!(between_marks("no marks", "x"), None);
    }
}
