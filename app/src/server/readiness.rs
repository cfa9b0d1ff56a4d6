//! Whether receipts can be read: the health part `postgres`. The shop serves and takes clicks either
//! way; without Postgres a receipt stays "on its way".

use service::health::Part;
use std::time::Duration;
use store::Store;
use tokio_util::sync::CancellationToken;

const LOOK_EVERY: Duration = Duration::from_secs(5);

/// What the last look found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Found {
    Tables,
    NoTables,
    Nobody,
}

/// Looks until `stop`; says what is missing once, and once when it is there.
pub async fn watch(store: Store, part: Part, stop: CancellationToken) {
    let mut before = Found::Tables;
    loop {
        let found = match store.schema_is_current().await {
            Ok(true) => Found::Tables,
            Ok(false) => Found::NoTables,
            Err(_) => Found::Nobody,
        };
        match found {
            Found::Tables => part.ready(),
            Found::NoTables => part.unready("the tables are not up to date"),
            Found::Nobody => part.unready("cannot be reached"),
        }
        if found != before {
            say(found);
            before = found;
        }
        tokio::select! {
            () = tokio::time::sleep(LOOK_EVERY) => {}
            () = stop.cancelled() => return,
        }
    }
}

fn say(found: Found) {
    match found {
        Found::Tables => tracing::info!("Postgres is there: receipts can be read"),
        Found::NoTables => {
            tracing::warn!(
                "Postgres has not our tables yet: `consumer setup` makes them; until then no receipt says \"stored\""
            );
        }
        Found::Nobody => {
            tracing::warn!(
                "Postgres is away; clicks are taken, and their receipts say \"on its way\" until it is back"
            );
        }
    }
}
