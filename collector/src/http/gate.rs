//! What every request passes before its contract reads it: whose it is, whether a page of that site may
//! send it, and whether its sender has sent too many.

use super::address::{self, ClientAddress};
use super::body;
use super::cors::Origins;
use super::keys::WriteKeys;
use super::privacy::{self, Unknown};
use super::scheme::Scheme;
use super::senders::Senders;
use super::settings::HttpSettings;
use super::visit::{Offered, Visit};
use super::{scheme, track, v1};
use axum::extract::{Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method, header};
use axum::middleware::Next;
use axum::response::Response;
use std::sync::Arc;

/// The rules, from the settings.
pub(super) struct Gate {
    pub keys: WriteKeys,
    pub senders: Senders,
    origins: Origins,
    respect_dnt: bool,
}

impl Gate {
    pub fn new(settings: &HttpSettings, senders: Senders) -> Self {
        Self {
            keys: settings.keys.write_keys.clone(),
            senders,
            origins: settings.cors.cors_origins.clone(),
            respect_dnt: settings.privacy.respect_dnt,
        }
    }

    /// Whether [`senders`] has anything to do; where not, it is left out of every request's way.
    pub fn minds_senders(&self) -> bool {
        self.senders.limits().of_addresses()
    }

    /// Whether it counts that somebody does not want to be followed.
    pub const fn respects_dnt(&self) -> bool {
        self.respect_dnt
    }

    /// Whether who sends this is to remain unknown.
    fn spares(&self, headers: &HeaderMap) -> bool {
        self.respect_dnt && privacy::wants_to_be_unknown(headers)
    }

    /// Lets a request carry what is known of its sender, and whether that is to be forgotten.
    fn learn(&self, request: &mut Request) {
        address::learn(request, self.senders.proxies());
        scheme::learn(request, self.senders.proxies());
        if self.spares(request.headers()) {
            request.extensions_mut().insert(Unknown);
        }
    }

    /// The visit that an event belongs to which a page of the collector's own site sends; others' pages keep
    /// no cookie of ours.
    fn visit(&self, request: &Parts) -> Option<Offered> {
        let site = request.headers.get("sec-fetch-site");
        let ours = request.method == Method::POST && site.is_some_and(|site| site == "same-origin");
        let scheme = Scheme::of(&request.extensions);
        (ours && !self.spares(&request.headers))
            .then(|| Offered::new(Visit::of(&request.headers), scheme))
    }
}

/// Lets the shop's requests carry what is known of their sender.
pub(super) async fn known(
    State(gate): State<Arc<Gate>>,
    mut request: Request,
    next: Next,
) -> Response {
    gate.learn(&mut request);
    next.run(request).await
}

/// The same for the collector's own; also answers a page's browser when it asks for leave, tells it who may
/// read the answer, and keeps it on its visit.
pub(super) async fn pages(
    State(gate): State<Arc<Gate>>,
    mut request: Request,
    next: Next,
) -> Response {
    gate.learn(&mut request);
    let (mut parts, body) = request.into_parts();
    if let Some(answer) = gate.origins.preflight(&parts) {
        return answer;
    }
    let origin = parts.headers.get(header::ORIGIN).cloned();
    let visit = gate.visit(&parts);
    if let Some(visit) = &visit {
        parts.extensions.insert(visit.clone());
    }
    let mut answer = next.run(Request::from_parts(parts, body)).await;
    gate.origins.add(origin.as_ref(), &mut answer);
    let kept = visit.filter(|_| answer.status().is_success());
    if let Some(cookie) = kept.and_then(|visit| visit.cookie()) {
        answer.headers_mut().append(header::SET_COOKIE, cookie);
    }
    answer
}

/// Turns away who has sent too many, in the words of the contract.
pub(super) async fn senders(
    State(gate): State<Arc<Gate>>,
    request: Request,
    next: Next,
) -> Response {
    if matches!(*request.method(), Method::POST | Method::PUT) {
        let address = ClientAddress::of(request.extensions());
        if let Err(refused) = gate.senders.admit(address) {
            let (parts, rest) = request.into_parts();
            body::pass_over(rest).await;
            let path = parts.uri.path();
            return if path.starts_with("/v1/") {
                v1::refuse(refused)
            } else if path == "/track" {
                track::refuse(refused, track::Mistake::Json)
            } else {
                refused.problem()
            };
        }
    }
    next.run(request).await
}
