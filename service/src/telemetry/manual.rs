//! The list of metrics that operators read is the list in the code: each crate's own test says so.

use super::metric::{Kind, Label, Metric};
use super::reading::shown;
use anyhow::Context as _;
use metrics::Unit;
use std::collections::BTreeSet;
use std::fmt::Write as _;

/// Where the lists are.
const MANUAL: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/operations.md");

/// For tests: fails when `docs/operations.md` does not have exactly these metrics between its marks for
/// them, and when one of their names does not say what it is. Every name begins with `of`.
pub fn check_manual(of: &str, metrics: &[Metric]) -> anyhow::Result<()> {
    let problems: Vec<String> = metrics.iter().flat_map(|m| misnomers(of, m)).collect();
    anyhow::ensure!(problems.is_empty(), "{}", problems.join("\n"));
    let wanted = table(metrics);
    anyhow::ensure!(
        section(&manual()?, of) == wanted.trim(),
        "in docs/operations.md, between the marks of metrics:{of}, should stand:\n{wanted}"
    );
    Ok(())
}

/// For tests: fails when a process does not show exactly the metrics of these sections of
/// `docs/operations.md`; `text` is what its `/metrics` answers.
pub fn check_shown(text: &str, sections: &[&str]) -> anyhow::Result<()> {
    let manual = manual()?;
    let listed = sections.iter().flat_map(|of| rows(section(&manual, of)));
    let (listed, shown): (BTreeSet<_>, BTreeSet<_>) = (listed.collect(), shown(text).collect());
    let differ: Vec<_> = listed.symmetric_difference(&shown).collect();
    anyhow::ensure!(
        differ.is_empty(),
        "shown and not listed in docs/operations.md, or the other way round: {differ:?}"
    );
    Ok(())
}

fn manual() -> anyhow::Result<String> {
    std::fs::read_to_string(MANUAL).context(MANUAL)
}

/// What stands between the marks of a section.
fn section<'a>(manual: &'a str, of: &str) -> &'a str {
    manual
        .split_once(&format!("<!-- metrics:{of}:begin -->"))
        .and_then(|(_, rest)| rest.split_once(&format!("<!-- metrics:{of}:end -->")))
        .map_or("", |(section, _)| section.trim())
}

/// Name and kind of every metric of a section.
fn rows(section: &str) -> impl Iterator<Item = (&str, &str)> {
    section.lines().filter_map(|row| {
        let (name, rest) = row.strip_prefix("| `")?.split_once("` | ")?;
        Some((name, rest.split_once(' ')?.0))
    })
}

/// The list as it should stand there.
fn table(metrics: &[Metric]) -> String {
    let mut text =
        String::from("| name | type | unit | labels | meaning |\n|---|---|---|---|---|\n");
    for metric in metrics {
        let labels: Vec<String> = metric.labels.iter().map(in_words).collect();
        let _ = writeln!(
            text,
            "| `{}` | {} | {} | {} | {} |",
            metric.name,
            metric.kind.as_str(),
            metric.unit.as_str(),
            labels.join("; "),
            metric.help
        );
    }
    text
}

fn in_words(label: &Label) -> String {
    match label.values {
        [] => format!("`{}`", label.name),
        values => format!("`{}`: {}", label.name, values.join(", ")),
    }
}

