//! What every handler may use. Cheap to clone; all clones share one of each.

use super::assets::Site;
use super::pipeline::{Pipeline, Sources};
use super::settings::{Settings, SiteSettings};
use super::staff::Staff;
use super::tracker::Tracker;
use super::views::PageViews;
use crate::components::totals::Totals;
use collector::http::{HttpSettings, Senders};
use collector::{Collector, CollectorSettings, IntakeLimits};
use secrecy::ExposeSecret;
use service::health::Health;
use service::outage::Outage;
use std::sync::Arc;
use store::{Store, StoreOptions};
use tokio_util::sync::CancellationToken;

/// The shop's parts.
#[derive(Clone)]
pub struct Shop {
    /// The way into Kafka.
    pub collector: Collector,
    /// Who may send events from elsewhere, and how many.
    pub(super) http: HttpSettings,
    /// Who sends events, over HTTP and gRPC.
    pub(super) senders: Senders,
    /// Where rows are read.
    pub store: Store,
    /// The topic's name, for those who want to look.
    pub topic: Arc<str>,
    /// Where they would look.
    pub brokers: Arc<str>,
    /// Who says that Postgres is away, whoever notices.
    pub(super) postgres: Arc<Outage>,
    /// The site's files.
    pub(super) site: Arc<Site>,
    /// What else they load; none where it could not send.
    pub(super) tracker: Option<Tracker>,
    /// What records that pages were seen.
    pub(super) views: PageViews,
    /// Who may see more than a visitor.
    pub(super) staff: Arc<Staff>,
    /// What they see of the events' way.
    pub(super) pipeline: Pipeline,
    /// Ends what would otherwise wait for long.
    pub stop: CancellationToken,
    /// The port of `cargo leptos watch`, while it watches.
    pub(super) reload_port: Option<u16>,
}

impl Shop {
    /// Builds every part. Works with Kafka and Postgres away.
    ///
    /// Must be called within a tokio runtime.
    pub fn open(
        settings: &Settings,
        health: Health,
        stop: CancellationToken,
    ) -> anyhow::Result<Self> {
        let store = Store::connect_lazy(
            settings.database.database_url.expose_secret(),
            &StoreOptions {
                application_name: "clickshop app".to_owned(),
                ..StoreOptions::default()
            },
        )?;
        let postgres = Arc::new(Outage::new("Postgres"));
        let site = Arc::new(site(&settings.site));
        tokio::spawn({
            let (stop, watch) = (stop.clone(), Arc::clone(&site).watch());
            async move { stop.run_until_cancelled(watch).await }
        });
        let collector = Collector::start(
            CollectorSettings {
                spool: settings.spool.settings(),
                intake: IntakeLimits::of(settings.http.intake.intake_max_bytes),
                truncate_ip: settings.http.privacy.truncate_ip,
                postgres: Arc::clone(&postgres),
                ..CollectorSettings::new(settings.kafka.clone())
            },
            Some(store.clone()),
            health,
            stop.clone(),
        )?;
        let pipeline = Pipeline::new(
            Sources {
                kafka: settings.kafka.clone(),
                store: store.clone(),
                collector: collector.clone(),
            },
            stop.clone(),
        );
        Ok(Self {
            views: PageViews::new(collector.clone()),
            staff: Arc::new(Staff::new(&settings.staff)),
            pipeline,
            collector,
            http: settings.http.clone(),
            senders: Senders::new(&settings.http),
            store,
            topic: settings.kafka.kafka_topic.as_str().into(),
            brokers: settings.kafka.kafka_brokers.as_str().into(),
            postgres,
            site,
            tracker: Tracker::new(&settings.tracker, &settings.http),
            stop,
            reload_port: std::env::var_os("LEPTOS_WATCH").map(|_| settings.site.leptos_reload_port),
        })
    }

    /// What everybody clicked on so far, from this process's memory; none before it has heard of it.
    pub(super) fn totals(&self) -> Option<Totals> {
        let clicks = self.collector.clicks()?;
        Some(Totals {
            item: clicks.item,
            add_to_cart: clicks.add_to_cart,
            buy: clicks.buy,
        })
    }

    /// Ends every part, the last acknowledgements awaited.
    pub async fn close(&self) {
        self.views.finish().await;
        self.collector.shutdown().await;
    }
}

fn site(settings: &SiteSettings) -> Site {
    Site::new(settings.leptos_site_root.clone(), settings.hash_file())
}
