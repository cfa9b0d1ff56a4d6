//! A client that is replaced when it cannot go on: there is always one to send with, or one in the making.

use super::{Client, Tuning};
use rdkafka::config::ClientConfig;
use rdkafka::error::KafkaResult;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Notify, watch};
use tokio::time::sleep;
use tokio_util::sync::{CancellationToken, DropGuard};

/// A client that dies at once is not replaced more often than this.
const REBUILD_PAUSE: Duration = Duration::from_secs(1);

/// The client of the moment, and the tasks that look after it.
pub(crate) struct Kept {
    current: watch::Receiver<Arc<Client>>,
    /// Ends what must outlive the shutdown: requests are answered after it has begun.
    _ended: DropGuard,
}

impl Kept {
    /// Makes the first client, and replaces it when need be, until `shutdown`.
    ///
    /// # Errors
    /// The settings are wrong; Kafka need not be there.
    pub fn start(
        config: ClientConfig,
        tuning: Tuning,
        topic: &str,
        ack_timeout: Duration,
        shutdown: CancellationToken,
    ) -> KafkaResult<Self> {
        let mend = Arc::new(Notify::new());
        let topic = topic.to_owned();
        let make = {
            let mend = Arc::clone(&mend);
            move || Client::new(&config, tuning, &topic, ack_timeout, Arc::clone(&mend))
        };
        let (replace, current) = watch::channel(Arc::new(make()?));
        tokio::spawn(mend_client(make, mend, replace, shutdown));
        let ended = CancellationToken::new();
        tokio::spawn(keep_going(current.clone(), ended.clone()));
        Ok(Self {
            current,
            _ended: ended.drop_guard(),
        })
    }

    /// The client of the moment, broken or not.
    pub fn now(&self) -> Arc<Client> {
        Arc::clone(&self.current.borrow())
    }

    /// The client of the moment; waits while a broken one is being replaced. None at shutdown.
    pub async fn sound(&self) -> Option<Arc<Client>> {
        let client = self.now();
        if client.is_broken().is_none() {
            return Some(client);
        }
        drop(client);
        let mut current = self.current.clone();
        let mended = current
            .wait_for(|client| client.is_broken().is_none())
            .await
            .ok()?;
        Some(Arc::clone(&mended))
    }
}

/// Sends what waits in the client's lanes after their rests.
async fn keep_going(mut current: watch::Receiver<Arc<Client>>, ended: CancellationToken) {
    while !ended.is_cancelled() {
        let client = Arc::clone(&current.borrow_and_update());
        let replaced = async {
            // An error means that there will be no other client.
            if current.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
        };
        tokio::select! {
            () = client.after_rests() => {}
            () = replaced => {}
            () = ended.cancelled() => {}
        }
    }
}

/// Replaces a client that cannot go on. Its messages get their answers when it is dropped.
async fn mend_client(
    remake: impl Fn() -> KafkaResult<Client> + Send,
    mend: Arc<Notify>,
    replace: watch::Sender<Arc<Client>>,
    shutdown: CancellationToken,
) {
    loop {
        if shutdown
            .run_until_cancelled(mend.notified())
            .await
            .is_none()
        {
            return;
        }
        let Some(why) = replace.borrow().is_broken() else {
            continue;
        };
        tracing::error!(%why, "Kafka's client cannot go on; making a new one");
        match remake() {
            Ok(client) => {
                replace.send_replace(Arc::new(client));
            }
            Err(error) => {
                tracing::error!(%error, "no new client for Kafka; trying again");
                mend.notify_one();
            }
        }
        if shutdown
            .run_until_cancelled(sleep(REBUILD_PAUSE))
            .await
            .is_none()
        {
            return;
        }
    }
}
