//! Looks around every few seconds: how far Kafka's ends are, whether a lease was moved by an operator or
//! another holder, and whether both sides can be reached.

use crate::acquire::{self, ANSWER};
use crate::board::Shared;
use crate::partition::Event;
use crate::session::Report;
use crate::source::Client;
use rdkafka::consumer::Consumer;
use std::sync::Arc;
use std::sync::mpsc::Sender;
use std::time::Duration;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

/// How often.
const EVERY: Duration = Duration::from_secs(3);

/// Watches until `stop`.
pub async fn watch(
    shared: Arc<Shared>,
    client: Arc<Client>,
    sender: Sender<Report>,
    stop: CancellationToken,
) {
    let mut tick = tokio::time::interval(EVERY);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    while stop.run_until_cancelled(tick.tick()).await.is_some() {
        // Each look ends soon by itself, and the client must not be held beyond the session's end.
        tokio::join!(
            look_at_kafka(&shared, &client),
            look_at_leases(&shared, &sender)
        );
    }
}

/// Notes the end of each partition of ours.
async fn look_at_kafka(shared: &Shared, client: &Arc<Client>) {
    let mut answer = Ok(());
    for number in shared.board.views().into_keys() {
        match acquire::watermarks(client, &shared.topic, number).await {
            Ok(kafka) => shared.board.ends_at(number, kafka.high),
            Err(error) => {
                answer = Err(error);
                break;
            }
        }
    }
    if answer.is_err() || shared.board.views().is_empty() {
        // One leader that is away is no outage: the others take over.
        let topic = shared.topic.clone();
        answer = acquire::ask(client, move |client| {
            client.fetch_metadata(Some(&topic), ANSWER)
        })
        .await
        .map(drop);
    }
    match answer {
        Ok(()) => shared.kafka.back(),
        Err(error) => shared.kafka.missing(format!("{error:#}")),
    }
}

/// Reports each lease's epoch to the partition that it is about.
async fn look_at_leases(shared: &Shared, sender: &Sender<Report>) {
    match shared.store.leases(&shared.topic).await {
        Ok(rows) => {
            shared.postgres.back();
            for row in rows {
                let _ = sender.send(Report {
                    partition: row.partition,
                    generation: None,
                    event: Event::LeaseSeen {
                        epoch: row.lease.epoch,
                    },
                    wrote: false,
                });
            }
        }
        Err(error) => shared.postgres.missing(error),
    }
}
