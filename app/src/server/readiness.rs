//! Whether receipts can be read: the health part `postgres`. The shop serves and takes clicks either
//! way; without Postgres a receipt stays "on its way".

use service::health::Part;
use service::outage::Outage;
use std::sync::Arc;
use std::time::Duration;
use store::Store;
use tokio_util::sync::CancellationToken;

const LOOK_EVERY: Duration = Duration::from_secs(5);

/// Looks until `stop`. Whoever notices first that Postgres is away, this watch or a receipt that waits,
/// says so by the shared `outage`; the other then need not.
pub async fn watch(store: Store, part: Part, outage: Arc<Outage>, stop: CancellationToken) {
    // A receipt may be found without every table: this is said once, whatever it says meanwhile.
    let mut lacks_tables = false;
    loop {
        match store.schema_is_current().await {
            Ok(true) => {
                part.ready();
                outage.back();
                lacks_tables = false;
            }
            Ok(false) => {
                part.unready("the tables are not up to date");
                if !lacks_tables {
                    outage.missing(
                        "our tables are not there or not up to date (`consumer setup` makes them); \
                         until then no receipt says \"stored\"",
                    );
                }
                lacks_tables = true;
            }
            Err(error) => {
                part.unready("cannot be reached");
                outage.missing(error);
            }
        }
        tokio::select! {
            () = tokio::time::sleep(LOOK_EVERY) => {}
            () = stop.cancelled() => return,
        }
    }
}
