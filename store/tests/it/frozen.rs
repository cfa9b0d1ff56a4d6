//! A client that freezes in the middle of a transaction holds nobody up, and writes nothing when it wakes.

use crate::support::*;
use sqlx::{ConnectOptions, PgPool};
use std::sync::Arc;
use std::time::{Duration, Instant};
use store::{IngestError, Store, StoreOptions};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;

/// The most that a successor may wait: on a quiet machine it is a fraction of a second. Postgres' own timeouts, which
/// would end the wait otherwise, begin at five.
const AT_ONCE: Duration = Duration::from_secs(2);

/// A proxy in front of Postgres; what a client sends stays in it from the first part that contains `word` on,
/// until it is thawed.
struct Freezer {
    port: u16,
    frozen: Arc<Notify>,
    thaw: Arc<Notify>,
}

impl Freezer {
    async fn before(pool: &PgPool, word: &'static [u8]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let options = pool.connect_options();
        let server = (options.get_host().to_owned(), options.get_port());
        let freezer = Self {
            port: listener.local_addr().unwrap().port(),
            frozen: Arc::default(),
            thaw: Arc::default(),
        };
        let (frozen, thaw) = (freezer.frozen.clone(), freezer.thaw.clone());
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let server = TcpStream::connect(&server).await.unwrap();
                let (mut from_client, mut to_client) = client.into_split();
                let (mut from_server, mut to_server) = server.into_split();
                let (frozen, thaw) = (frozen.clone(), thaw.clone());
                tokio::spawn(async move {
                    let mut part = vec![0; 1 << 20];
                    loop {
                        let length = from_client.read(&mut part).await.unwrap_or(0);
                        let part = &part[..length];
                        if part.windows(word.len()).any(|seen| seen == word) {
                            frozen.notify_one();
                            thaw.notified().await;
                        }
                        if length == 0 || to_server.write_all(part).await.is_err() {
                            break;
                        }
                    }
                });
                tokio::spawn(async move {
                    let _ = tokio::io::copy(&mut from_server, &mut to_client).await;
                });
            }
        });
        freezer
    }

    /// A store behind it, which copies batches of so many events.
    fn store(&self, pool: &PgPool, copy_from: usize) -> Store {
        let behind = (*pool.connect_options()).clone().port(self.port);
        let options = StoreOptions {
            application_name: "zombie".into(),
            copy_from,
            ..StoreOptions::default()
        };
        Store::connect_lazy(behind.to_url_lossy().as_str(), &options).unwrap()
    }
}

/// A client freezes at `word`; another takes its lease and writes; then the first one wakes up.
async fn freeze_at(pool: PgPool, word: &'static [u8]) {
    let successor = store(&pool).await;
    // A consumer that takes over is connected already.
    acquire(&successor, 1).await;
    let freezer = Freezer::before(&pool, word).await;
    let zombie = freezer.store(&pool, 1);
    let old = acquire(&zombie, 0).await;
    // Over one part, so that a freeze in the middle leaves some of the rows with Postgres.
    let mut events: Vec<_> = (0..2000)
        .map(|n| page_view(n, "/a/path/of/some/length"))
        .collect();
    events[1900].path = Some("/freeze-here".into());
    events.push(by_client(cart_event(9000)));
    let first = batch(0, &old, events.clone(), 1);
    let writing = tokio::spawn(async move {
        let outcome = zombie.ingest(&first).await;
        (zombie, outcome)
    });
    tokio::time::timeout(Duration::from_secs(10), freezer.frozen.notified())
        .await
        .expect("the client comes to where it freezes");

    let began = Instant::now();
    let new = acquire(&successor, 0).await;
    let waited = began.elapsed();

    assert!(waited < AT_ONCE, "the successor waited {waited:?}");
    assert_eq!((new.epoch, new.next), (old.epoch + 1, old.next));
    assert_eq!(number(&pool, "SELECT count(*) FROM events").await, 0);
    let again = batch(0, &new, events, 1);
    assert_eq!(successor.ingest(&again).await.unwrap().stored, 2001);
    let before = everything(&pool).await;

    freezer.thaw.notify_one();
    let (zombie, outcome) = writing.await.unwrap();

    // It knows that it was replaced, and does not take the lease back at once.
    assert!(matches!(outcome, Err(IngestError::Fenced)), "{outcome:?}");
    assert_eq!(everything(&pool).await, before);
    zombie.close().await;
    successor.close().await;
}

#[sqlx::test(migrations = "../migrations")]
async fn a_client_frozen_in_the_middle_of_a_copy_holds_nobody_up(pool: PgPool) {
    freeze_at(pool, b"/freeze-here").await;
}

#[sqlx::test(migrations = "../migrations")]
async fn a_client_frozen_before_its_commit_holds_nobody_up(pool: PgPool) {
    freeze_at(pool, b"COMMIT").await;
}

#[sqlx::test(migrations = "../migrations")]
async fn a_client_whose_statement_broke_while_it_was_frozen_knows_that_it_was_replaced(
    pool: PgPool,
) {
    let successor = store(&pool).await;
    let freezer = Freezer::before(&pool, b"/freeze-here").await;
    let zombie = freezer.store(&pool, usize::MAX);
    let old = acquire(&zombie, 0).await;
    let first = batch(0, &old, vec![page_view(1, "/freeze-here")], 0);
    let writing = tokio::spawn(async move {
        let outcome = zombie.ingest(&first).await;
        (zombie, outcome)
    });
    tokio::time::timeout(Duration::from_secs(10), freezer.frozen.notified())
        .await
        .expect("the client comes to where it freezes");
    acquire(&successor, 0).await;
    // As a keepalive does, or a proxy between, to who is silent for long.
    let ended = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity \
        WHERE datname = current_database() AND application_name = 'zombie'";
    assert!(number(&pool, ended).await > 0);

    freezer.thaw.notify_one();
    let (zombie, outcome) = writing.await.unwrap();

    assert!(matches!(outcome, Err(IngestError::Fenced)), "{outcome:?}");
    zombie.close().await;
    successor.close().await;
}

#[sqlx::test(migrations = "../migrations")]
async fn who_takes_one_partition_ends_no_writer_of_another(pool: PgPool) {
    let successor = store(&pool).await;
    let freezer = Freezer::before(&pool, b"COMMIT").await;
    let other = freezer.store(&pool, 1);
    let lease = acquire(&other, 3).await;
    let writing = tokio::spawn(async move {
        let outcome = other
            .ingest(&batch(3, &lease, vec![cart_event(1)], 0))
            .await;
        other.close().await;
        outcome
    });
    freezer.frozen.notified().await;

    acquire(&successor, 0).await;

    freezer.thaw.notify_one();
    assert_eq!(writing.await.unwrap().unwrap().stored, 1);
    successor.close().await;
}
