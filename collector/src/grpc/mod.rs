//! gRPC on one port: events in, and the live counters, in the words of the clients that speak them already.
//! As over HTTP, no answer says success before the event is kept.
//!
//! The modules: what is spoken ([`proto`], made from the folder `proto/`), one connection (`connection`),
//! room for what comes (`admitted`), events (`publish`), counts (`counts`) and what a connection's counts mean (`base`). Beside them the port
//! has server reflection and the standard health service, in which the counters are a service of their own:
//! without a database they are not served, and all else is.

mod admitted;
mod base;
mod connection;
mod counts;
mod publish;

use crate::connections::Connections;
use crate::http::Senders;
use crate::http::body::EVENT_MAX_BYTES;
use crate::{AcceptError, Collector};
use admitted::Admitted;
use anyhow::Context as _;
use counts::{Counts, Seat};
use proto::click_count_app::click_count_app_server::{self, ClickCountAppServer};
use proto::ingest::event_service_server::{self, EventServiceServer};
use publish::Publish;
use service::port;
use service::shutdown::{LAST_REQUESTS, served};
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::time::interval;
use tokio_util::sync::CancellationToken;
use tonic::metadata::MetadataMap;
use tonic::transport::Server;
use tonic::{Code, Request, Status};
use tonic_health::ServingStatus;
use tonic_health::server::HealthReporter;

/// Longer than any acknowledgement takes; a call of which not everything has come by then has failed.
const CALL_MAX: Duration = Duration::from_secs(10);
/// The most calls of a connection at a time; more wait.
const CALLS_MAX: u32 = 256;
/// A connection on which nothing happens is asked for a sign of life so often …
const SIGN_OF_LIFE_EVERY: Duration = Duration::from_secs(30);
/// … and closed when none comes within this.
const SIGN_OF_LIFE_WITHIN: Duration = Duration::from_secs(10);
/// The most bytes of a request's headers.
const HEADERS_MAX_BYTES: u32 = 16 * 1024;
/// What a call may send before it is read, which is more than an event …
const CALL_WINDOW_BYTES: u32 = 64 * 1024;
/// … and what all calls of a connection may: it lies in memory when nobody reads it.
const CONNECTION_WINDOW_BYTES: u32 = 256 * 1024;
/// The most bytes of a message of counts.
const COUNTS_MAX_BYTES: usize = 1024;
/// How often the health service looks whether the counters are known.
const HEALTH_EVERY: Duration = Duration::from_secs(1);

/// What is spoken: made from the files of `proto/`, whose comments these are.
#[allow(
    missing_docs,
    clippy::pedantic,
    reason = "made by a program from commented files"
)]
pub mod proto {
    /// Events in.
    pub mod ingest {
        tonic::include_proto!("ingest");
    }
    /// Live counts.
    pub mod click_count_app {
        tonic::include_proto!("click_count_app");
    }
    /// The files as descriptors, for server reflection.
    pub const DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/services.bin"));
}

/// Where gRPC is served, for a binary to flatten into its own settings.
#[derive(Debug, Clone, clap::Args)]
pub struct GrpcSettings {
    /// Address of gRPC; each process of a machine needs one of its own.
    #[arg(long, env = "GRPC_ADDR", value_name = "ADDR:PORT", default_value_t = SocketAddr::from((Ipv4Addr::LOCALHOST, 50051)))]
    pub grpc_addr: SocketAddr,
}

impl GrpcSettings {
    /// Listens, or says who does so already and which setting moves us.
    pub async fn bind(&self) -> anyhow::Result<TcpListener> {
        port::bind(self.grpc_addr, "GRPC_ADDR").await
    }
}

/// What the port's services use.
#[derive(Clone)]
pub struct Port {
    collector: Collector,
    senders: Senders,
    connections_max: u32,
}

impl Port {
    /// Events go to `collector`; `senders` are counted together with those that come over HTTP. At most
    /// `connections_max` connections are open at a time; others wait in the system's queue.
    pub const fn new(collector: Collector, senders: Senders, connections_max: u32) -> Self {
        Self {
            collector,
            senders,
            connections_max,
        }
    }

    /// One more call that brings events; says when to come again where there were too many from its address.
    fn one_more<T>(&self, call: &Request<T>) -> Result<(), Status> {
        let peer = call.extensions().get::<Seat>().and_then(Seat::peer);
        let Some(peer) = peer else {
            return Ok(());
        };
        let refused = self.senders.one_more(peer, call.metadata().as_ref());
        refused.map_err(|wait| come_again(Code::ResourceExhausted, "too many requests", wait))
    }
}

