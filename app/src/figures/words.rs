//! Numbers as people read them.

/// `1,234,567`.
pub fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// The number, or a dash for what nobody could tell.
pub fn count_or_dash(number: Option<u64>) -> String {
    number.map_or_else(|| "–".to_owned(), count)
}

/// A number of things: `1 event`, `2 events`.
pub fn many(number: u64, thing: &str) -> String {
    match number {
        1 => format!("1 {thing}"),
        _ => format!("{} {thing}s", count(number)),
    }
}

/// A time span in its two largest units: `0.4 s`, `12 s`, `3 min 20 s`, `6 d 23 h`.
pub fn span(seconds: f64) -> String {
    if seconds < 0.05 {
        return "0 s".to_owned();
    }
    if seconds < 9.95 {
        return format!("{seconds:.1} s");
    }
    let whole = whole(seconds);
    let (large, small, names) = match whole {
        0..60 => return format!("{whole} s"),
        60..3600 => (whole / 60, whole % 60, ("min", "s")),
        3600..86400 => (whole / 3600, whole % 3600 / 60, ("h", "min")),
        _ => (whole / 86400, whole % 86400 / 3600, ("d", "h")),
    };
    if small == 0 {
        format!("{large} {}", names.0)
    } else {
        format!("{large} {} {small} {}", names.0, names.1)
    }
}

/// A share of one in hundredths: `0 %`, `0.4 %`, `12 %`, `100 %`; what is neither none nor all never reads so.
pub fn percent(share: f64) -> String {
    let hundredths = share * 100.0;
    if share <= 0.0 {
        "0 %".to_owned()
    } else if hundredths < 9.95 {
        format!("{:.1} %", hundredths.max(0.1))
    } else if share < 1.0 {
        format!("{} %", whole(hundredths).min(99))
    } else {
        "100 %".to_owned()
    }
}

/// Things a second: `0`, `0.3`, `12`, `1,234`.
pub fn rate(per_second: f64) -> String {
    if per_second < 0.05 {
        "0".to_owned()
    } else if per_second < 9.95 {
        format!("{per_second:.1}")
    } else {
        count(whole(per_second))
    }
}

/// Bytes in the unit that fits: `0 B`, `12 KiB`, `1 GiB`.
pub fn bytes(number: u64) -> String {
    const UNITS: [&str; 5] = ["B", "KiB", "MiB", "GiB", "TiB"];
    let (mut left, mut unit) = (number, 0);
    // Whole units where they are, else at least four digits of the smaller one.
    while unit + 1 < UNITS.len() && (left >= 10 * 1024 || left >= 1024 && left.is_multiple_of(1024))
    {
        left /= 1024;
        unit += 1;
    }
    format!("{} {}", count(left), UNITS[unit])
}

/// A list of partitions or brokers: `0, 2 and 5`.
pub fn list(numbers: &[i32]) -> String {
    match numbers {
        [] => "none".to_owned(),
        [one] => one.to_string(),
        [first @ .., last] => {
            let first: Vec<_> = first.iter().map(ToString::to_string).collect();
            format!("{} and {last}", first.join(", "))
        }
    }
}

/// The nearest whole number; a figure that is none is 0.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "what does not fit is cut to what does, which no figure reaches"
)]
fn whole(number: f64) -> u64 {
    number.round().max(0.0) as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case(0, "0")]
    #[case(999, "999")]
    #[case(1000, "1,000")]
    #[case(1_234_567, "1,234,567")]
    fn a_count_has_its_thousands_apart(#[case] number: u64, #[case] text: &str) {
        assert_eq!(count(number), text);
    }

    #[rstest]
    #[case(0.0, "0 s")]
    #[case(0.44, "0.4 s")]
    #[case(9.94, "9.9 s")]
    #[case(9.96, "10 s")]
    #[case(59.4, "59 s")]
    #[case(60.0, "1 min")]
    #[case(200.0, "3 min 20 s")]
    #[case(3_600.0, "1 h")]
    #[case(603_000.0, "6 d 23 h")]
    fn a_span_has_its_two_largest_units(#[case] seconds: f64, #[case] text: &str) {
        assert_eq!(span(seconds), text);
    }

    #[rstest]
    #[case(0.0, "0 %")]
    #[case(0.0001, "0.1 %")]
    #[case(0.034, "3.4 %")]
    #[case(0.1249, "12 %")]
    #[case(0.9999, "99 %")]
    #[case(1.0, "100 %")]
    fn a_share_is_in_hundredths(#[case] share: f64, #[case] text: &str) {
        assert_eq!(percent(share), text);
    }

    #[rstest]
    #[case(0.01, "0")]
    #[case(0.34, "0.3")]
    #[case(12.4, "12")]
    #[case(1234.4, "1,234")]
    fn a_rate_is_as_exact_as_it_is_small(#[case] per_second: f64, #[case] text: &str) {
        assert_eq!(rate(per_second), text);
    }

    #[rstest]
    #[case(0, "0 B")]
    #[case(1024, "1 KiB")]
    #[case(2000, "2,000 B")]
    #[case(20_000, "19 KiB")]
    #[case(1 << 30, "1 GiB")]
    #[case(3 << 40, "3 TiB")]
    #[case(u64::MAX, "16,777,215 TiB")]
    fn bytes_have_a_unit_that_fits(#[case] number: u64, #[case] text: &str) {
        assert_eq!(bytes(number), text);
    }

    #[rstest]
    #[case(&[], "none")]
    #[case(&[4], "4")]
    #[case(&[0, 2, 5], "0, 2 and 5")]
    fn a_list_reads_like_a_sentence(#[case] numbers: &[i32], #[case] text: &str) {
        assert_eq!(list(numbers), text);
    }
}
