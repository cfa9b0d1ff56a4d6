//! `/api/clicks` and its service over gRPC as the running process answers them from a database.

use crate::alone::Process;
use crate::alone::call::{JSON, TEXT, ask_all, call};
use crate::shop::{self, until};
use collector::grpc::proto::click_count_app::click_count_app_client::ClickCountAppClient;
use collector::grpc::proto::click_count_app::{ClickCounts, GetClicksRequest, SetClicksRequest};
use sqlx::{ConnectOptions as _, PgPool};
use tonic::transport::Endpoint;

#[sqlx::test(migrations = "../migrations")]
async fn totals_are_told_over_http_and_over_grpc(pool: PgPool) {
    let kafka = shop::cluster();
    let process = Process::start_with(&[
        ("KAFKA_BROKERS", &kafka.bootstrap_servers()),
        ("WITHOUT_DATABASE", "false"),
        (
            "DATABASE_URL",
            pool.connect_options().to_url_lossy().as_str(),
        ),
    ]);
    process.until_ready().await;
    until(
        || process.get("/api/clicks").0,
        |status| status.ends_with("200 OK"),
    )
    .await;
    let told = |asked, kind, says: &str| {
        let call = call(asked, "").says(200, kind, says);
        call.with("cache-control: no-store")
    };
    let nothing = r#"{"itemClicks":0,"addToCartClicks":0,"buyClicks":0}"#;
    let first = [
        told("GET /api/clicks", JSON, nothing),
        told("GET /api/clicks/item", TEXT, "0"),
        told("GET /api/clicks/addToCart", TEXT, "0"),
        told("GET /api/clicks/buy", TEXT, "0"),
    ];
    ask_all(&process.address, &first);
    let clicks = [
        call("PUT /api/clicks/item", "").says(200, "", ""),
        call("PUT /api/clicks/item", "").says(200, "", ""),
        call("PUT /api/clicks/buy", "").says(200, "", ""),
    ];
    ask_all(&process.address, &clicks);

    let endpoint = Endpoint::from_shared(format!("http://{}", process.grpc)).unwrap();
    let mut counts = ClickCountAppClient::new(endpoint.connect().await.unwrap());
    let counted = |item, add_to_cart, buy| ClickCounts {
        item,
        add_to_cart,
        buy,
    };
    let answer = counts.get_clicks(GetClicksRequest {}).await.unwrap();
    assert_eq!(answer.into_inner().click_counts, Some(counted(2, 0, 1)));
    // The first word of a connection only sets what the next is compared with.
    for clicks in [counted(2, 0, 1), counted(2, 4, 1)] {
        let set = SetClicksRequest {
            click_counts: Some(clicks),
        };
        counts.set_clicks(set).await.unwrap();
    }
    let answer = counts.get_clicks(GetClicksRequest {}).await.unwrap();
    assert_eq!(answer.into_inner().click_counts, Some(counted(2, 4, 1)));
    let all = r#"{"itemClicks":2,"addToCartClicks":4,"buyClicks":1}"#;
    let last = [
        told("GET /api/clicks", JSON, all),
        told("GET /api/clicks/addToCart", TEXT, "4"),
    ];
    ask_all(&process.address, &last);
}
