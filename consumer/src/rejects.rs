//! The operator's way with messages that could not become rows: look at them, mend them, send them again.
//!
//! - [`message`]: what is sent instead of a reject, and why sending it twice still makes one row.
//! - [`redrive`]: sends it, and notes that only after Kafka has it.
//! - [`print`]: how a reject looks to people and to programs.

pub mod message;
mod print;
mod redrive;

use crate::settings::Cli;
use crate::verbs::{Chosen, Place, RejectsList, RejectsVerb};
use anyhow::{Context as _, ensure};
use store::{Handled, RejectFilter, RejectRow, Store};

/// Rows that are read at once.
const PAGE: u32 = 500;

/// Does what the verb says.
///
/// # Errors
/// Postgres or Kafka does not answer, there is no such reject, or one cannot be sent again.
pub async fn rejects(cli: &Cli, verb: &RejectsVerb) -> anyhow::Result<()> {
    let store = cli.store().context("DATABASE_URL")?;
    let topic = &cli.kafka.kafka_topic;
    let done = match verb {
        RejectsVerb::List(wanted) => list(&store, topic, wanted).await,
        RejectsVerb::Show { place, json } => show(&store, topic, *place, *json).await,
        RejectsVerb::Redrive(wanted) => redrive::redrive(cli, &store, wanted).await,
        RejectsVerb::Dismiss { chosen, note } => {
            dismiss(&store, topic, chosen, note.as_deref()).await
        }
    };
    store.close().await;
    done
}

async fn list(store: &Store, topic: &str, wanted: &RejectsList) -> anyhow::Result<()> {
    let mut pages = Pages::new(RejectFilter {
        code: wanted.code.clone(),
        since: wanted.since,
        handled: (!wanted.all).then_some(false),
        after: None,
    });
    let mut left = wanted.limit;
    let mut shown = 0_u32;
    if !wanted.json {
        println!("{}", print::HEADING);
    }
    while left > 0 {
        let rows = pages.next(store, topic, left.min(PAGE)).await?;
        if rows.is_empty() {
            break;
        }
        for row in &rows {
            if wanted.json {
                println!("{}", print::summary(row));
            } else {
                println!("{}", print::line(row));
            }
        }
        let count = u32::try_from(rows.len()).unwrap_or(u32::MAX);
        left = left.saturating_sub(count);
        shown = shown.saturating_add(count);
    }
    if !wanted.json {
        let end = if left == 0 { " (--limit)" } else { "" };
        println!("{shown} rejects{end}. One of them: cargo run -p consumer -- rejects show PLACE");
    }
    Ok(())
}

async fn show(store: &Store, topic: &str, place: Place, json: bool) -> anyhow::Result<()> {
    let row = one(store, topic, place).await?;
    let audit = store.reject_audit(&row.key).await?;
    if json {
        println!("{}", print::whole(&row, &audit));
    } else {
        print!("{}", print::page(&row, &audit, message::again(&row, None)));
    }
    Ok(())
}

async fn dismiss(
    store: &Store,
    topic: &str,
    chosen: &Chosen,
    note: Option<&str>,
) -> anyhow::Result<()> {
    let by = by();
    if let Some(place) = chosen.place {
        let row = one(store, topic, place).await?;
        if let Some((handled, at)) = row.handled {
            anyhow::bail!("{place} was {} at {at}", handled.as_str());
        }
        mark(store, &row, Handled::Dismissed, &by, note).await?;
        println!("{place} is dismissed.");
        return Ok(());
    }
    let mut pages = Pages::new(untouched(chosen.code.clone()));
    let mut count = 0;
    loop {
        let rows = pages.next(store, topic, PAGE).await?;
        if rows.is_empty() {
            break;
        }
        for row in &rows {
            mark(store, row, Handled::Dismissed, &by, note).await?;
            count += 1;
        }
    }
    println!("{count} rejects are dismissed.");
    Ok(())
}

/// The rejects of a code with which nothing was done yet.
fn untouched(code: Option<String>) -> RejectFilter {
    RejectFilter {
        code,
        handled: Some(false),
        ..RejectFilter::default()
    }
}

/// The reject at a place, whole.
async fn one(store: &Store, topic: &str, place: Place) -> anyhow::Result<RejectRow> {
    let row = store.reject(topic, place.partition, place.offset).await?;
    row.with_context(|| format!("there is no reject at {place} of the topic {topic}"))
}

/// Notes what was done with a reject.
async fn mark(
    store: &Store,
    row: &RejectRow,
    handled: Handled,
    by: &str,
    note: Option<&str>,
) -> anyhow::Result<()> {
    let there = store.mark_reject(&row.key, handled, by, note).await?;
    ensure!(
        there,
        "the reject at {} is gone: its retention ended",
        print::place(row)
    );
    Ok(())
}

/// Who does it, for the audit.
fn by() -> String {
    let user = std::env::var("USER").or_else(|_| std::env::var("LOGNAME"));
    format!(
        "{}@{}",
        user.as_deref().unwrap_or("somebody"),
        crate::run::host()
    )
}

/// A list that is read page by page.
struct Pages(RejectFilter);

impl Pages {
    const fn new(filter: RejectFilter) -> Self {
        Self(filter)
    }

    /// The next page; empty at the end.
    async fn next(
        &mut self,
        store: &Store,
        topic: &str,
        at_most: u32,
    ) -> anyhow::Result<Vec<RejectRow>> {
        let rows = store.rejects(topic, &self.0, at_most).await?;
        if let Some(last) = rows.last() {
            self.0.after = Some(last.cursor());
        }
        Ok(rows)
    }
}
