//! What the consumer can be told to do, as the command line says it.

use crate::settings::SetupSettings;
use chrono::{DateTime, Utc};
use clap::{Args, Subcommand};
use domain::LastSeen;
use std::path::PathBuf;

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Read and write until told to stop (what happens without a verb).
    Run,
    /// Create the topic and the tables, or bring them up to date; safe to repeat.
    Setup(SetupSettings),
    /// Look at the stored offsets, or move them.
    Offsets {
        #[command(subcommand)]
        verb: OffsetsVerb,
    },
    /// Read a time's records once more; changes nothing for what is stored.
    Replay(Replay),
    /// Look at the messages that could not become rows, and send them again.
    Rejects {
        #[command(subcommand)]
        verb: RejectsVerb,
    },
}

/// What to do with the offsets.
#[derive(Debug, Subcommand)]
pub enum OffsetsVerb {
    /// Per partition: what Kafka has, what is stored, the lag, and who holds the lease.
    Show,
    /// Say where to read on; shows what will happen and asks before it does it.
    Reset(Reset),
}

/// Which partition is to be read from where.
#[derive(Debug, Clone, Args)]
pub struct Reset {
    /// The partition's number, or `all`.
    #[arg(long, value_name = "N|all")]
    pub partition: Which,
    /// `beginning` (the first record Kafka still has), `end` (only what comes from now on), or an offset.
    #[arg(long, value_name = "OFFSET|beginning|end")]
    pub to: To,
    /// The topic was created anew, or this is another cluster: its records were never read, whatever
    /// their offsets. Partitions that it does not have any more are given up.
    #[arg(long)]
    pub recreated: bool,
    #[command(flatten)]
    pub consent: Consent,
}

/// Which time is to be read again.
#[derive(Debug, Clone, Args)]
pub struct Replay {
    /// The time from which on, as in 2026-03-15T12:00:00Z: that at which Kafka took the records.
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub from: DateTime<Utc>,
    /// The time up to which, not itself included. Partitions without a record between the two stay where
    /// they are; the others read on from there to the present, which is what one offset for each can say.
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub to: Option<DateTime<Utc>>,
    /// The partition's number, or `all`.
    #[arg(long, value_name = "N|all", default_value = "all")]
    pub partition: Which,
    #[command(flatten)]
    pub consent: Consent,
}

/// Whether to do what was shown.
#[derive(Debug, Clone, Copy, Default, Args)]
pub struct Consent {
    /// Only show what would happen.
    #[arg(long, conflicts_with = "yes")]
    pub dry_run: bool,
    /// Do it without asking.
    #[arg(long)]
    pub yes: bool,
}

/// What to do with the rejects.
#[derive(Debug, Subcommand)]
pub enum RejectsVerb {
    /// The rejects, the newest first.
    List(RejectsList),
    /// One reject: its reason, its bytes, and what was done with it.
    Show {
        /// Where it lies.
        #[arg(value_name = "PARTITION/OFFSET")]
        place: Place,
        /// Print a JSON object.
        #[arg(long)]
        json: bool,
    },
    /// Send rejects to the topic again, as they came or mended; each becomes one row, however often it is sent.
    Redrive(Redrive),
    /// Leave rejects as they are, on purpose.
    Dismiss {
        #[command(flatten)]
        chosen: Chosen,
        /// Why; it stands in the audit.
        #[arg(long, value_name = "TEXT")]
        note: Option<String>,
    },
}

/// Which rejects to list.
#[derive(Debug, Clone, Args)]
pub struct RejectsList {
    /// Only those with this reason's code, such as `not_json`.
    #[arg(long, value_name = "CODE")]
    pub code: Option<String>,
    /// Only those rejected at or after this time, as in 2026-03-15T12:00:00Z.
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub since: Option<DateTime<Utc>>,
    /// Also those that were redriven or dismissed.
    #[arg(long)]
    pub all: bool,
    /// The most lines.
    #[arg(long, value_name = "N", default_value_t = 50)]
    pub limit: u32,
    /// Print a JSON object for each.
    #[arg(long)]
    pub json: bool,
}

/// What to send again.
#[derive(Debug, Clone, Args)]
pub struct Redrive {
    #[command(flatten)]
    pub chosen: Chosen,
    /// The mended message; `-` reads it from the standard input.
    #[arg(long, value_name = "FILE|-", conflicts_with = "code")]
    pub value: Option<PathBuf>,
    /// Why, or what was mended; it stands in the audit.
    #[arg(long, value_name = "TEXT")]
    pub note: Option<String>,
    /// Only show what would be sent.
    #[arg(long)]
    pub dry_run: bool,
}

