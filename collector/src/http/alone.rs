//! The collector as a process of its own: settings, then the listeners, then an orderly end in which
//! every request that was begun is answered.

use super::serve::{self, Patience};
use super::{HttpSettings, Senders, reply, router, track};
use crate::grpc::{self, GrpcSettings};
use crate::{Collector, CollectorSettings, IntakeLimits, SpoolArgs};
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::get;
use axum::serve::ListenerExt as _;
use secrecy::ExposeSecret as _;
use service::health::Health;
use service::settings::{DatabaseSettings, KafkaSettings, OpsSettings};
use service::telemetry::Telemetry;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;
use store::{Store, StoreOptions};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

/// How long the last events may take to be acknowledged.
const LAST_EVENTS: Duration = Duration::from_secs(4);

/// The collector alone: events in over HTTP and gRPC, acknowledged when they are kept.
#[derive(Debug, Clone, clap::Parser)]
#[command(
    name = "collector",
    version,
    // Not the shop's own folder: both may run on one machine.
    mut_arg("spool_dir", |spool_dir| spool_dir.default_value(".clickshop/spool-collector"))
)]
pub struct Settings {
    /// Where clients reach it.
    #[command(flatten)]
    pub server: ServerSettings,
    /// And where over gRPC.
    #[command(flatten)]
    pub grpc: GrpcSettings,
    /// Where events go.
    #[command(flatten)]
    pub kafka: KafkaSettings,
    /// Where events wait while Kafka is away.
    #[command(flatten)]
    pub spool: SpoolArgs,
    /// Who may send events, and how many.
    #[command(flatten)]
    pub http: HttpSettings,
    /// Where it is asked whether an event is a row.
    #[command(flatten)]
    pub database: DatabaseSettings,
    /// Run without Postgres: `?wait=stored` then says that it does not know of a row, and the live counters 503.
    #[arg(long, env = "WITHOUT_DATABASE", value_name = "BOOL", default_value_t = false, action = clap::ArgAction::Set, num_args = 0..=1, default_missing_value = "true")]
    pub without_database: bool,
    /// Where operators look.
    #[command(flatten)]
    pub ops: OpsSettings<9466>,
}

/// The address of HTTP.
#[derive(Debug, Clone, clap::Args)]
pub struct ServerSettings {
    /// Address on which the collector alone listens; `0.0.0.0` for every one of the machine's.
    #[arg(long, env = "SERVER_HOST", value_name = "ADDR", default_value_t = IpAddr::V4(Ipv4Addr::LOCALHOST))]
    pub server_host: IpAddr,
    /// Port of the collector alone.
    #[arg(long, env = "SERVER_PORT", value_name = "PORT", default_value_t = 8080)]
    pub server_port: u16,
}

impl ServerSettings {
    /// The listener's address.
    pub fn address(&self) -> SocketAddr {
        (self.server_host, self.server_port).into()
    }
}

/// Serves HTTP on `listener` and gRPC on `grpc` until `shutdown` is cancelled; Kafka and Postgres may be away.
pub async fn run(
    listener: TcpListener,
    grpc: TcpListener,
    settings: Settings,
    telemetry: &Telemetry,
    shutdown: CancellationToken,
) -> anyhow::Result<()> {
    let health = Health::new();
    let store = if settings.without_database {
        None
    } else {
        Some(Store::connect_lazy(
            settings.database.database_url.expose_secret(),
            &StoreOptions {
                application_name: "clickshop collector".to_owned(),
                ..StoreOptions::default()
            },
        )?)
    };
    let collector = Collector::start(
        CollectorSettings {
            spool: settings.spool.settings(),
            intake: IntakeLimits::of(settings.http.intake.intake_max_bytes),
            truncate_ip: settings.http.privacy.truncate_ip,
            ..CollectorSettings::new(settings.kafka)
        },
        store,
        health.clone(),
        shutdown.clone(),
    )?;
    let ops = telemetry
        .serve_ops(settings.ops.ops_addr, health, shutdown.clone())
        .await?;
    let address = listener.local_addr()?;
    let over_grpc = grpc.local_addr()?;
    tracing::info!(
        "events are taken at http://{address} (gRPC: {over_grpc}; metrics and health: http://{ops})"
    );

    let senders = Senders::new(&settings.http);
    let router = router(collector.clone(), &settings.http, senders.clone())
        .route("/", get(track::health).fallback(reply::only_get))
        .fallback(other_path);
    // An answer is one small packet; nothing is gained by waiting for a second one.
    let listener = listener.tap_io(|stream| {
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "a connection that has gone already");
        }
    });
    let most = settings.http.intake.connections_max;
    let over_http = serve::run(
        listener,
        router,
        Patience::default(),
        most,
        shutdown.clone(),
    );
    let port = grpc::Port::new(collector.clone(), senders, most);
    grpc::beside(over_http, grpc, port, &shutdown).await?;
    if tokio::time::timeout(LAST_EVENTS, collector.shutdown())
        .await
        .is_err()
    {
        tracing::warn!("Kafka has not answered for the last events within {LAST_EVENTS:?}");
    }
    tracing::info!("the collector has ended");
    Ok(())
}

/// Any other address.
async fn other_path() -> Response {
    reply::problem(StatusCode::NOT_FOUND, None)
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::{CommandFactory as _, Parser as _};

    #[test]
    fn no_setting_is_needed() {
        let settings = Settings::try_parse_from(["collector"]).unwrap();
        assert_eq!(settings.server.address().to_string(), "127.0.0.1:8080");
        assert!(!settings.without_database);
        assert!(settings.spool.spool_dir.ends_with("spool-collector"));
        let settings = Settings::try_parse_from(["collector", "--without-database"]).unwrap();
        assert!(settings.without_database);
    }

    #[test]
    fn the_readme_has_every_setting_of_the_collector() {
        service::settings::check_readme(Settings::command()).unwrap();
    }
}
