//! What goes into the topic comes out as rows, or is kept with its reason; the stream never stops.

use crate::world::{World, until_said};
use collector::Draft;
use domain::receipt::Place;
use domain::{Choice, EventType};
use lab::stack::Producer;
use sqlx::Row;
use std::time::Duration;

/// Long enough for a machine that is busy with other tests.
const SOON: Duration = Duration::from_secs(40);

#[tokio::test(flavor = "multi_thread")]
async fn a_message_with_only_the_six_keys_becomes_a_row() {
    let world = World::new("six_keys").await;
    let _consumer = world.consumer().unwrap();
    let message = r##"{"username":"Zoë","category":"trousers","gender":"woman","style":"Cargo pants","size":"XL","color":"#00ff7f"}"##;
    world.send(message.as_bytes()).await;
    world.until_events(1, SOON).await.unwrap();

    let row = sqlx::query(
        "SELECT username, category, gender, style, size, hex_color FROM clickstream_data",
    )
    .fetch_one(&world.db)
    .await
    .unwrap();
    let columns: Vec<String> = (0..6).map(|i| row.get(i)).collect();
    assert_eq!(
        columns,
        ["Zoë", "trousers", "woman", "Cargo pants", "XL", "#00FF7F"]
    );
    let row = sqlx::query("SELECT type, source FROM events")
        .fetch_one(&world.db)
        .await
        .unwrap();
    assert_eq!(row.get::<String, _>("type"), "add_to_cart");
    assert_eq!(row.get::<String, _>("source"), "direct");
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_compressed_in_any_way_become_rows() {
    let world = World::new("compressed").await;
    let _consumer = world.consumer().unwrap();
    let codecs = ["none", "gzip", "snappy", "lz4", "zstd"];
    for codec in codecs {
        // Alike and many in a batch: a batch that does not shrink would be sent as it is.
        let messages = (0..50).map(|_| {
            let message = format!(
                r##"{{"username":"{codec}","category":"shirt","gender":"man","style":"Hawaiian shirt","size":"M","color":"#00FF7F"}}"##
            );
            (codec.to_owned(), message.into_bytes())
        });
        Producer::compressing(&world.brokers, &world.topic, codec)
            .unwrap()
            .send_all(messages)
            .await
            .unwrap();
    }
    world.until_events(250, SOON).await.unwrap();
    let rows: Vec<(String, i64)> = sqlx::query_as(
        "SELECT username, count(*) FROM clickstream_data GROUP BY username ORDER BY username",
    )
    .fetch_all(&world.db)
    .await
    .unwrap();
    let mut wanted = codecs.map(|codec| (codec.to_owned(), 50));
    wanted.sort();
    assert_eq!(rows, wanted);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_option_left_open_is_null() {
    let world = World::new("open_options").await;
    let _consumer = world.consumer().unwrap();
    let message = br#"{"username":"Ann","category":"shirt","gender":null,"style":null,"size":null,"color":null}"#;
    world.send(message).await;
    world.until_events(1, SOON).await.unwrap();
    let nulls = world
        .number(
            "SELECT count(*) FROM clickstream_data WHERE category = 'shirt' AND gender IS NULL
             AND style IS NULL AND size IS NULL AND hex_color IS NULL",
        )
        .await
        .unwrap();
    assert_eq!(nulls, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_is_stored_exactly_as_it_was_given() {
    let names = [
        "O'Brien",
        "<script>alert(1)</script>",
        "👩‍👩‍👧‍👦 王小明",
        "Robert'); DROP TABLE events;--",
        "\\x00 %s {} \u{202e}",
    ];
    let world = World::new("exact_names").await;
    let _consumer = world.consumer().unwrap();
    let producer = world.producer().unwrap();
    for name in names {
        let message = serde_json::json!({
            "username": name, "category": null, "gender": null, "style": null, "size": null, "color": null
        });
        producer
            .send(None, Some(message.to_string().as_bytes()))
            .await
            .unwrap();
    }
    let wanted = i64::try_from(names.len()).unwrap();
    world.until_events(wanted, SOON).await.unwrap();
    let mut stored: Vec<String> = sqlx::query_scalar("SELECT username FROM clickstream_data")
        .fetch_all(&world.db)
        .await
        .unwrap();
    stored.sort();
    let mut given = names.map(str::to_owned).to_vec();
    given.sort();
    assert_eq!(stored, given);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_collector_acknowledged_is_the_row() {
    let world = World::new("acknowledged").await;
    let _consumer = world.consumer().unwrap();
    let collector = world.collector();
    let choice = Choice {
        size: Some("M".parse().unwrap()),
        ..Choice::default()
    };
    let draft = Draft {
        event_type: EventType::ADD_TO_CART.into(),
        username: Some("Ann".into()),
        choice: Some(choice),
        ..Draft::default()
    };
    let accepted = collector.accept_one(draft).await.unwrap();
    let Place::Kafka { partition, offset } = accepted.receipt.place else {
        panic!("not in Kafka: {:?}", accepted.receipt)
    };
    world.until_events(1, SOON).await.unwrap();
    let row = sqlx::query(
        "SELECT e.event_id, e.received_at, e.kafka_partition, e.kafka_offset, c.size
         FROM events e JOIN clickstream_data c USING (event_id)",
    )
    .fetch_one(&world.db)
    .await
    .unwrap();
    assert_eq!(row.get::<uuid::Uuid, _>(0), accepted.receipt.event_id);
    assert_eq!(
        row.get::<chrono::DateTime<chrono::Utc>, _>(1),
        accepted.receipt.received_at
    );
    assert_eq!(row.get::<i32, _>(2), partition);
    assert_eq!(row.get::<i64, _>(3), offset);
    assert_eq!(row.get::<String, _>(4), "M");
    collector.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_message_is_kept_with_its_reason_and_the_stream_goes_on() {
    let long_name = format!(r#"{{"username":"{}"}}"#, "n".repeat(33));
    let large = vec![b' '; domain::wire::MESSAGE_MAX_BYTES + 1];
    let bad: [(&[u8], &str); 11] = [
        (b"not json at all", "JSON"),
        (b"\xff\xfe{}", "JSON"),
        (b"[1,2,3]", "JSON"),
        (br#"{"username":"Ann""#, "JSON"),
        (br#"{"category":"shirt"}"#, "type"),
        (br#"{"username":null}"#, "username"),
        (br#"{"username":"a\u0000b"}"#, "username"),
        (long_name.as_bytes(), "username"),
        (br#"{"username":"Ann","size":"XXL"}"#, "size"),
        (br#"{"username":"Ann","type":"buy","count":0}"#, "count"),
        (&large, "bytes"),
    ];
    let world = World::new("bad_messages").await;
    let _consumer = world.consumer().unwrap();
    let producer = world.producer().unwrap();
    let mut places = Vec::new();
    for (value, _) in &bad {
        places.push(producer.send(Some(0), Some(value)).await.unwrap());
        // Between all the bad ones the good ones go through, in the same partition.
        producer
            .send(Some(0), Some(br#"{"username":"Good","category":"shirt"}"#))
            .await
            .unwrap();
    }
    places.push(producer.send(Some(0), None).await.unwrap());
    let good = i64::try_from(bad.len()).unwrap();
    world.until_events(good, SOON).await.unwrap();
    let rejected = i64::try_from(places.len()).unwrap();
    world
        .until_number(
            "every bad message is kept",
            rejected,
            SOON,
            "SELECT count(*) FROM rejected_events",
        )
        .await
        .unwrap();

    for (place, (value, about)) in places.iter().zip(bad) {
        let row = sqlx::query(
            "SELECT raw, reason FROM rejected_events WHERE kafka_partition = $1 AND kafka_offset = $2",
        )
        .bind(place.partition)
        .bind(place.offset)
        .fetch_one(&world.db)
        .await
        .unwrap();
        assert_eq!(row.get::<Vec<u8>, _>("raw"), value, "about {about}");
        let reason: String = row.get("reason");
        assert!(reason.contains(about), "{about}: {reason}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_of_a_newer_format_stops_its_partition_and_is_not_rejected() {
    let world = World::new("newer_format").await;
    let consumer = world.consumer().unwrap();
    let producer = world.producer().unwrap();
    let message = br#"{"username":"Ann","category":"shirt"}"#;
    producer.send(Some(0), Some(message)).await.unwrap();
    producer.send_schema(0, "2", message).await.unwrap();
    producer.send(Some(0), Some(message)).await.unwrap();
    producer.send(Some(1), Some(message)).await.unwrap();
    world.until_events(2, SOON).await.unwrap();
    let why = "the consumer says why it stopped";
    until_said(&consumer, why, SOON, |said| {
        let said = said.to_lowercase();
        said.contains("schema") || said.contains("newer")
    })
    .await;
    let counts = world.counts().await.unwrap();
    assert_eq!((counts.events, counts.rejected), (2, 0));
}
