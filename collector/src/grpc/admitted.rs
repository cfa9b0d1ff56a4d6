//! A call that brings an event is read only when there is room for it, which HTTP's requests share: no client of
//! gRPC says beforehand how much it will send, so a call counts as the largest until it is read.

use super::unavailable;
use crate::Collector;
use crate::http::body::EVENT_MAX_BYTES;
use crate::intake::{BUSY, RETRY_AFTER, Share};
use crate::telemetry::METERS;
use axum::body::HttpBody;
use axum::http::{Request, Response};
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use tonic::body::Body;
use tonic::server::NamedService;
use tower::Service;

/// A service of which no call is read without room.
#[derive(Clone)]
pub(super) struct Admitted<S> {
    service: S,
    collector: Collector,
}

impl<S> Admitted<S> {
    pub const fn new(service: S, collector: Collector) -> Self {
        Self { service, collector }
    }
}

impl<S: NamedService> NamedService for Admitted<S> {
    const NAME: &'static str = S::NAME;
}

impl<S, B> Service<Request<B>> for Admitted<S>
where
    S: Service<Request<B>, Response = Response<Body>, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send,
    B: HttpBody + Send + 'static,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.service.poll_ready(context)
    }

    fn call(&mut self, mut call: Request<B>) -> Self::Future {
        // The one that is ready is this one.
        let another = self.service.clone();
        let mut service = std::mem::replace(&mut self.service, another);
        let collector = self.collector.clone();
        Box::pin(async move {
            let announced = call.body().size_hint().exact();
            let bytes = announced.and_then(|bytes| usize::try_from(bytes).ok());
            let bytes = bytes.unwrap_or(EVENT_MAX_BYTES).min(EVENT_MAX_BYTES);
            let Ok(share) = collector.intake().admit(bytes).await else {
                METERS.http_refused.add(BUSY, 1);
                return Ok(unavailable(RETRY_AFTER).into_http());
            };
            call.extensions_mut().insert(Room::new(share));
            service.call(call).await
        })
    }
}

/// A call's share of the room, which goes where the call goes.
#[derive(Clone)]
pub(super) struct Room(Arc<Mutex<Share>>);

impl Room {
    fn new(share: Share) -> Self {
        Self(Arc::new(Mutex::new(share)))
    }

    /// The call is read, and brought so many bytes.
    pub fn shrink(&self, bytes: usize) {
        let share = self.0.lock();
        share.unwrap_or_else(PoisonError::into_inner).shrink(bytes);
    }
}
