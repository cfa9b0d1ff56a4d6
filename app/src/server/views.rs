//! A page that was shown is one `page_view`: once per request, from the handler, never from a component
//! (which runs again in the browser), and never for a page that nobody has asked to see.
//!
//! The page's tracker tells of the same view, under the id that it finds in the page. So it is a client's id,
//! of which only the first copy becomes a row; which views have a second one tells who blocks trackers.
//!
//! A page does not wait for its own event, nor for another that nobody is told about. The events under
//! way are bounded; beyond that they are counted and dropped, since a page must not fail for its own
//! statistics.

use super::run::DROPPED;
use super::visitor::{View, Visitor, once};
use collector::{Collector, Draft};
use domain::EventType;
use std::sync::Arc;
use tokio::sync::Semaphore;
use tokio_util::task::TaskTracker;
use uuid::Uuid;

/// Events that may wait for Kafka at the same time.
const UNDER_WAY_MAX: usize = 1000;

/// Records page views, and what else happens on the way to a page.
#[derive(Clone)]
pub struct PageViews {
    collector: Collector,
    under_way: Arc<Semaphore>,
    tasks: TaskTracker,
    dropped: metrics::Counter,
}

impl PageViews {
    /// Records to this collector.
    pub fn new(collector: Collector) -> Self {
        Self {
            collector,
            under_way: Arc::new(Semaphore::new(UNDER_WAY_MAX)),
            tasks: TaskTracker::new(),
            dropped: DROPPED.to_counter(&[]),
        }
    }

    /// Records that this visitor is shown the page of this request, and has the page say so to its tracker.
    pub fn record(&self, visitor: &mut Visitor) {
        if visitor.unseen {
            visitor.view = View::Ahead;
            return;
        }
        let id = Uuid::now_v7();
        visitor.view = View::Recorded(id);
        self.record_unwaited(once(id, None, visitor.on_this_page(EventType::PAGE_VIEW)));
    }

    /// Records an event that nobody waits for, and of which nobody is told whether it was kept.
    pub fn record_unwaited(&self, draft: Draft) {
        let Ok(permit) = Arc::clone(&self.under_way).try_acquire_owned() else {
            self.dropped.increment(1);
            return;
        };
        let (collector, dropped) = (self.collector.clone(), self.dropped.clone());
        self.tasks.spawn(async move {
            if let Err(error) = collector.accept_one(draft).await {
                dropped.increment(1);
                tracing::debug!(%error, "an event of a page was not recorded");
            }
            drop(permit);
        });
    }

    /// Waits for what is under way; nothing may be recorded afterwards.
    pub async fn finish(&self) {
        self.tasks.close();
        self.tasks.wait().await;
    }
}
