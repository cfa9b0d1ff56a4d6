//! The brokers: who answers, who leads, whose copies are complete.

use super::{Mood, sign};
use crate::figures::words::list;
use crate::figures::{Broker, Figures};
use leptos::prelude::*;

/// A card for each.
pub fn brokers(figures: &Figures) -> AnyView {
    let cards = figures.brokers.iter().map(card).collect_view();
    view! {
        <section aria-labelledby="brokers-title">
            <h2 id="brokers-title">"Brokers"</h2>
            <ul class="brokers">{cards}</ul>
        </section>
    }
    .into_any()
}

fn card(broker: &Broker) -> AnyView {
    let complete = broker.in_sync.len() == broker.holds.len();
    let (mood, state) = match (broker.up, complete) {
        (Some(true), true) => (Mood::Good, "up"),
        (Some(true), false) => (Mood::Warn, "up, catching up"),
        (Some(false), _) => (Mood::Bad, "down"),
        (None, _) => (Mood::Unknown, "not asked yet"),
    };
    let name = broker
        .id
        .map_or_else(|| "Broker".to_owned(), |id| format!("Broker {id}"));
    let since = broker.down_since.map(|since| {
        let reason = broker.reason.clone().unwrap_or_default();
        view! {
            <p class="broker__reason">
                {format!("since {}: {reason}", since.format("%H:%M:%S UTC"))}
            </p>
        }
    });
    let key = broker.id.map(|id| id.to_string());
    view! {
        <li class=mood.class("broker") data-broker=key>
            <h3 class="broker__name">{name}</h3>
            <p class="broker__state">{sign(mood)} <b>{state}</b></p>
            <p class="broker__address">
                {broker.address.clone().unwrap_or_else(|| "address not known".to_owned())}
            </p>
            {since}
            <dl class="broker__facts">
                <dt>"Leads"</dt>
                <dd>{leads(broker)}</dd>
                <dt>"Complete copies"</dt>
                <dd>{format!("{} of {}", broker.in_sync.len(), broker.holds.len())}</dd>
            </dl>
        </li>
    }
    .into_any()
}

fn leads(broker: &Broker) -> String {
    match broker.leads[..] {
        [] => "nothing".to_owned(),
        [only] => format!("partition {only}"),
        _ => format!("partitions {}", list(&broker.leads)),
    }
}
