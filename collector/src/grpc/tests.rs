//! Processes that count, and old clients that exchange counts with them over real connections.

use super::*;
use crate::counters::stage::{Process, Stage};
use crate::http::HttpSettings;
use crate::{Clicks, Draft};
use proto::click_count_app::click_count_app_client::ClickCountAppClient;
use proto::click_count_app::{ClickCounts, GetClicksRequest, SetClicksRequest};
use tonic::transport::{Channel, Endpoint};

/// A process, served over gRPC.
struct Served {
    process: Process,
    address: SocketAddr,
    _end: tokio_util::sync::DropGuard,
}

impl Served {
    async fn start(stage: &Stage) -> Self {
        let process = stage.process();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let end = CancellationToken::new();
        let senders = Senders::new(&HttpSettings::default());
        let port = Port::new(process.collector.clone(), senders, 100);
        tokio::spawn(serve(listener, port, end.clone()));
        process.shows_something().await;
        Self {
            process,
            address,
            _end: end.drop_guard(),
        }
    }
}

/// A program that counts by itself: once a second it tells its counts, and takes over what it is told.
struct OldClient {
    api: ClickCountAppClient<Channel>,
    counts: ClickCounts,
}

impl OldClient {
    async fn start(at: &Served) -> Self {
        let channel = Endpoint::from_shared(format!("http://{}", at.address)).unwrap();
        let mut client = Self {
            api: ClickCountAppClient::new(channel.connect().await.unwrap()),
            counts: ClickCounts::default(),
        };
        client.exchange().await;
        client
    }

    async fn set(&mut self, counts: Option<ClickCounts>) -> Result<(), Status> {
        let request = SetClicksRequest {
            click_counts: counts,
        };
        self.api.set_clicks(request).await.map(drop)
    }

    async fn exchange(&mut self) {
        self.set(Some(self.counts)).await.unwrap();
        let told = self.api.get_clicks(GetClicksRequest {}).await.unwrap();
        self.counts = told.into_inner().click_counts.unwrap();
    }
}

fn counts(item: i64) -> ClickCounts {
    ClickCounts {
        item,
        ..ClickCounts::default()
    }
}

fn items(item: u64) -> Clicks {
    Clicks {
        item,
        ..Clicks::default()
    }
}

#[tokio::test]
async fn old_clients_come_to_the_same_totals_and_one_that_begins_anew_takes_nothing_away() {
    let stage = Stage::open();
    let (first, second) = (Served::start(&stage).await, Served::start(&stage).await);
    let mut one = OldClient::start(&first).await;
    let mut two = OldClient::start(&second).await;
    // Once a second is their habit; as fast as they are answered is harder.
    for round in 0..50 {
        if round == 25 {
            one = OldClient::start(&first).await;
        }
        one.counts.item += 20;
        two.counts.item += 20;
        two.counts.buy += 1;
        one.exchange().await;
        two.exchange().await;
    }
    let all = Clicks {
        item: 2000,
        add_to_cart: 0,
        buy: 50,
    };
    first.process.shows(all).await;
    second.process.shows(all).await;
    // A third that has counted elsewhere, and a fresh one at each: nothing moves.
    let mut three = OldClient::start(&first).await;
    for client in [&mut one, &mut two, &mut three] {
        client.exchange().await;
        assert_eq!((client.counts.item, client.counts.buy), (2000, 50));
    }
    let events = stage.events();
    let of = |kind: &str| events.iter().filter(|e| e["type"] == kind).count();
    assert_eq!(
        (of("item_click"), of("buy")),
        (100, 50),
        "one event an increase"
    );
    assert!(events.iter().all(|event| event["source"] == "counter"));
}

#[tokio::test]
async fn within_two_seconds_all_show_the_sum_though_one_is_restarted_and_one_joins() {
    let stage = Stage::open();
    let click = || Draft {
        event_type: "item_click".into(),
        ..Draft::default()
    };
    let clicks = async |process: &Process, clicks: usize| {
        for _ in 0..clicks / 50 {
            let some = (0..50).map(|_| process.collector.accept_one(click()));
            for done in futures::future::join_all(some).await {
                done.unwrap();
            }
        }
    };
    let (mut one, two) = (stage.process(), stage.process());
    tokio::join!(clicks(&one, 500), clicks(&two, 500));
    // As a kill does it: nobody is asked to finish anything.
    one = stage.process();
    tokio::join!(clicks(&one, 500), clicks(&two, 500));
    let over = tokio::time::Instant::now();
    let fresh = stage.process();
    for process in [&one, &two, &fresh] {
        process.shows(items(2000)).await;
    }
    let took = over.elapsed();
    assert!(
        took < Duration::from_secs(2),
        "{took:?} after the last click"
    );
}

#[tokio::test]
async fn what_could_not_be_kept_comes_again_with_the_next_call_and_counts_once() {
    let stage = Stage::open();
    let served = Served::start(&stage).await;
    let mut client = OldClient::start(&served).await;
    stage.kafka.broker_down(1).unwrap();
    let refused = client.set(Some(counts(3))).await.unwrap_err();
    assert_eq!(refused.code(), Code::Unavailable);
    assert_eq!(
        refused.metadata().get("grpc-retry-pushback-ms").unwrap(),
        "2000"
    );
    // It takes over what it is told, and goes on counting from there.
    let told = client.api.get_clicks(GetClicksRequest {}).await.unwrap();
    assert_eq!(told.into_inner().click_counts, Some(counts(0)));
    let refused = client.set(Some(counts(2))).await.unwrap_err();
    assert_eq!(refused.code(), Code::Unavailable);
    stage.kafka.broker_up(1).unwrap();
    let started = tokio::time::Instant::now();
    while let Err(still) = client.set(Some(counts(2))).await {
        assert_eq!(still.code(), Code::Unavailable);
        assert!(started.elapsed() < Duration::from_secs(30), "{still}");
    }
    served.process.shows(items(5)).await;
}

#[tokio::test]
async fn odd_counts_do_no_harm() {
    let stage = Stage::open();
    let served = Served::start(&stage).await;
    let mut client = OldClient::start(&served).await;
    client.set(None).await.unwrap();
    client.set(Some(counts(-7))).await.unwrap();
    client.set(Some(counts(2))).await.unwrap();
    let refused = client.set(Some(counts(i64::MAX))).await.unwrap_err();
    assert_eq!(refused.code(), Code::InvalidArgument);
    client.set(None).await.unwrap();
    client.set(Some(counts(5))).await.unwrap();
    client.set(Some(counts(1))).await.unwrap();
    // Another process knows only of rows.
    stage.process().shows(items(5)).await;
    assert_eq!(stage.events().len(), 2, "2, and 3 more");
}
