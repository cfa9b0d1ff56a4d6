//! A message that cannot become a row is kept, shown to whoever asks, mended and sent again; each of these
//! steps stands in the audit.

use crate::world::World;
use serde_json::Value;
use std::time::Duration;

/// Long enough for a machine that is busy with other tests.
const SOON: Duration = Duration::from_secs(40);

/// Runs `consumer rejects …` in that world and returns what it said on its standard output.
async fn rejects(world: &World, args: &[&str]) -> anyhow::Result<String> {
    let args: Vec<&str> = std::iter::once("rejects")
        .chain(args.iter().copied())
        .collect();
    world.operate(&args).await
}

/// The objects that `rejects list --json` prints; log lines stand between them.
async fn listed(world: &World, more: &[&str]) -> Vec<Value> {
    let args: Vec<&str> = ["list", "--json"]
        .into_iter()
        .chain(more.iter().copied())
        .collect();
    let said = rejects(world, &args).await.unwrap();
    said.lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .filter(|line| line.get("code").is_some())
        .collect()
}

/// What the audit says of all rejects, oldest first.
async fn audit(world: &World) -> Vec<(String, Option<String>)> {
    sqlx::query_as("SELECT handled, note FROM rejected_audit ORDER BY id")
        .fetch_all(&world.db)
        .await
        .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reject_is_listed_shown_mended_and_sent_again_as_one_row() {
    let world = World::new("rejects").await;
    let _consumer = world.consumer().unwrap();
    let broken = r#"{"type":"click","username":"Ann","count":"many"}"#;
    world.send(broken.as_bytes()).await;
    world.send(b"not json").await;
    world
        .until_number(
            "both are rejects",
            2,
            SOON,
            "SELECT count(*) FROM rejected_events",
        )
        .await
        .unwrap();

    let all = listed(&world, &[]).await;
    assert_eq!(all.len(), 2, "{all:?}");
    let not_json = listed(&world, &["--code", "not_json"]).await;
    assert_eq!(not_json.len(), 1, "{all:?}");
    let place_of = |reject: &Value| format!("{}/{}", reject["partition"], reject["offset"]);
    let hopeless = place_of(&not_json[0]);
    let mendable = all
        .iter()
        .map(place_of)
        .find(|place| *place != hopeless)
        .unwrap();

    let shown = rejects(&world, &["show", &mendable]).await.unwrap();
    for part in ["count", broken] {
        assert!(shown.contains(part), "{part} is not in: {shown}");
    }

    // As it came it would be refused again: it says so and changes nothing.
    let refused = rejects(&world, &["redrive", &mendable]).await.unwrap_err();
    assert!(format!("{refused:#}").contains("--value"), "{refused:#}");
    assert_eq!(audit(&world).await, []);

    let folder = tempfile::tempdir().unwrap();
    let mended = folder.path().join("mended.json");
    std::fs::write(&mended, broken.replace(r#""many""#, "3")).unwrap();
    let value = mended.display().to_string();
    let again = [
        "redrive", &mendable, "--value", &value, "--note", "a number",
    ];
    let mut dry = again.to_vec();
    dry.push("--dry-run");
    let told = rejects(&world, &dry).await.unwrap();
    assert!(told.contains("would be sent"), "{told}");
    assert_eq!(audit(&world).await, []);
    rejects(&world, &again).await.unwrap();
    world.until_events(1, SOON).await.unwrap();
    let row: (String, String, i64) =
        sqlx::query_as("SELECT type, username, count::bigint FROM events")
            .fetch_one(&world.db)
            .await
            .unwrap();
    assert_eq!(row, ("click".to_owned(), "Ann".to_owned(), 3));

    // Once is enough, and what is given up on purpose is noted as well.
    let twice = rejects(&world, &again).await.unwrap_err();
    assert!(format!("{twice:#}").contains("redriven"), "{twice:#}");
    rejects(&world, &["dismiss", &hopeless, "--note", "no event"])
        .await
        .unwrap();
    assert!(listed(&world, &[]).await.is_empty());
    assert_eq!(listed(&world, &["--all"]).await.len(), 2);
    let [(redriven, note), dismissed] = &audit(&world).await[..] else {
        panic!("not one line for each step");
    };
    let note = note.as_deref().unwrap_or_default();
    assert_eq!(redriven, "redriven");
    assert!(
        note.starts_with("mended, sent to ") && note.ends_with(": a number"),
        "{note}"
    );
    assert_eq!(
        *dismissed,
        ("dismissed".to_owned(), Some("no event".to_owned()))
    );
}
