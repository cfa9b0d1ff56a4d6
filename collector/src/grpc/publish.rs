//! `ingest.EventService`: the contract of `POST /events`, one event a call.

use super::admitted::Room;
use super::proto::ingest::event_service_server::EventService;
use super::proto::ingest::{EventRequest, EventResponse};
use super::{Port, status};
use crate::accept::count_invalid;
use crate::http::events::{of_grpc, why};
use crate::http::keep::{self, Row, Wait};
use prost::Message as _;
use tonic::metadata::{MetadataMap, MetadataValue};
use tonic::{Request, Response, Status};

/// Takes events.
pub(super) struct Publish(pub Port);

#[tonic::async_trait]
impl EventService for Publish {
    async fn publish_event(
        &self,
        mut request: Request<EventRequest>,
    ) -> Result<Response<EventResponse>, Status> {
        // Held until the call is answered.
        let room = request.extensions_mut().remove::<Room>();
        if let Some(room) = &room {
            room.shrink(request.get_ref().encoded_len());
        }
        self.0.one_more(&request)?;
        let wait = wait(request.metadata());
        let (draft, id) = of_grpc(request.into_inner()).map_err(|why| {
            count_invalid(1);
            Status::invalid_argument(why)
        })?;
        let (receipt, row) = keep::one(&self.0.collector, draft, wait)
            .await
            .map_err(|error| status(&error, why))?;
        let mut response = Response::new(EventResponse {
            status: "queued".to_owned(),
            id: id.unwrap_or_else(|| receipt.event_id.to_string()),
        });
        if let Some(row) = row {
            tell(row, response.metadata_mut());
        }
        Ok(response)
    }
}

/// `wait: stored`, as HTTP's `?wait=stored`.
fn wait(metadata: &MetadataMap) -> Wait {
    match metadata.get("wait").map(MetadataValue::as_bytes) {
        Some(b"stored") => Wait::Stored,
        Some(_) | None => Wait::Acknowledged,
    }
}

/// What a client that waited is told besides.
fn tell(row: Row, metadata: &mut MetadataMap) {
    let stored = if row.stored { "true" } else { "false" };
    metadata.insert("stored", MetadataValue::from_static(stored));
    if let (Some(partition), Some(offset)) = (row.partition, row.offset) {
        metadata.insert("partition", partition.into());
        metadata.insert("offset", offset.into());
    }
}
