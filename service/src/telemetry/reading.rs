//! Reads what `/metrics` shows, for programs and tests that ask a process.

/// The sum of a metric over all series that have these labels, each as `name="value"`; 0 when there are none.
pub fn sum(text: &str, name: &str, labels: &[&str]) -> f64 {
    let values = text.lines().filter_map(|line| {
        let (series, value) = line.rsplit_once(' ')?;
        let of = series.strip_prefix(name)?;
        let fits = of.is_empty() || of.starts_with('{');
        let chosen = fits && labels.iter().all(|label| of.contains(label));
        value.parse::<f64>().ok().filter(|_| chosen)
    });
    values.sum()
}

/// Name and kind of every metric that is shown.
pub fn shown(text: &str) -> impl Iterator<Item = (&str, &str)> {
    text.lines()
        .filter_map(|line| line.strip_prefix("# TYPE ")?.split_once(' '))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    const TEXT: &str = "# HELP a_total x\n# TYPE a_total counter\na_total{s=\"1\",r=\"x\"} 2\n\
                        a_total{s=\"2 3\"} 3\na_total_b 5\nb 7\n";

    #[rstest]
    #[case("a_total", &[], 5.0)]
    #[case("a_total", &["s=\"1\""], 2.0)]
    #[case("a_total", &["s=\"1\"", "r=\"y\""], 0.0)]
    #[case("b", &[], 7.0)]
    #[case("c", &[], 0.0)]
    fn all_series_with_the_labels_are_summed(
        #[case] name: &str,
        #[case] labels: &[&str],
        #[case] wanted: f64,
    ) {
        assert!((sum(TEXT, name, labels) - wanted).abs() < f64::EPSILON);
    }

    #[test]
    fn what_is_shown_has_a_kind() {
        assert_eq!(shown(TEXT).collect::<Vec<_>>(), [("a_total", "counter")]);
    }
}
