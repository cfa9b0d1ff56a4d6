//! What every request passes before its contract reads it: whose it is, whether a page of that site may
//! send it, and whether its sender has sent too many.

use super::address::{self, ClientAddress};
use super::cors::Origins;
use super::keys::WriteKeys;
use super::limit::Limits;
use super::privacy::{self, Unknown};
use super::settings::HttpSettings;
use super::{event, track, v1};
use axum::extract::{Request, State};
use axum::http::{Method, header};
use axum::middleware::Next;
use axum::response::Response;
use service::settings::Networks;
use std::sync::Arc;

/// The rules, from the settings.
pub(super) struct Gate {
    pub keys: WriteKeys,
    pub limits: Limits,
    origins: Origins,
    proxies: Networks,
    respect_dnt: bool,
}

impl Gate {
    pub fn new(settings: &HttpSettings) -> Self {
        Self {
            keys: settings.keys.write_keys.clone(),
            limits: Limits::new(&settings.limits),
            origins: settings.cors.cors_origins.clone(),
            proxies: settings.proxies.trusted_proxies.clone(),
            respect_dnt: settings.privacy.respect_dnt,
        }
    }

    /// Whether [`senders`] has anything to do; where not, it is left out of every request's way.
    pub fn minds_senders(&self) -> bool {
        self.respect_dnt || self.limits.of_addresses()
    }
}

/// Lets the shop's requests carry what is known of their sender.
pub(super) async fn known(
    State(gate): State<Arc<Gate>>,
    mut request: Request,
    next: Next,
) -> Response {
    address::learn(&mut request, &gate.proxies);
    next.run(request).await
}

/// The same for the collector's own; also answers a page's browser when it asks for leave, and tells it who
/// may read the answer.
pub(super) async fn pages(
    State(gate): State<Arc<Gate>>,
    mut request: Request,
    next: Next,
) -> Response {
    address::learn(&mut request, &gate.proxies);
    let (parts, body) = request.into_parts();
    if let Some(answer) = gate.origins.preflight(&parts) {
        return answer;
    }
    let origin = parts.headers.get(header::ORIGIN).cloned();
    let mut answer = next.run(Request::from_parts(parts, body)).await;
    gate.origins.add(origin.as_ref(), &mut answer);
    answer
}

/// Turns away who has sent too many, in the words of the contract; marks what is to remain nobody's.
pub(super) async fn senders(
    State(gate): State<Arc<Gate>>,
    mut request: Request,
    next: Next,
) -> Response {
    if matches!(*request.method(), Method::POST | Method::PUT) {
        let address = ClientAddress::of(request.extensions());
        if let Err(refused) = gate.limits.address(address) {
            let path = request.uri().path();
            return if path.starts_with("/v1/") {
                v1::refuse(refused)
            } else if path == "/track" {
                track::refuse(refused, track::Mistake::Json)
            } else {
                event::refuse(refused, "")
            };
        }
    }
    if gate.respect_dnt && privacy::wants_to_be_unknown(request.headers()) {
        request.extensions_mut().insert(Unknown);
    }
    next.run(request).await
}
