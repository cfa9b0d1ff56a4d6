//! One client's id comes a thousand times: at both apps at once, several times in one request, and from
//! another producer with the times of many other days. It is one row, and every other copy is counted.

use crate::drill::deed::Request;
use crate::drill::door::Answer;
use crate::drill::ledger::Entry;
use crate::drill::scene::{STOP, Scene};
use crate::visit;
use anyhow::{Context as _, bail};
use chrono::{TimeDelta, Utc};
use domain::wire::time_text;
use serde_json::{Value, json};
use tokio::task::JoinSet;
use uuid::Uuid;

/// Whose acknowledgements these are, in the ledger.
const CLIENT: usize = 999;
/// Copies in one request.
const IN_ONE: usize = 10;
/// Other days that copies come from; a record is believed back to 30 days.
const DAYS: i64 = 25;

pub async fn run(scene: &mut Scene<'_>) -> anyhow::Result<()> {
    let id = visit::id(&mut scene.rng);
    let copies = scene.times(1_000, 200);
    let direct = copies / 5;
    let batches = copies / 5 / IN_ONE;
    let single = copies - direct - batches * IN_ONE;
    scene.allowed.others.insert(id);

    send_through_doors(scene, id, single / 2, batches / 2).await?;
    send_past_them(scene, id, direct).await?;
    // The claim must not only be in somebody's memory.
    for number in 0..2 {
        scene.apps[number].terminate(STOP).await?;
        scene.consumers[number].terminate(STOP).await?;
        scene.consumers[number].start(&scene.world)?;
        scene.start_app(number).await?;
    }
    send_through_doors(scene, id, single - single / 2, batches - batches / 2).await?;

    scene.quiet().await?;
    let rows: i64 = sqlx::query_scalar("SELECT count(*) FROM events WHERE event_id = $1")
        .bind(id)
        .fetch_one(&scene.world.db)
        .await?;
    scene.check(
        rows == 1,
        format!("{copies} copies of one id are {rows} row"),
    );
    let counted: i64 = sqlx::query_scalar("SELECT count(*) FROM retries WHERE event_id = $1")
        .bind(id)
        .fetch_one(&scene.world.db)
        .await?;
    scene.check(
        usize::try_from(counted)? == copies - 1,
        format!("{counted} duplicates are counted, of {copies} copies"),
    );
    Ok(())
}

/// Sends the id alone, and in batches of copies, through both doors at once.
async fn send_through_doors(
    scene: &mut Scene<'_>,
    id: Uuid,
    single: usize,
    batches: usize,
) -> anyhow::Result<()> {
    let (doors, ledger) = scene.doors();
    let began = scene.began();
    let alone = Request::Event {
        id,
        body: json!({ "id": id, "type": "click", "user_id": "again" }),
    };
    let copies: Vec<Value> = (0..IN_ONE)
        .map(|_| json!({ "id": id, "event_type": "click", "user_id": "again" }))
        .collect();
    let together = Request::Events {
        ids: vec![id; IN_ONE],
        body: copies.into(),
    };
    let mut requests: Vec<Request> = vec![alone; single];
    requests.extend(vec![together; batches]);
    let mut sending = JoinSet::new();
    for (number, request) in requests.into_iter().enumerate() {
        if sending.len() >= 32 {
            sending.join_next().await.context("a request")???;
        }
        let (doors, ledger) = (doors.clone(), ledger.clone());
        sending.spawn(async move {
            let door = number % 2;
            let ids = match doors.send(door, &request).await {
                Answer::Kept(ids) => ids,
                other => bail!("{other:?}"),
            };
            let entries: Vec<Entry> = ids
                .into_iter()
                .map(|id| Entry {
                    at: began.elapsed(),
                    client: CLIENT,
                    door,
                    source: request.source(),
                    id,
                })
                .collect();
            ledger.write(&entries).await
        });
    }
    while let Some(sent) = sending.join_next().await {
        sent??;
    }
    Ok(())
}

/// Writes the id into the topic as another collector's messages, received on many other days.
async fn send_past_them(scene: &mut Scene<'_>, id: Uuid, copies: usize) -> anyhow::Result<()> {
    let now = Utc::now();
    let messages = (0..copies).map(|number| {
        let days = i64::try_from(number).unwrap_or(0) % DAYS;
        // Each a try of its own: one and the same acknowledgement twice would be none.
        let own = TimeDelta::microseconds(i64::try_from(number).unwrap_or(0));
        let received_at = now - TimeDelta::days(days) - own;
        let message = json!({
            "event_id": id, "client_id": true, "type": "click", "username": "again", "source": "event",
            "received_at": time_text(received_at), "copy": number,
        });
        // By any partition.
        (number.to_string(), message.to_string().into_bytes())
    });
    let messages: Vec<_> = messages.collect();
    scene.world.producer()?.send_all(messages).await
}
