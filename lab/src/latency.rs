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

/// One click's way.
struct Measured {
    receipt: Receipt,
    acknowledged: Duration,
    /// None when the row did not come in time.
    stored: Option<Duration>,
}

/// Measures and prints; an error when a click was refused or its row did not come.
pub async fn run(settings: Settings, end: CancellationToken) -> anyhow::Result<()> {
    let topic = settings.kafka.kafka_topic.clone();
    let store = Store::connect_lazy(
        settings.database.database_url.expose_secret(),
        &StoreOptions {
            application_name: "clickshop-lab".to_owned(),
            ..StoreOptions::default()
        },
    )?;
    store.ping().await.context("Postgres")?;
    let collector = Collector::start(
        CollectorSettings::new(settings.kafka),
        Some(store.clone()),
        Health::new(),
        CancellationToken::new(),
    )?;
    let mut rng = StdRng::seed_from_u64(rand::random());
    for number in 0..WARM_UP {
        click(collector.clone(), draft(&mut rng, number)).await?;
    }
    let wanted = usize::from(settings.rate) * usize::from(settings.seconds);
    println!(
        "{} clicks a second for {} s",
        settings.rate, settings.seconds
    );
    let mut tick = tokio::time::interval(Duration::from_secs(1) / u32::from(settings.rate));
    tick.set_missed_tick_behavior(MissedTickBehavior::Burst);
    let mut clicks = JoinSet::new();
    for number in 0..wanted {
        if end.run_until_cancelled(tick.tick()).await.is_none() {
            break;
        }
        clicks.spawn(click(collector.clone(), draft(&mut rng, number)));
    }
    let mut measured = Vec::with_capacity(wanted);
    let mut refused = 0;
    while let Some(click) = clicks.join_next().await {
        match click.context("a click")? {
            Ok(click) => measured.push(click),
            Err(_) => refused += 1,
        }
    }
    report(&measured, &store, &topic).await?;
    ensure!(refused == 0, "{refused} clicks were not acknowledged");
    Ok(())
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

async fn click(collector: Collector, draft: Draft) -> Result<Measured, AcceptError> {
    let pressed = Instant::now();
    let receipt = collector.accept_one(draft).await?.receipt;
    let acknowledged = pressed.elapsed();
    let waited = collector.wait_stored(&receipt, PATIENCE).await;
    let stored = (waited == Waited::Stored).then(|| pressed.elapsed());
    Ok(Measured {
        receipt,
        acknowledged,
        stored,
    })
}

async fn report(measured: &[Measured], store: &Store, topic: &str) -> anyhow::Result<()> {
    let mut acknowledged = Times::default();
    let mut seen = Times::default();
    let mut rows = Times::default();
    for click in measured {
        acknowledged.add(click.acknowledged);
        let Some(stored) = click.stored else { continue };
        seen.add(stored);
        // By Postgres' clock minus the collector's: on one machine they are the same.
        if let Some(Progress::Stored { after_ms, .. }) =
            store.progress(topic, &click.receipt).await?
        {
            rows.add(Duration::from_millis(after_ms.try_into().unwrap_or(0)));
        }
    }
    println!("click → acknowledged        {acknowledged}");
    println!("click → row (stored_at)     {rows}");
    println!("click → row seen by a page  {seen}");
    ensure!(
        rows.len() == measured.len(),
        "{} of {} clicks have no row after {} s; does the consumer run?",
        measured.len() - rows.len(),
        measured.len(),
        PATIENCE.as_secs()
    );
    Ok(())
}
