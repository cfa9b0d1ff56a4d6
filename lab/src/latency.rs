//! How long a click takes to be acknowledged and to become a row, at a steady rate that does not wait
//! for answers.

use crate::figures::Times;
use crate::{people, visit};
use anyhow::{Context as _, ensure};
use collector::{AcceptError, Collector, CollectorSettings, Draft, Waited};
use domain::receipt::{Progress, Receipt};
use domain::{EventType, Source};
use rand::SeedableRng as _;
use rand::rngs::StdRng;
use secrecy::ExposeSecret as _;
use service::health::Health;
use service::settings::{DatabaseSettings, KafkaSettings};
use std::time::{Duration, Instant};
use store::{Store, StoreOptions};
use tokio::task::JoinSet;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

/// Clicks before the measured ones: connections and caches.
const WARM_UP: usize = 50;
/// A row that is not there by then counts as missing.
const PATIENCE: Duration = Duration::from_secs(10);

/// What to measure.
#[derive(Debug, clap::Args)]
pub struct Settings {
    /// Clicks a second.
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u16).range(1..))]
    rate: u16,
    /// For how long.
    #[arg(long, value_name = "S", default_value_t = 30)]
    seconds: u16,
    #[command(flatten)]
    kafka: KafkaSettings,
    #[command(flatten)]
    database: DatabaseSettings,
}

/// A collector in this process, and the database in which its clicks become rows.
pub struct Clicks {
    collector: Collector,
    store: Store,
    topic: String,
}

/// What was measured.
#[derive(Debug, Default)]
pub struct Ways {
    /// Click to acknowledgement.
    pub acknowledged: Times,
    /// Click to row, by the row's own time.
    pub rows: Times,
    /// Click to the moment in which a page could say that there is a row.
    pub seen: Times,
    /// Clicks that were not acknowledged.
    pub refused: usize,
    /// Clicks whose row did not come in time.
    pub missing: usize,
}

/// One click's way.
struct Way {
    receipt: Receipt,
    acknowledged: Duration,
    /// None when the row did not come in time.
    stored: Option<Duration>,
}

/// Measures and prints; an error when a click was refused or its row did not come.
pub async fn run(settings: Settings, end: CancellationToken) -> anyhow::Result<()> {
    let clicks = Clicks::open(
        settings.kafka,
        settings.database.database_url.expose_secret(),
    )
    .await?;
    println!(
        "{} clicks a second for {} s",
        settings.rate, settings.seconds
    );
    let during = Duration::from_secs(settings.seconds.into());
    let ways = clicks.measure(settings.rate, during, end).await?;
    println!("click → acknowledged        {}", ways.acknowledged);
    println!("click → row (stored_at)     {}", ways.rows);
    println!("click → row seen by a page  {}", ways.seen);
    ensure!(
        ways.missing == 0,
        "{} clicks have no row after {} s; does the consumer run?",
        ways.missing,
        PATIENCE.as_secs()
    );
    ensure!(
        ways.refused == 0,
        "{} clicks were not acknowledged",
        ways.refused
    );
    Ok(())
}

impl Clicks {
    /// Starts the collector and makes the first clicks, which pay for connections and caches.
    pub async fn open(kafka: KafkaSettings, database_url: &str) -> anyhow::Result<Self> {
        let topic = kafka.kafka_topic.clone();
        let store = Store::connect_lazy(
            database_url,
            &StoreOptions {
                application_name: "clickshop-lab".to_owned(),
                ..StoreOptions::default()
            },
        )?;
        store.ping().await.context("Postgres")?;
        let collector = Collector::start(
            CollectorSettings::new(kafka),
            Some(store.clone()),
            Health::new(),
            CancellationToken::new(),
        )?;
        let mut rng = StdRng::seed_from_u64(rand::random());
        for number in 0..WARM_UP {
            click(collector.clone(), draft(&mut rng, number)).await?;
        }
        Ok(Self {
            collector,
            store,
            topic,
        })
    }

    /// Clicks `rate` times a second, whether the last click is answered or not, and waits for all rows.
    pub async fn measure(
        &self,
        rate: u16,
        during: Duration,
        end: CancellationToken,
    ) -> anyhow::Result<Ways> {
        let mut rng = StdRng::seed_from_u64(rand::random());
        let pause = Duration::from_secs(1) / u32::from(rate);
        let wanted = usize::try_from(during.as_nanos() / pause.as_nanos())?;
        let mut tick = tokio::time::interval(pause);
        tick.set_missed_tick_behavior(MissedTickBehavior::Burst);
        let mut clicks = JoinSet::new();
        for number in 0..wanted {
            if end.run_until_cancelled(tick.tick()).await.is_none() {
                break;
            }
            clicks.spawn(click(self.collector.clone(), draft(&mut rng, number)));
        }
        let mut ways = Ways::default();
        while let Some(click) = clicks.join_next().await {
            match click.context("a click")? {
                Ok(way) => self.add(&mut ways, &way).await?,
                Err(_) => ways.refused += 1,
            }
        }
        Ok(ways)
    }

    async fn add(&self, ways: &mut Ways, way: &Way) -> anyhow::Result<()> {
        ways.acknowledged.add(way.acknowledged);
        let Some(seen) = way.stored else {
            ways.missing += 1;
            return Ok(());
        };
        ways.seen.add(seen);
        // By Postgres' clock minus the collector's: on one machine they are the same.
        let progress = self.store.progress(&self.topic, &way.receipt).await?;
        if let Some(Progress::Stored { after_ms, .. }) = progress {
            let after_ms = after_ms.try_into().unwrap_or(0);
            ways.rows.add(Duration::from_millis(after_ms));
        } else {
            ways.missing += 1;
        }
        Ok(())
    }
}

fn draft(rng: &mut StdRng, number: usize) -> Draft {
    Draft {
        event_type: EventType::ADD_TO_CART.into(),
        username: Some(people::name(number % 500)),
        source: Source::Seed,
        choice: Some(visit::choice(rng)),
        ..Draft::default()
    }
}

async fn click(collector: Collector, draft: Draft) -> Result<Way, AcceptError> {
    let pressed = Instant::now();
    let receipt = collector.accept_one(draft).await?.receipt;
    let acknowledged = pressed.elapsed();
    let waited = collector.wait_stored(&receipt, PATIENCE).await;
    let stored = (waited == Waited::Stored).then(|| pressed.elapsed());
    Ok(Way {
        receipt,
        acknowledged,
        stored,
    })
}
