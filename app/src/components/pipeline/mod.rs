//! The pipeline's figures as markup, in the order of a person's questions: is anything wrong, where, how
//! much, and then everything that is known.
//!
//! Colour never speaks alone: whatever is red says so with a sign and a word. Each part has a name, so that
//! an island can exchange the ones that changed and leave the rest to whoever reads it.

mod books;
mod brokers;
mod overview;
mod partitions;
mod verdict;

use crate::figures::Figures;
use leptos::prelude::*;

/// Whether something is as it should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mood {
    /// It is.
    Good,
    /// Not quite, at no cost yet.
    Warn,
    /// It is not.
    Bad,
    /// Nobody can tell.
    Unknown,
}

impl Mood {
    /// Good or bad.
    const fn of(good: bool) -> Self {
        if good { Self::Good } else { Self::Bad }
    }

    /// A class's last word.
    const fn word(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Warn => "warn",
            Self::Bad => "bad",
            Self::Unknown => "unknown",
        }
    }

    /// The class of an element of this mood.
    fn class(self, block: &str) -> String {
        format!("{block} {block}--{}", self.word())
    }
}

/// A sign that can be told from the others by its shape.
fn sign(mood: Mood) -> AnyView {
    let path = match mood {
        Mood::Good => "M6 12.5l4 4 8-9",
        Mood::Warn => "M12 6v7M12 17v.5",
        Mood::Bad => "M7 7l10 10M17 7L7 17",
        Mood::Unknown => "M9 9a3 3 0 1 1 4.5 2.6c-1 .6-1.5 1.2-1.5 2.4M12 17.5v.5",
    };
    let edge = match mood {
        Mood::Warn => view! { <path d="M12 1.5L23 21.5H1z"></path> }.into_any(),
        Mood::Bad => view! { <path d="M7.5 1.5h9l6 6v9l-6 6h-9l-6-6v-9z"></path> }.into_any(),
        Mood::Good | Mood::Unknown => {
            view! { <circle cx="12" cy="12" r="10.75"></circle> }.into_any()
        }
    };
    view! {
        <svg class=mood.class("sign") viewBox="0 0 24 24" aria-hidden="true">
            {edge}
            <path class="sign__mark" d=path></path>
        </svg>
    }
    .into_any()
}

/// A part that an island may exchange. `said` for the one that is read aloud when it changes.
fn part(name: &'static str, said: bool, content: impl IntoView) -> AnyView {
    let role = said.then_some("status");
    view! {
        <div class="pipeline__part" data-part=name role=role>
            {content}
        </div>
    }
    .into_any()
}

/// All parts, in order.
pub fn parts(figures: &Figures) -> AnyView {
    let at = figures.at.format("%Y-%m-%d %H:%M:%S UTC").to_string();
    view! {
        {part("headline", true, verdict::headline(figures))}
        {part("troubles", false, verdict::troubles(figures))}
        {part("gauges", false, overview::gauges(figures))}
        {part("stops", false, overview::stops(figures))}
        {part("books", false, books::books(figures))}
        {part("brokers", false, brokers::brokers(figures))}
        {part("partitions", false, partitions::partitions(figures))}
        {part("time", false, view! { <p class="pipeline__time">"As of " <time>{at}</time></p> })}
    }
    .into_any()
}
