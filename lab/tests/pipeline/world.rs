//! A world for one test, in the servers that `./test.sh` has brought up.

use collector::{Collector, CollectorSettings};
use lab::stack::{self, Program, Servers};
use service::health::Health;
use service::settings::KafkaSettings;
use std::ops::Deref;
use std::path::PathBuf;
use std::time::Duration;
use tokio::sync::{RwLock, RwLockReadGuard, RwLockWriteGuard};
use tokio_util::sync::CancellationToken;

/// Tests share the cluster; one that stops a broker has it for itself.
static CLUSTER: RwLock<()> = RwLock::const_new(());

#[expect(dead_code, reason = "held, never looked at")]
enum Share {
    Together(RwLockReadGuard<'static, ()>),
    Alone(RwLockWriteGuard<'static, ()>),
}

/// What one test works in.
pub struct World {
    inner: stack::World,
    pub servers: Servers,
    _share: Share,
}

impl World {
    /// A world with its topic and tables made by `consumer setup`.
    pub async fn new(name: &str) -> Self {
        Self::make(name, Share::Together(CLUSTER.read().await)).await
    }

    /// The same, with the cluster to itself.
    pub async fn alone(name: &str) -> Self {
        Self::make(name, Share::Alone(CLUSTER.write().await)).await
    }

    /// A collector inside the test, which writes to this world's topic. It waits for a topic made a moment ago
    /// longer than a visitor would.
    pub fn collector(&self) -> Collector {
        let kafka = KafkaSettings {
            kafka_brokers: self.brokers.clone(),
            kafka_topic: self.topic.clone(),
        };
        Collector::start(
            CollectorSettings {
                ack_timeout: Duration::from_secs(20),
                ..CollectorSettings::new(kafka)
            },
            None,
            Health::new(),
            CancellationToken::new(),
        )
        .unwrap()
    }

    /// Puts one message into the topic, in any partition.
    pub async fn send(&self, message: &[u8]) {
        let producer = self.producer().unwrap();
        producer.send(None, Some(message)).await.unwrap();
    }

    async fn make(name: &str, share: Share) -> Self {
        let servers = Servers::from_environment().unwrap();
        let world = stack::World::make(&servers, name, &log_folder()).await;
        Self {
            inner: world.unwrap(),
            servers,
            _share: share,
        }
    }
}

impl Deref for World {
    type Target = stack::World;

    fn deref(&self) -> &stack::World {
        &self.inner
    }
}

/// Waits until what a program has said so far is as `wanted`; shows it when it never is.
pub async fn until_said(
    program: &Program,
    what: &str,
    deadline: Duration,
    wanted: impl Fn(&str) -> bool,
) {
    stack::until(what, deadline, || async {
        let said = program.said().unwrap();
        if wanted(&said) { Ok(()) } else { Err(said) }
    })
    .await
    .unwrap();
}

/// Where programs log: test.sh's artefacts, else the system's temporary folder.
fn log_folder() -> PathBuf {
    std::env::var_os("ARTIFACTS")
        .map_or_else(std::env::temp_dir, PathBuf::from)
        .join("logs/pipeline")
}
