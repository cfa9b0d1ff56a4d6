//! The live counters of several collectors, which know of each other's clicks by the rows alone.

use crate::world::World;
use lab::stack::program::free_port;
use lab::stack::{Program, until};
use reqwest::{Client, StatusCode};
use std::path::Path;
use std::time::Duration;

const SOON: Duration = Duration::from_secs(40);
/// How long all may take to show what is stored.
const CONVERGED: Duration = Duration::from_secs(2);

/// Clicks that are sent at the same time.
const AT_ONCE: usize = 20;

/// A collector alone, with a spool: what it has acknowledged is kept, whatever happens to it.
struct Counting {
    program: Program,
    item: String,
    client: Client,
}

impl Counting {
    /// Starts it and waits until it knows the totals.
    async fn start(world: &World, spool: &Path) -> Self {
        let port = free_port().unwrap();
        let settings = [
            ("SERVER_PORT", port.to_string()),
            ("SPOOL_DIR", spool.display().to_string()),
        ];
        let counting = Self {
            program: world
                .start("collector", &[], "collector", &settings)
                .unwrap(),
            item: format!("http://127.0.0.1:{port}/api/clicks/item"),
            client: Client::new(),
        };
        let known = until("the counters are known", SOON, || counting.total());
        known.await.unwrap();
        counting
    }

    /// The clicks on an item that it shows.
    async fn total(&self) -> Result<usize, String> {
        let answer = self.client.get(&self.item).send().await;
        let answer = answer.map_err(|error| error.to_string())?;
        let status = answer.status();
        let text = answer.text().await.map_err(|error| error.to_string())?;
        text.parse().map_err(|_| format!("{status}: {text}"))
    }

    /// Clicks on an item so many times, each acknowledged.
    async fn clicks(&self, clicks: usize) {
        for _ in 0..clicks / AT_ONCE {
            let some = (0..AT_ONCE).map(|_| self.client.put(&self.item).send());
            for answer in futures::future::join_all(some).await {
                assert_eq!(answer.unwrap().status(), StatusCode::OK);
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_collectors_and_a_fresh_one_show_the_sum_though_one_was_killed() {
    let world = World::new("counters").await;
    let _consumer = world.consumer().unwrap();
    let folders = [(); 3].map(|()| tempfile::tempdir().unwrap());
    let [first, second, third] = folders.each_ref().map(tempfile::TempDir::path);
    let (mut one, two) = tokio::join!(
        Counting::start(&world, first),
        Counting::start(&world, second)
    );
    tokio::join!(one.clicks(500), two.clicks(500));
    one.program.kill_9().unwrap();
    one = Counting::start(&world, first).await;
    tokio::join!(one.clicks(500), two.clicks(500));
    let fresh = Counting::start(&world, third).await;
    world.until_events(2000, SOON).await.unwrap();
    let all = [&one, &two, &fresh];
    until("each shows all clicks", CONVERGED, || async {
        let shown = futures::future::join_all(all.map(Counting::total)).await;
        if shown.iter().all(|total| *total == Ok(2000)) {
            Ok(())
        } else {
            Err(format!("{shown:?}"))
        }
    })
    .await
    .unwrap();
}
