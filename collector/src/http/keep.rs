//! From a draft to the answer's facts: where the event lies and, for a client that asks
//! `?wait=stored`, whether it is a row.

use crate::accept::count_invalid;
use crate::enrich::{Stamp, enrich};
use crate::stored::Waited;
use crate::{AcceptError, Accepted, Collector, Draft};
use axum::http::Uri;
use chrono::Utc;
use domain::Reject;
use domain::receipt::{Place, Receipt};
use serde::Serialize;
use serde_json::value::RawValue;
use std::time::Duration;
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

/// How long a client that wants a row waits at most.
const WAIT_MAX: Duration = Duration::from_secs(2);

/// Whether the answer comes with the acknowledgement or with the row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wait {
    Acknowledged,
    Stored,
}

impl Wait {
    /// Reads `?wait=stored`; anything else is not ours to judge.
    pub fn of(uri: &Uri) -> Self {
        let stored = uri
            .query()
            .is_some_and(|query| query.split('&').any(|pair| pair == "wait=stored"));
        if stored {
            Self::Stored
        } else {
            Self::Acknowledged
        }
    }
}

/// The query that every address of events knows, as the description tells it; [`Wait::of`] reads it.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "only its shape is used")]
pub(super) struct Waiting {
    /// `stored`: answer when the event is a row, after 2 s at most.
    wait: Option<String>,
}

/// What a client that waited is told besides the contract's own words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct Row {
    /// Whether the row is committed.
    #[schema(required = false)]
    pub stored: bool,
    /// Where the event lies in Kafka; null while it is on its way there from this collector's disk.
    pub partition: Option<i32>,
    /// Its place in the partition.
    pub offset: Option<i64>,
}

/// Keeps one event; with the row's state when that was asked for.
pub(crate) async fn one(
    collector: &Collector,
    draft: Draft,
    wait: Wait,
) -> Result<(Receipt, Option<Row>), AcceptError> {
    let receipt = collector.accept_one(draft).await?.receipt;
    let row = match wait {
        Wait::Acknowledged => None,
        Wait::Stored => Some(row(collector, &receipt).await),
    };
    Ok((receipt, row))
}

/// What became of one event of a batch: its id and its row's state, or why it was refused; with what its
/// reader wanted to remember.
pub(super) type Outcome<T> = (T, Result<(Uuid, Option<Row>), String>);

/// Keeps all events of a batch, or says why none was kept; their ids and their rows' states, in their order.
pub(super) async fn all(
    collector: &Collector,
    drafts: Vec<Draft>,
    wait: Wait,
) -> Result<Vec<(Uuid, Option<Row>)>, AcceptError> {
    let accepted = collector.accept(drafts).await?;
    let rows = rows(collector, &accepted, wait).await;
    let ids = accepted.iter().map(|one| one.receipt.event_id);
    Ok(ids.zip(rows).collect())
}

/// Keeps the good events of a batch, and says of each what became of it, in their order.
///
/// `read` makes a draft of one, or says what is wrong; `names` are the client's names of our fields. An
/// error concerns the whole batch.
pub(super) async fn batch<T>(
    collector: &Collector,
    events: &[&RawValue],
    read: impl Fn(&RawValue) -> (T, Result<Draft, String>),
    names: &[(&str, &str)],
    wait: Wait,
) -> Result<Vec<Outcome<T>>, AcceptError> {
    let mut drafts: Vec<_> = events.iter().map(|event| read(event)).collect();
    let mut accepted = collector.accept(good(&mut drafts)).await;
    if matches!(accepted, Err(AcceptError::Invalid(_))) {
        // Nothing was produced. Which events break a rule is found out one by one, and only then.
        let judged = |event: &&RawValue| {
            let (memo, draft) = read(event);
            (
                memo,
                draft.and_then(|draft| checked(collector, draft, names)),
            )
        };
        drafts = events.iter().map(judged).collect();
        accepted = collector.accept(good(&mut drafts)).await;
    }
    count_invalid(drafts.iter().filter(|(_, draft)| draft.is_err()).count());
    let accepted = accepted?;
    let rows = rows(collector, &accepted, wait).await;
    let mut kept = accepted.iter().zip(rows);
    let outcome = |(memo, draft): (T, Result<Draft, String>)| {
        let kept = draft.and_then(|_| {
            let (one, row) = kept.next().ok_or("was not kept")?;
            Ok((one.receipt.event_id, row))
        });
        (memo, kept)
    };
    Ok(drafts.into_iter().map(outcome).collect())
}