/// One reject, or all of a kind that nothing was done with yet.
#[derive(Debug, Clone, Args)]
#[group(required = true, multiple = false)]
pub struct Chosen {
    /// Where it lies.
    #[arg(value_name = "PARTITION/OFFSET")]
    pub place: Option<Place>,
    /// All that nothing was done with yet, of this code.
    #[arg(long, value_name = "CODE")]
    pub code: Option<String>,
}

/// One partition or all of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Which {
    All,
    One(i32),
}

/// A place in a partition, as an operator says it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum To {
    Beginning,
    End,
    Offset(i64),
}

/// Where a record lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// The partition.
    pub partition: i32,
    /// The record's offset.
    pub offset: LastSeen,
}

impl Which {
    /// Whether this partition is meant.
    pub fn is(self, partition: i32) -> bool {
        match self {
            Self::All => true,
            Self::One(one) => one == partition,
        }
    }
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.partition, self.offset)
    }
}

impl std::str::FromStr for Which {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "all" => Ok(Self::All),
            number => match number.parse() {
                Ok(number) if number >= 0 => Ok(Self::One(number)),
                _ => Err("expected a partition's number, or all".to_owned()),
            },
        }
    }
}

impl std::str::FromStr for To {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "beginning" => Ok(Self::Beginning),
            "end" => Ok(Self::End),
            number => match number.parse() {
                Ok(number) if number >= 0 => Ok(Self::Offset(number)),
                _ => Err("expected an offset, beginning or end".to_owned()),
            },
        }
    }
}

impl std::str::FromStr for Place {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let parsed = text.split_once('/').and_then(|(partition, offset)| {
            let (partition, offset) = (partition.parse().ok()?, offset.parse().ok()?);
            (partition >= 0 && offset >= 0).then_some(Self {
                partition,
                offset: LastSeen(offset),
            })
        });
        parsed.ok_or_else(|| "expected a partition and an offset, as in 3/17".to_owned())
    }
}

/// A time as people write it to machines.
fn time(text: &str) -> Result<DateTime<Utc>, String> {
    match DateTime::parse_from_rfc3339(text) {
        Ok(time) => Ok(time.with_timezone(&Utc)),
        Err(_) => Err("expected a time with its zone, as in 2026-03-15T12:00:00Z".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::Cli;
    use clap::Parser as _;
    use rstest::rstest;

    fn parse(line: &str) -> Result<Option<Verb>, clap::Error> {
        Cli::try_parse_from(line.split(' ')).map(|cli| cli.verb)
    }

    #[test]
    fn no_verb_means_run_and_a_reset_does_nothing_unasked() {
        assert!(parse("consumer").unwrap().is_none());
        let line = "consumer offsets reset --partition all --to beginning --recreated";
        let Some(Verb::Offsets {
            verb: OffsetsVerb::Reset(reset),
        }) = parse(line).unwrap()
        else {
            panic!("not a reset");
        };
        assert_eq!((reset.partition, reset.to), (Which::All, To::Beginning));
        assert!(reset.recreated && !reset.consent.yes);
    }

    #[rstest]
    #[case::a_negative_offset("offsets reset --partition 0 --to=-5")]
    #[case::both_consents("offsets reset --partition 0 --to end --yes --dry-run")]
    #[case::a_replay_without_a_time("replay --yes")]
    #[case::a_time_without_a_zone("replay --from 2026-03-15T12:00:00")]
    #[case::a_place_without_an_offset("rejects show 3")]
    #[case::a_negative_place("rejects show 3/-1")]
    #[case::nothing_to_redrive("rejects redrive")]
    #[case::two_things_to_redrive("rejects redrive 3/17 --code field")]
    #[case::one_value_for_many("rejects redrive --code field --value x")]
    #[case::nothing_to_dismiss("rejects dismiss")]
    fn a_line_that_cannot_be_meant_is_refused(#[case] line: &str) {
        assert!(parse(&format!("consumer {line}")).is_err());
    }

    #[rstest]
    #[case("offsets show")]
    #[case("replay --from 2026-03-15T12:00:00Z --to 2026-03-15T14:00:00+01:00 --dry-run")]
    #[case("rejects list --code field --since 2026-03-15T12:00:00Z --all --limit 3 --json")]
    #[case("rejects show 3/17 --json")]
    #[case("rejects redrive 3/17 --value - --note mended --dry-run")]
    #[case("rejects redrive --code field")]
    #[case("rejects dismiss 3/17 --note noise")]
    fn a_line_of_the_handbook_is_understood(#[case] line: &str) {
        parse(&format!("consumer {line}")).unwrap();
    }

    #[test]
    fn a_place_is_read_as_it_is_written() {
        let place: Place = "3/17".parse().unwrap();
        assert_eq!((place.partition, place.offset), (3, LastSeen(17)));
        assert_eq!(place.to_string(), "3/17");
    }
}
