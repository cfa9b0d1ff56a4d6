//! The same pipeline through the shop's own forms, as a browser without scripts sends them.

use crate::world::World;
use lab::stack::program::free_port;
use lab::stack::{Program, until};
use reqwest::{Client, Response, StatusCode};
use std::time::Duration;

const SOON: Duration = Duration::from_secs(40);

const ROWS: &str = "SELECT count(*) FROM clickstream_data";

/// A visitor before a shop of their own.
struct Visitor {
    shop: Program,
    address: String,
    client: Client,
}

impl Visitor {
    /// Starts a shop with these settings and enters it.
    async fn in_shop(world: &World, settings: &[(&str, String)]) -> Self {
        let address = format!("127.0.0.1:{}", free_port().unwrap());
        let mut all = vec![
            ("LEPTOS_SITE_ADDR", address.clone()),
            // No spool: what Kafka does not take is refused, and the shops of several tests share no folder.
            ("SPOOL_MAX_BYTES", "0".to_owned()),
        ];
        all.extend(settings.iter().cloned());
        let visitor = Self {
            shop: world.start("app", &[], "app", &all).unwrap(),
            address: format!("http://{address}"),
            client: Client::builder().cookie_store(true).build().unwrap(),
        };
        until("the shop answers", SOON, || async {
            let answer = visitor.client.get(&visitor.address).send().await;
            answer.map(|_| ()).map_err(|e| e.to_string())
        })
        .await
        .unwrap();
        let answer = visitor.post("/hello", &[("username", "Ann")]).await;
        assert_eq!(answer.status(), StatusCode::OK, "the name was taken");
        visitor
    }

    async fn post(&self, path: &str, form: &[(&str, &str)]) -> Response {
        let request = self
            .client
            .post(format!("{}{path}", self.address))
            .form(form);
        request.send().await.unwrap()
    }

    /// The token of a fresh form.
    async fn token(&self) -> String {
        let answer = self.client.get(&self.address).send().await.unwrap();
        let page = answer.text().await.unwrap();
        let (_, rest) = page
            .split_once(r#"name="token" value=""#)
            .unwrap_or_else(|| panic!("no form in {page}"));
        rest.split('"').next().unwrap().to_owned()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_form_sent_three_times_at_once_is_one_row() {
    let world = World::new("sent_twice").await;
    let _consumer = world.consumer().unwrap();
    let visitor = Visitor::in_shop(&world, &[]).await;
    let token = visitor.token().await;
    let form = [
        ("token", token.as_str()),
        ("category", "shirt"),
        ("size", "M"),
    ];
    let send = || visitor.post("/cart", &form);
    let answers = tokio::join!(send(), send(), send());
    for answer in [answers.0, answers.1, answers.2] {
        assert!(answer.status().is_success(), "{}", answer.status());
    }
    // Another choice with the same form is another click; it is a row only after all those before it.
    let other = [
        ("token", token.as_str()),
        ("category", "shirt"),
        ("size", "L"),
    ];
    assert!(visitor.post("/cart", &other).await.status().is_success());
    world
        .until_number("both clicks are rows", 2, SOON, ROWS)
        .await
        .unwrap();
    let duplicates = world
        .number("SELECT coalesce(sum(duplicate), 0)::bigint FROM balance")
        .await
        .unwrap();
    assert_eq!(duplicates, 2, "the other copies were seen and left out");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_kafka_and_spool_the_shop_promises_nothing_and_keeps_the_choices() {
    let world = World::new("shop_no_kafka").await;
    let _consumer = world.consumer().unwrap();
    let mut gate = world.kafka_gate().await.unwrap();
    let visitor = Visitor::in_shop(&world, &[("KAFKA_BROKERS", gate.addr().to_string())]).await;
    let token = visitor.token().await;
    let form = [
        ("token", token.as_str()),
        ("category", "trousers"),
        ("size", "XL"),
    ];
    let answer = visitor.post("/cart", &form).await;
    assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert!(answer.headers().contains_key("retry-after"));
    let page = answer.text().await.unwrap();
    assert!(page.contains("data-notice"), "a message: {page}");
    assert!(page.contains(&token), "the same form: {page}");
    let kept = page.split("<input").any(|input| {
        let input = input.split('>').next().unwrap_or_default();
        input.contains(r#"value="XL""#) && input.contains("checked")
    });
    assert!(kept, "the choice stands in the form: {page}");

    gate.open().await.unwrap();
    until("the shop accepts again", SOON, || async {
        match visitor.post("/cart", &form).await.status() {
            status if status.is_success() => Ok(()),
            status => Err(status.to_string()),
        }
    })
    .await
    .unwrap();
    world
        .until_number("the click is a row", 1, SOON, ROWS)
        .await
        .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn without_postgres_the_shop_goes_on_selling_and_says_later_that_it_is_stored() {
    let world = World::new("shop_no_postgres").await;
    let mut gate = world.postgres_gate().await.unwrap();
    let settings = [(
        "DATABASE_URL",
        world.database_url_behind(gate.addr()).unwrap(),
    )];
    let visitor = Visitor::in_shop(&world, &settings).await;
    let token = visitor.token().await;
    let form = [("token", token.as_str()), ("category", "shirt")];
    let receipt = visitor.post("/cart", &form).await;
    assert_eq!(receipt.status(), StatusCode::OK);
    let address = receipt.url().clone();
    let page = receipt.text().await.unwrap();
    assert!(page.contains("on its way to Postgres"), "{page}");

    let _consumer = world.consumer().unwrap();
    gate.open().await.unwrap();
    until("the receipt says that it is stored", SOON, || async {
        let answer = visitor.client.get(address.clone()).send().await.unwrap();
        let page = answer.text().await.unwrap();
        if page.contains("stored in Postgres") {
            Ok(())
        } else {
            Err(page)
        }
    })
    .await
    .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shop_asked_to_stop_ends_in_order() {
    let world = World::new("shop_stops").await;
    let mut visitor = Visitor::in_shop(&world, &[]).await;
    let status = visitor
        .shop
        .terminate(Duration::from_secs(10))
        .await
        .unwrap();
    assert_eq!(status.code(), Some(0), "{}", visitor.shop.said().unwrap());
}