/// The good drafts, taken out of the list, which still tells where they stood.
fn good<T>(drafts: &mut [(T, Result<Draft, String>)]) -> Vec<Draft> {
    let good = drafts
        .iter_mut()
        .filter_map(|(_, draft)| draft.as_mut().ok());
    good.map(std::mem::take).collect()
}

/// A draft that breaks none of the rules that the collector would apply to it.
fn checked(collector: &Collector, draft: Draft, names: &[(&str, &str)]) -> Result<Draft, String> {
    let stamp = Stamp {
        received_at: Utc::now(),
        boot: collector.boot(),
        fresh_id: Uuid::nil(),
        truncate_ip: collector.truncates_ip(),
    };
    match enrich(draft.clone(), stamp) {
        Ok(_) => Ok(draft),
        Err(reject) => Err(reason(&reject, names)),
    }
}

/// The state of each event's row, in their order, when that was asked for.
async fn rows(collector: &Collector, accepted: &[Accepted], wait: Wait) -> Vec<Option<Row>> {
    if wait == Wait::Acknowledged {
        return vec![None; accepted.len()];
    }
    let waits = accepted
        .iter()
        .map(|one| async { Some(row(collector, &one.receipt).await) });
    futures::future::join_all(waits).await
}

async fn row(collector: &Collector, receipt: &Receipt) -> Row {
    let waited = collector.wait_stored(receipt, WAIT_MAX).await;
    let place = match receipt.place {
        Place::Spool => collector.place_of(receipt.event_id),
        at @ Place::Kafka { .. } => Some(at),
    };
    let (partition, offset) = match place {
        Some(Place::Kafka { partition, offset }) => (Some(partition), Some(offset)),
        Some(Place::Spool) | None => (None, None),
    };
    Row {
        stored: waited == Waited::Stored,
        partition,
        offset,
    }
}

/// Why an event was refused, with the fields named as the client knows them.
pub(super) fn reason(reject: &Reject, names: &[(&str, &str)]) -> String {
    match reject {
        Reject::Field { field, problem } => {
            let theirs = names.iter().find(|(ours, _)| ours == field);
            format!("{}: {problem}", theirs.map_or(*field, |(_, theirs)| theirs))
        }
        other => other.to_string(),
    }
}

/// A text that was given; these clients write an empty one for none.
pub(super) fn given(text: Option<String>) -> Option<String> {
    text.filter(|text| !text.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("/event", Wait::Acknowledged)]
    #[case("/event?wait=stored", Wait::Stored)]
    #[case("/event?a=b&wait=stored&c", Wait::Stored)]
    #[case("/event?wait=storedx", Wait::Acknowledged)]
    #[case("/event?nowait=stored", Wait::Acknowledged)]
    fn a_client_waits_when_it_asks_for_it(#[case] address: &str, #[case] wait: Wait) {
        assert_eq!(Wait::of(&address.parse().unwrap()), wait);
    }

    #[test]
    fn a_reason_names_the_clients_own_field() {
        let names = [("username", "user_id")];
        let long = |field| Reject::Field {
            field,
            problem: "is too long".into(),
        };
        assert_eq!(reason(&long("username"), &names), "user_id: is too long");
        assert_eq!(reason(&long("url"), &names), "url: is too long");
        assert_eq!(reason(&Reject::Empty, &names), "the message is empty");
    }
}
