//! A large batch is written by COPY, and comes to exactly what the statement alone would have made of it.

use crate::support::*;
use chrono::TimeDelta;
use domain::report::{BootReport, CollectorReport, Placed, SpoolReport};
use domain::{Event, LastSeen, Source};
use serde_json::Value;
use sqlx::PgPool;
use store::{Batch, IngestError, Ingested, Lease, Store, StoreOptions};
use uuid::Uuid;

const SEEDS: u64 = 6;

const SAFARI: &str = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.5 Mobile/15E148 Safari/604.1";

/// A store that copies every batch, or none.
fn copies(pool: &PgPool, all: bool) -> Store {
    let options = StoreOptions {
        copy_from: if all { 1 } else { usize::MAX },
        ..StoreOptions::default()
    };
    connect(pool, &options)
}

/// How many rows came in groups: a copy gives all of its rows one time.
async fn copied(pool: &PgPool) -> i64 {
    let groups = "SELECT coalesce(sum(n), 0)::bigint FROM (
                      SELECT count(*) AS n FROM events GROUP BY stored_at HAVING count(*) > 1) AS g";
    number(pool, groups).await
}

/// Numbers that look random and are the same for each seed.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % sides
    }

    fn one_in(&mut self, sides: u64) -> bool {
        self.roll(sides) == 0
    }

    fn boot(&mut self) -> Option<Uuid> {
        [None, Some(BOOT), Some(Uuid::from_u128(9))][usize::try_from(self.roll(3)).unwrap()]
    }

    /// A person's, a program's, or that of somebody unknown.
    fn user_agent(&mut self) -> Option<String> {
        let all = [None, Some(""), Some("curl/8.7.1"), Some(SAFARI)];
        all[usize::try_from(self.roll(4)).unwrap()].map(str::to_owned)
    }

    /// An event that was never there, of any kind.
    fn event(&mut self, n: u32) -> Event {
        let mut event = if self.one_in(2) {
            cart_event(n)
        } else {
            page_view(n, "/")
        };
        // Scattered, so that the order of ids is not that of offsets.
        event.event_id = Uuid::from_u64_pair(self.roll(u64::MAX), u64::from(n));
        event.client_id = self.one_in(3);
        event.boot = self.boot();
        event.user_agent = self.user_agent();
        event.count = i32::try_from(1 + self.roll(3)).unwrap();
        event.occurred_at -= TimeDelta::milliseconds(i64::try_from(self.roll(200_000)).unwrap());
        if self.one_in(50) {
            event.occurred_at -= TimeDelta::days(400 * 365);
        }
        if self.one_in(5) {
            event.username = None;
        }
        if self.one_in(5) {
            event.choice = event.choice.map(|choice| domain::Choice {
                style: None,
                color: None,
                ..choice
            });
        }
        event
            .properties
            .insert("ü".into(), serde_json::json!([1.5, null, "x"]));
        event
    }

    /// The same event once more: the same acknowledgement, or a client's next try.
    fn again(&mut self, event: &Event) -> Event {
        let mut again = event.clone();
        if self.one_in(2) {
            again.received_at += TimeDelta::seconds(i64::try_from(self.roll(3)).unwrap());
            again.boot = self.boot();
        }
        if self.one_in(20) {
            again.client_id = !again.client_id;
        }
        again
    }

    fn report(&mut self) -> CollectorReport {
        let total = self.roll(100);
        CollectorReport {
            reporter: Uuid::from_u128(u128::from(self.roll(2))),
            reported_at: noon() + TimeDelta::seconds(i64::try_from(self.roll(100)).unwrap()),
            spool: self.one_in(2).then(|| SpoolReport {
                id: Uuid::from_u128(77),
                waiting_events: self.roll(9),
                waiting_bytes: self.roll(999),
            }),
            boots: vec![BootReport {
                boot: BOOT,
                acknowledged: [(Source::Shop, total)].into(),
                places: [(
                    0,
                    Placed {
                        events: total,
                        last: LastSeen(i64::try_from(self.roll(100)).unwrap()),
                    },
                )]
                .into(),
            }],
        }
    }

    /// What each batch brings; with `known`, also events of earlier batches.
    fn batches(&mut self) -> Vec<(i32, Vec<Event>, usize, Vec<CollectorReport>)> {
        let mut known: Vec<Event> = Vec::new();
        let mut n = 0;
        (0..8)
            .map(|_| {
                let partition = i32::try_from(self.roll(2)).unwrap();
                // Some batches meet only what is new, or only clients' ids: those can be copied.
                let (replays, repeats) = (self.one_in(3), self.roll(2) == 0);
                let mut events: Vec<Event> = Vec::new();
                for _ in 0..20 + self.roll(40) {
                    let clients: Vec<&Event> = known
                        .iter()
                        .filter(|event| replays || event.client_id)
                        .chain(&events)
                        .collect();
                    let next = if repeats && !clients.is_empty() && self.one_in(4) {
                        let at = self.roll(clients.len() as u64);
                        let one = clients[usize::try_from(at).unwrap()].clone();
                        self.again(&one)
                    } else {
                        n += 1;
                        self.event(n)
                    };
                    events.push(next);
                }
                known.extend(events.iter().cloned());
                let reports = (0..self.roll(3)).map(|_| self.report()).collect();
                let rejects = usize::try_from(self.roll(3)).unwrap();
                (partition, events, rejects, reports)
            })
            .collect()
    }
}

