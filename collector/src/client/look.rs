//! Whether the topic could take a message now, as a broker has it.

use super::Sender;
use rdkafka::error::RDKafkaErrorCode;
use rdkafka::metadata::MetadataPartition;
use rdkafka::producer::Producer as _;
use std::time::Duration;

/// `min.insync.replicas` of our topic (`consumer setup` makes it so); metadata doesn't tell it.
const MIN_IN_SYNC: usize = 2;

/// How many partitions the topic has, and what is wrong with them.
pub(super) type Seen = (usize, Result<(), String>);

/// Asks a broker about the topic. Blocks for at most `timeout`.
///
/// # Errors
/// No broker has answered, or none knows the topic.
pub(super) fn ask(sender: &Sender, name: &str, timeout: Duration) -> Result<Seen, String> {
    let metadata = sender
        .client()
        .fetch_metadata(Some(name), timeout)
        .map_err(|error| error.to_string())?;
    let topic = metadata
        .topics()
        .iter()
        .find(|topic| topic.name() == name)
        .ok_or_else(|| format!("no broker knows the topic {name}"))?;
    if let Some(error) = topic.error() {
        let why = RDKafkaErrorCode::from(error);
        return Err(format!("the topic {name}: {why}"));
    }
    let of = topic.partitions().len();
    let count = |fault: fn(&MetadataPartition) -> bool| {
        topic.partitions().iter().filter(|p| fault(p)).count()
    };
    let verdict = match (count(has_no_leader), count(lacks_replicas)) {
        (0, 0) => Ok(()),
        (0, lacking) => Err(format!(
            "{lacking} of {of} partitions have fewer than {MIN_IN_SYNC} replicas in sync"
        )),
        (leaderless, _) => Err(format!("{leaderless} of {of} partitions have no leader")),
    };
    Ok((of, verdict))
}

fn has_no_leader(partition: &MetadataPartition) -> bool {
    partition.leader() < 0
}

/// Whether too few replicas are in sync; a topic with a single replica has enough with that one.
fn lacks_replicas(partition: &MetadataPartition) -> bool {
    partition.isr().len() < partition.replicas().len().min(MIN_IN_SYNC)
}
