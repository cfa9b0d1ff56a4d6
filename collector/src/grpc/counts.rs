//! `clickCountApp.ClickCountApp`: the counters for clients that exchange counts. An increase is an event, kept
//! like any other; when it is not known whether it was, the next call brings it again under the same id, so
//! that it counts once.

use super::base::{Base, TooMany};
use super::proto::click_count_app::click_count_app_server::ClickCountApp;
use super::proto::click_count_app::{
    ClickCounts, GetClicksRequest, GetClicksResponse, SetClicksRequest, SetClicksResponse,
};
use super::{Port, status, unavailable};
use crate::{Clicks, Collector, Counter, Draft};
use domain::Source;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Mutex;
use tonic::{Request, Response, Status};
use uuid::Uuid;

/// How soon to come again for totals that are not known.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// The most clicks that an event can stand for.
const MOST_OF_AN_EVENT: u64 = i32::MAX as u64;

/// Counts clicks.
pub(super) struct Counts(pub Port);

/// One connection's place here. Its calls are served one after the other.
#[derive(Debug, Clone, Default)]
pub(super) struct Seat {
    peer: Option<IpAddr>,
    open: Arc<Mutex<Open>>,
}

impl Seat {
    /// The place of a connection to this address; none of one that is gone already.
    pub fn new(peer: Option<IpAddr>) -> Self {
        Self {
            peer,
            open: Arc::default(),
        }
    }

    /// The other end of the connection.
    pub const fn peer(&self) -> Option<IpAddr> {
        self.peer
    }
}

/// What is between us and one client.
#[derive(Debug, Default)]
struct Open {
    base: Base,
    /// Increases that the base has and that nobody has tried to keep.
    waiting: Clicks,
    /// Those of which it is not known whether they are kept.
    unsure: Vec<Draft>,
}

#[tonic::async_trait]
impl ClickCountApp for Counts {
    async fn get_clicks(
        &self,
        request: Request<GetClicksRequest>,
    ) -> Result<Response<GetClicksResponse>, Status> {
        let seat = seat(&request)?;
        let mut open = seat.open.lock().await;
        let totals = self
            .0
            .collector
            .clicks()
            .ok_or_else(|| unavailable(RETRY_AFTER))?;
        open.base.given(totals);
        Ok(Response::new(GetClicksResponse {
            click_counts: Some(counts(totals)),
        }))
    }

    async fn set_clicks(
        &self,
        request: Request<SetClicksRequest>,
    ) -> Result<Response<SetClicksResponse>, Status> {
        let seat = seat(&request)?;
        let mut open = seat.open.lock().await;
        // Before anything can refuse the call: the client may ask for the totals next, and take them for its own.
        if let Some(counts) = request.get_ref().click_counts {
            let increase = open.base.set(clicks(counts)).map_err(too_many)?;
            open.waiting += increase;
        }
        self.0.one_more(&request)?;
        while open.has_more() {
            open.settle(&self.0.collector).await?;
        }
        Ok(Response::new(SetClicksResponse {}))
    }
}

impl Open {
    /// Whether there is something to keep.
    fn has_more(&self) -> bool {
        !self.unsure.is_empty() || self.waiting != Clicks::default()
    }

    /// Keeps what is not known to be kept, or else what waits. May be dropped at any time: what was tried is then
    /// still not known to be kept.
    async fn settle(&mut self, collector: &Collector) -> Result<(), Status> {
        if self.unsure.is_empty() {
            let some = self.waiting.at_most(MOST_OF_AN_EVENT);
            self.waiting = self.waiting.above(some);
            self.unsure = drafts(some);
        }
        match collector.accept(self.unsure.clone()).await {
            Ok(_) => {
                self.unsure.clear();
                Ok(())
            }
            Err(error) => Err(status(&error, ToString::to_string)),
        }
    }
}

/// The events of an increase that is no more than [`MOST_OF_AN_EVENT`]: at most one for each counter.
fn drafts(increase: Clicks) -> Vec<Draft> {
    let draft = |counter: Counter| {
        let count = i32::try_from(increase.get(counter)).ok()?;
        (count > 0).then(|| Draft {
            event_id: Some(Uuid::now_v7()),
            client_id: true,
            event_type: counter.event_type().to_owned(),
            source: Source::Counter,
            count,
            ..Draft::default()
        })
    };
    Counter::ALL.into_iter().filter_map(draft).collect()
}

/// The place of the connection through which a request came.
fn seat<T>(request: &Request<T>) -> Result<Seat, Status> {
    let seat = request.extensions().get::<Seat>();
    // Each of our own connections has one.
    seat.cloned()
        .ok_or_else(|| Status::internal("the call came through no connection of ours"))
}

fn too_many(_: TooMany) -> Status {
    Status::invalid_argument(format!(
        "clickCounts: an increase of more than {} at once",
        i32::MAX
    ))
}

/// Their numbers; one below zero is none.
fn clicks(counts: ClickCounts) -> Clicks {
    let count = |number| u64::try_from(number).unwrap_or_default();
    Clicks {
        item: count(counts.item),
        add_to_cart: count(counts.add_to_cart),
        buy: count(counts.buy),
    }
}

fn counts(clicks: Clicks) -> ClickCounts {
    let number = |count| i64::try_from(count).unwrap_or(i64::MAX);
    ClickCounts {
        item: number(clicks.item),
        add_to_cart: number(clicks.add_to_cart),
        buy: number(clicks.buy),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_increase_is_one_event_with_its_count() {
        let increase = Clicks {
            item: 1000,
            add_to_cart: 0,
            buy: 1,
        };
        let drafts = drafts(increase);
        let said: Vec<_> = drafts
            .iter()
            .map(|draft| (draft.event_type.as_str(), draft.count, draft.source))
            .collect();
        let wanted = [
            ("item_click", 1000, Source::Counter),
            ("buy", 1, Source::Counter),
        ];
        assert_eq!(said, wanted);
        // Sent again, it is the same event; and without a username it is no row of clickstream_data.
        assert!(
            drafts
                .iter()
                .all(|d| d.client_id && d.event_id.is_some() && d.username.is_none())
        );
    }

    #[test]
    fn numbers_of_another_kind_do_no_harm() {
        let odd = ClickCounts {
            item: -5,
            add_to_cart: i64::MIN,
            buy: i64::MAX,
        };
        let read = clicks(odd);
        assert_eq!((read.item, read.add_to_cart), (0, 0));
        assert_eq!(counts(read).buy, i64::MAX);
        let endless = Clicks {
            item: u64::MAX,
            ..read
        };
        assert_eq!(counts(endless).item, i64::MAX);
    }
}