/// What is in the tables, but for the times at which it was written.
async fn timeless(pool: &PgPool) -> Value {
    fn strip(value: &mut Value) {
        match value {
            Value::Object(map) => {
                for name in [
                    "stored_at",
                    "claimed_at",
                    "counted_at",
                    "rejected_at",
                    "acquired_at",
                ] {
                    map.remove(name);
                }
                map.values_mut().for_each(strip);
            }
            Value::Array(items) => items.iter_mut().for_each(strip),
            _ => {}
        }
    }
    let mut all = everything(pool).await;
    strip(&mut all);
    all
}

/// Not TRUNCATE: that makes each partition's files anew.
async fn empty(pool: &PgPool) {
    sqlx::raw_sql(
        "DELETE FROM events; DELETE FROM message_ids; DELETE FROM retries; DELETE FROM clickstream_data;
         DELETE FROM rejected_events; DELETE FROM balance; DELETE FROM rollup_minute; DELETE FROM rollup_ever;
         DELETE FROM collector_reports; DELETE FROM collector_acknowledged; DELETE FROM collector_places;
         DELETE FROM collector_spools; DELETE FROM partition_leases;",
    )
    .execute(pool)
    .await
    .unwrap();
}

/// Writes the batches of a seed and returns what was said of each, and what the tables hold then.
async fn written(pool: &PgPool, seed: u64, copying: bool) -> (Vec<Ingested>, Value) {
    empty(pool).await;
    let mut said = Vec::new();
    for (partition, events, rejects, reports) in Dice(seed).batches() {
        // One store for each batch: a refused copy is not tried again for a while.
        let store = copies(pool, copying);
        let lease = acquire(&store, partition).await;
        let batch = Batch {
            reports,
            ..batch(partition, &lease, events, rejects)
        };
        said.push(store.ingest(&batch).await.unwrap());
        store.close().await;
    }
    (said, timeless(pool).await)
}

#[sqlx::test(migrations = "../migrations")]
async fn both_ways_of_writing_come_to_the_same(pool: PgPool) {
    store(&pool).await.close().await;
    for seed in 0..SEEDS {
        let by_copy = written(&pool, seed, true).await;
        assert!(copied(&pool).await > 0, "nothing was copied, seed {seed}");
        let by_statement = written(&pool, seed, false).await;
        assert_eq!(copied(&pool).await, 0);
        assert_eq!(by_copy.0, by_statement.0, "seed {seed}");
        for (table, rows) in by_statement.1.as_object().unwrap() {
            let pairs = list(rows).iter().zip(list(&by_copy.1[table]));
            for (statement, copy) in pairs {
                assert_eq!(copy, statement, "{table}, seed {seed}");
            }
            assert_eq!(&by_copy.1[table], rows, "{table}, seed {seed}");
        }
    }
}

/// The rows of a table; none is null.
fn list(rows: &Value) -> &[Value] {
    rows.as_array().map(Vec::as_slice).unwrap_or_default()
}

#[sqlx::test(migrations = "../migrations")]
async fn a_clients_retry_does_not_keep_the_rest_from_being_copied(pool: PgPool) {
    store(&pool).await.close().await;
    let store = copies(&pool, true);
    let lease = acquire(&store, 0).await;
    let first = vec![by_client(cart_event(1)), page_view(2, "/")];
    store.ingest(&batch(0, &lease, first, 0)).await.unwrap();
    let retry = Event {
        received_at: noon() + TimeDelta::hours(1),
        ..by_client(cart_event(1))
    };
    let lease = acquire(&store, 1).await;
    let second = vec![page_view(3, "/"), retry, page_view(4, "/")];

    let done = store.ingest(&batch(1, &lease, second, 0)).await.unwrap();

    assert_eq!((done.stored, done.duplicates), (2, 1));
    assert_eq!(copied(&pool).await, 4);
    store.close().await;
}

#[sqlx::test(migrations = "../migrations")]
async fn a_copy_without_the_lease_writes_nothing(pool: PgPool) {
    store(&pool).await.close().await;
    let store = copies(&pool, true);
    let old = acquire(&store, 0).await;
    let new = acquire(&store, 0).await;
    let before = everything(&pool).await;
    let ahead = Lease {
        next: domain::NextOffset(5),
        ..new
    };
    for lease in [old, ahead] {
        let events = vec![cart_event(1), by_client(cart_event(2))];
        let outcome = store.ingest(&batch(0, &lease, events, 1)).await;
        assert!(matches!(outcome, Err(IngestError::Fenced)), "{outcome:?}");
    }
    assert_eq!(everything(&pool).await, before);
    store.close().await;
}

#[sqlx::test(migrations = "../migrations")]
async fn what_a_copy_refuses_has_the_statements_name(pool: PgPool) {
    store(&pool).await.close().await;
    let before = everything(&pool).await;
    let bad = [
        Event {
            username: Some("x".repeat(33)),
            ..cart_event(2)
        },
        Event {
            count: 0,
            ..cart_event(2)
        },
        Event {
            path: Some("a\0b".into()),
            ..cart_event(2)
        },
        Event {
            received_at: noon() + TimeDelta::days(400),
            ..cart_event(2)
        },
    ];
    for event in bad {
        let mut said = Vec::new();
        for copying in [true, false] {
            let store = copies(&pool, copying);
            let lease = acquire(&store, 0).await;
            let events = vec![cart_event(1), event.clone(), by_client(cart_event(3))];
            let outcome = store.ingest(&batch(0, &lease, events, 1)).await;
            said.push(outcome.unwrap_err().to_string());
            store.close().await;
        }
        assert_eq!(said[0], said[1]);
    }
    empty(&pool).await;
    assert_eq!(everything(&pool).await, before);
}
