//! How many connections one of our listeners has open at a time. One more is not taken before another has ended: it
//! waits in the system's own queue, where it costs this process nothing and is not told to try again at once.

use crate::telemetry::METERS;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

/// The most of a listener that was not told another number. An idle one costs some kilobytes.
pub(crate) const DEFAULT_MAX: u32 = 20_000;

/// How often it is said that there are too many.
const SAY_EVERY: Duration = Duration::from_mins(1);

/// The connections of one listener.
#[derive(Debug)]
pub(crate) struct Connections {
    free: Arc<Semaphore>,
    max: u32,
    said: Option<Instant>,
}

/// The place of one connection that may come.
#[derive(Debug)]
pub(crate) struct Place {
    _permit: Option<OwnedSemaphorePermit>,
}

/// One connection, as long as it is open.
#[derive(Debug)]
pub(crate) struct Open {
    _place: Place,
}

impl Connections {
    /// None is open yet.
    pub fn new(max: u32) -> Self {
        Self {
            free: Arc::new(Semaphore::new(max as usize)),
            max,
            said: None,
        }
    }

    /// Waits until one more may be taken.
    pub async fn one_more(&mut self) -> Place {
        let is_due = self.said.is_none_or(|said| said.elapsed() >= SAY_EVERY);
        if self.free.available_permits() == 0 && is_due {
            self.said = Some(Instant::now());
            tracing::warn!(
                max = self.max,
                "as many connections are open as may be (CONNECTIONS_MAX); others wait until one has ended"
            );
        }
        // Nobody closes it.
        Place {
            _permit: Arc::clone(&self.free).acquire_owned().await.ok(),
        }
    }
}

impl Place {
    /// Somebody has come.
    pub fn open(self) -> Open {
        METERS.connections.increment(1.0);
        Open { _place: self }
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        METERS.connections.decrement(1.0);
    }
}
