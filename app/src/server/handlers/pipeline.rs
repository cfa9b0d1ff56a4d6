//! `GET /pipeline`: everything about the events' way as a page, or as text for a terminal; `GET
//! /pipeline/events`: every change of it; `GET /balance`: the same for programs.
//!
//! All are the staff's, and no look at them is a page view: the operators' own looks are nobody's clicks.

use crate::components::pipeline::parts;
use crate::components::shell::{Frame, Refresh};
use crate::pages::pipeline::pipeline as content;
use crate::server::pipeline::{Seat, Shown, text};
use crate::server::render::{frame, html, page};
use crate::server::state::Shop;
use crate::server::visitor::Visitor;
use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures::stream;
use std::convert::Infallible;
use std::time::Duration;

/// The address of the news.
pub const NEWS: &str = "/pipeline/events";
/// Without scripts the page loads itself again so often.
const REFRESH_S: u32 = 2;
/// So often a silent connection is kept alive, for whatever lies between.
const HEARTBEAT: Duration = Duration::from_secs(10);
/// When to come again while every seat is taken.
const COME_AGAIN_S: u32 = 10;

/// The page; text for those who ask for no HTML, JSON for those who ask for it.
pub async fn show(State(shop): State<Shop>, visitor: Visitor, headers: HeaderMap) -> Response {
    let Some(shown) = shop.pipeline.look().shown().await else {
        return ending();
    };
    let accepted = headers
        .get(header::ACCEPT)
        .and_then(|kinds| kinds.to_str().ok());
    match accepted {
        Some(kinds) if kinds.contains("text/html") => {
            let frame = Frame {
                refresh: Some(Refresh {
                    seconds: REFRESH_S,
                    href: "/pipeline".to_owned(),
                }),
                ..frame(&visitor, "The pipeline", "/pipeline")
            };
            page(&shop, &visitor, StatusCode::OK, frame, || {
                content(&shown.figures, NEWS)
            })
        }
        Some(kinds) if kinds.contains("application/json") => json(&shown),
        _ => {
            let plain = [
                (header::CONTENT_TYPE, "text/plain; charset=utf-8"),
                (header::CACHE_CONTROL, "no-store"),
            ];
            (plain, text::text(&shown.figures)).into_response()
        }
    }
}

/// The figures as JSON.
pub async fn balance(State(shop): State<Shop>) -> Response {
    match shop.pipeline.look().shown().await {
        Some(shown) => json(&shown),
        None => ending(),
    }
}

/// The parts of the page, once a second and whenever a broker dies or comes back.
pub async fn news(State(shop): State<Shop>) -> Response {
    let Some(seat) = shop.pipeline.seat() else {
        let later = [(header::RETRY_AFTER, COME_AGAIN_S.to_string())];
        let words = "too many are told already\n";
        return (StatusCode::SERVICE_UNAVAILABLE, later, words).into_response();
    };
    let told = stream::unfold(seat, |mut seat: Seat| async move {
        let shown = seat.next().await?;
        let event = Event::default().data(shown.markup(|figures| {
            // A line of an event ends at either; HTML does not mind.
            html(|| parts(figures)).replace('\r', " ")
        }));
        Some((Ok::<_, Infallible>(event), seat))
    });
    let mut answer = Sse::new(told)
        .keep_alive(KeepAlive::new().interval(HEARTBEAT))
        .into_response();
    let headers = answer.headers_mut();
    headers.insert(
        header::CACHE_CONTROL,
        header::HeaderValue::from_static("no-store"),
    );
    answer
}

fn json(shown: &Shown) -> Response {
    ([(header::CACHE_CONTROL, "no-store")], Json(&shown.figures)).into_response()
}

fn ending() -> Response {
    (StatusCode::SERVICE_UNAVAILABLE, "the shop is closing\n").into_response()
}