/// Serves gRPC on `listener` until `shutdown` is cancelled and every call that was begun is answered.
pub async fn serve(
    listener: TcpListener,
    port: Port,
    shutdown: CancellationToken,
) -> anyhow::Result<()> {
    let collector = port.collector.clone();
    let (reporter, health) = tonic_health::server::health_reporter();
    let said = announce(&reporter, &collector, None).await;
    let reflection = || {
        tonic_reflection::server::Builder::configure()
            .register_encoded_file_descriptor_set(proto::DESCRIPTORS)
            .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
    };
    let events = EventServiceServer::new(Publish(port.clone()));
    let events = events.max_decoding_message_size(EVENT_MAX_BYTES);
    let connections = Connections::new(port.connections_max);
    let counts = ClickCountAppServer::new(Counts(port));
    Server::builder()
        .timeout(CALL_MAX)
        .max_concurrent_streams(CALLS_MAX)
        .http2_keepalive_interval(Some(SIGN_OF_LIFE_EVERY))
        .http2_keepalive_timeout(Some(SIGN_OF_LIFE_WITHIN))
        .http2_max_header_list_size(HEADERS_MAX_BYTES)
        .initial_stream_window_size(CALL_WINDOW_BYTES)
        .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
        .add_service(Admitted::new(events, collector.clone()))
        .add_service(counts.max_decoding_message_size(COUNTS_MAX_BYTES))
        .add_service(health)
        // Tools that are some years old ask the first version.
        .add_service(reflection().build_v1()?)
        .add_service(reflection().build_v1alpha()?)
        .serve_with_incoming_shutdown(
            connection::incoming(listener, connections),
            announce_until(reporter, collector, said, shutdown),
        )
        .await
        .context("gRPC's listener failed")
}

/// The same beside `over_http`, a server that ends with `shutdown` as well: returns when both have ended, and
/// waits for what they have begun at most [`LAST_REQUESTS`].
///
/// Returns the error of the one that fails first.
pub async fn beside(
    over_http: impl IntoFuture<Output = io::Result<()>>,
    listener: TcpListener,
    port: Port,
    shutdown: &CancellationToken,
) -> anyhow::Result<()> {
    let over_http = async { over_http.await.context("HTTP's listener failed") };
    let over_grpc = serve(listener, port, shutdown.clone());
    let both = Box::pin(async { tokio::try_join!(over_http, over_grpc).map(drop) });
    served(both, shutdown, LAST_REQUESTS).await
}

/// Tells the health service what is served, as far as that is news; returns whether the counters are.
async fn announce(reporter: &HealthReporter, collector: &Collector, said: Option<bool>) -> bool {
    let known = collector.clicks().is_some();
    if said.is_none() {
        let events = event_service_server::SERVICE_NAME;
        reporter
            .set_service_status(events, ServingStatus::Serving)
            .await;
    }
    if said != Some(known) {
        let status = if known {
            ServingStatus::Serving
        } else {
            ServingStatus::NotServing
        };
        let counts = click_count_app_server::SERVICE_NAME;
        reporter.set_service_status(counts, status).await;
    }
    known
}

/// Goes on with that until `shutdown`; then nothing is served any more, and those who watch are let go.
async fn announce_until(
    mut reporter: HealthReporter,
    collector: Collector,
    mut said: bool,
    shutdown: CancellationToken,
) {
    let mut tick = interval(HEALTH_EVERY);
    while shutdown.run_until_cancelled(tick.tick()).await.is_some() {
        said = announce(&reporter, &collector, Some(said)).await;
    }
    let services = [
        "",
        event_service_server::SERVICE_NAME,
        click_count_app_server::SERVICE_NAME,
    ];
    for service in services {
        reporter
            .set_service_status(service, ServingStatus::NotServing)
            .await;
        reporter.clear_service_status(service).await;
    }
}

/// Why nothing was kept, as a status; `invalid` says what is wrong with an event.
fn status(error: &AcceptError, invalid: impl FnOnce(&domain::Reject) -> String) -> Status {
    match error {
        AcceptError::Invalid(reject) => Status::invalid_argument(invalid(reject)),
        AcceptError::Unavailable { .. } | AcceptError::Overloaded => {
            unavailable(error.retry_after().unwrap_or_default())
        }
    }
}

fn unavailable(retry_after: Duration) -> Status {
    come_again(Code::Unavailable, "temporarily unavailable", retry_after)
}

/// Come again after this time; said in the way in which gRPC's own clients understand it.
fn come_again(code: Code, why: &str, retry_after: Duration) -> Status {
    let mut hint = MetadataMap::new();
    if let Ok(ms) = retry_after.as_millis().to_string().parse() {
        hint.insert("grpc-retry-pushback-ms", ms);
    }
    Status::with_metadata(code, why, hint)
}

#[cfg(test)]
mod tests;
