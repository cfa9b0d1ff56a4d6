//! What is where.
//!
//! The shop's own forms are for its own pages alone; the collector's addresses, mounted beside them, are
//! for other programs and not below that rule.

use super::assets::is_hashed;
use super::handlers::{cart, checkout, click, hello, not_found, pipeline, receipt, shop, staff};
use super::origin::same_origin_only;
use super::posts;
use super::state::Shop;
use axum::Router;
use axum::extract::Request;
use axum::handler::Handler;
use axum::http::{HeaderName, HeaderValue, header};
use axum::middleware::{self, Next};
use axum::response::Response;
use axum::routing::{get, post};
use tower_http::compression::CompressionLayer;
use tower_http::services::ServeDir;

/// Where `cargo leptos` takes the files of [`ServeDir`]'s root from; served from here until it has.
const ASSETS: &str = "app/public";

/// What every answer carries.
const HEADERS: [(HeaderName, HeaderValue); 4] = [
    (
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    ),
    // Not `no-referrer`: a form's post would then come from the origin "null".
    (
        header::REFERRER_POLICY,
        HeaderValue::from_static("same-origin"),
    ),
    (header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY")),
    (
        HeaderName::from_static("cross-origin-opener-policy"),
        HeaderValue::from_static("same-origin"),
    ),
];

/// Every address of the shop.
pub fn router(state: Shop) -> Router {
    let files = ServeDir::new(state.site.root())
        .append_index_html_on_directories(false)
        .precompressed_br()
        .precompressed_gzip()
        .call_fallback_on_method_not_allowed(true)
        .fallback(
            ServeDir::new(ASSETS)
                .append_index_html_on_directories(false)
                .call_fallback_on_method_not_allowed(true)
                .fallback(not_found::show.with_state(state.clone())),
        );
    let (collector, http) = (state.collector.clone(), state.http.clone());
    let senders = state.senders.clone();
    let for_staff = Router::new()
        .route("/pipeline", get(pipeline::show))
        .route(pipeline::NEWS, get(pipeline::news))
        .route("/balance", get(pipeline::balance))
        .route_layer(middleware::from_fn_with_state(
            state.clone(),
            staff::staff_only,
        ));
    let judge = middleware::from_fn_with_state(state.clone(), staff::judge);
    let take = middleware::from_fn_with_state(state.clone(), posts::take);
    let shop = Router::new()
        .route("/", get(shop::show))
        .route("/hello", get(hello::ask).post(hello::answer))
        .route("/cart", get(cart::show).post(cart::add))
        .route("/checkout", post(checkout::buy))
        .route("/thanks", get(checkout::thanks))
        .route("/click", post(click::record))
        .route("/receipt/{id}", get(receipt::show))
        .route("/receipt/{id}/progress", get(receipt::progress))
        .route("/staff", get(staff::ask).post(staff::sign_in))
        .route("/staff/out", post(staff::sign_out))
        .merge(for_staff)
        .layer(take)
        .layer(middleware::from_fn(same_origin_only))
        .with_state(state)
        .fallback_service(files)
        .layer(judge)
        .layer(middleware::from_fn(with_headers))
        .layer(CompressionLayer::new());
    collector::http::mount(shop, collector, &http, senders)
}

/// Adds the headers that every answer carries, and how long a file may be kept.
async fn with_headers(request: Request, next: Next) -> Response {
    let path = request.uri().path().to_owned();
    let mut answer = next.run(request).await;
    let kept = if is_hashed(&path) {
        "public, max-age=31536000, immutable"
    } else {
        "no-cache"
    };
    let succeeded = answer.status().is_success();
    let headers = answer.headers_mut();
    for (name, value) in HEADERS {
        headers.insert(name, value);
    }
    if succeeded && !headers.contains_key(header::CACHE_CONTROL) {
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(kept));
    }
    answer
}