/// Why a metric's name does not say what it is.
fn misnomers(of: &str, metric: &Metric) -> Vec<String> {
    let name = metric.name;
    let measured = name.strip_suffix("_total").unwrap_or(name);
    let counts = measured.len() < name.len();
    let ends = |end| measured.ends_with(end);
    let rules = [
        (
            name.starts_with(&format!("{of}_")),
            "does not begin with its section",
        ),
        (
            counts == (metric.kind == Kind::Counter),
            "ends in _total, or not, against its kind",
        ),
        (
            ends("_seconds") == (metric.unit == Unit::Seconds),
            "ends in _seconds, or not, against its unit",
        ),
        (
            ends("_bytes") == (metric.unit == Unit::Bytes),
            "ends in _bytes, or not, against its unit",
        ),
        (
            !metric.help.contains(['|', '\n']),
            "has a help that is no cell",
        ),
    ];
    rules
        .into_iter()
        .filter(|(kept, _)| !kept)
        .map(|(_, problem)| format!("{name} {problem}"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    const SECTIONS: [&str; 4] = ["service", "shop", "collector", "consumer"];

    #[rstest]
    #[case(Metric::counter("a_kept_events_total", Unit::Count, ""), true)]
    #[case(Metric::counter("a_kept_events", Unit::Count, ""), false)]
    #[case(Metric::counter("b_kept_events_total", Unit::Count, ""), false)]
    #[case(Metric::counter("a_sent_bytes_total", Unit::Bytes, ""), true)]
    #[case(Metric::gauge("a_wait_seconds", Unit::Seconds, ""), true)]
    #[case(Metric::gauge("a_wait", Unit::Seconds, ""), false)]
    #[case(Metric::gauge("a_wait_seconds", Unit::Count, ""), false)]
    #[case(Metric::gauge("a_kept_total", Unit::Count, ""), false)]
    #[case(Metric::histogram("a_disk", Unit::Bytes, ""), false)]
    #[case(Metric::histogram("a_disk_bytes", Unit::Bytes, "this | that"), false)]
    fn a_name_says_the_kind_and_the_unit(#[case] metric: Metric, #[case] good: bool) {
        assert_eq!(misnomers("a", &metric).is_empty(), good, "{}", metric.name);
    }

    #[test]
    fn a_metric_is_a_row_with_all_that_is_declared() {
        const LABELS: &[Label] = &[
            Label {
                name: "source",
                values: &["shop", "track"],
            },
            Label {
                name: "partition",
                values: &[],
            },
        ];
        let metric = Metric::counter("a_kept_events_total", Unit::Count, "What was kept");
        assert_eq!(
            table(&[metric.by(LABELS)]).lines().last(),
            Some(
                "| `a_kept_events_total` | counter | count | `source`: shop, track; `partition` | What was kept |"
            )
        );
        let refused = check_manual("a", &[metric]).unwrap_err().to_string();
        assert!(refused.contains("`a_kept_events_total`"), "{refused}");
    }

    #[test]
    fn what_an_alert_asks_for_is_a_metric() {
        let manual = manual().unwrap();
        let listed: BTreeSet<&str> = SECTIONS
            .iter()
            .flat_map(|of| rows(section(&manual, of)))
            .map(|(name, _)| name)
            .collect();
        let words = manual.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
        let named: BTreeSet<&str> = words
            .filter(|word| {
                let of = word.split_once('_').map(|(of, _)| of);
                of.is_some_and(|of| SECTIONS.contains(&of))
            })
            .map(|word| {
                let of = |end: &&str| word.strip_suffix(*end);
                ["_bucket", "_count"].iter().find_map(of).unwrap_or(word)
            })
            .collect();
        assert!(named.len() > 20, "{named:?}");
        let unknown: Vec<_> = named.difference(&listed).collect();
        assert!(unknown.is_empty(), "{unknown:?}");
    }

    #[test]
    fn a_process_shows_what_is_listed_and_nothing_else() {
        let good = "# TYPE service_part_ready gauge\n";
        check_shown(good, &["service"]).unwrap();
        assert!(check_shown("", &["service"]).is_err());
        assert!(check_shown("# TYPE service_part_ready counter\n", &["service"]).is_err());
        let more = format!("{good}# TYPE a_kept_events_total counter\n");
        assert!(check_shown(&more, &["service"]).is_err());
    }

    #[test]
    fn the_manual_has_every_metric_of_any_process() {
        check_manual("service", &super::super::METRICS).unwrap();
    }
}
