//! Is anything wrong? One line that answers, then what it is.

use super::{Mood, sign};
use crate::figures::Figures;
use leptos::prelude::*;

/// The line that answers.
pub fn headline(figures: &Figures) -> AnyView {
    let (mood, text) = verdict(figures);
    view! {
        <p class=mood.class("verdict")>{sign(mood)} <span>{text}</span></p>
    }
    .into_any()
}

fn verdict(figures: &Figures) -> (Mood, &'static str) {
    match (
        figures.balanced,
        figures.problems.len(),
        figures.warnings.len(),
    ) {
        (false, ..) if figures.books.is_none() => (Mood::Bad, "The books cannot be read."),
        (false, ..) => (Mood::Bad, "The books do not balance."),
        (true, 0, 0) => (Mood::Good, "The books balance, and everything is up."),
        (true, 0, _) => (Mood::Warn, "The books balance; not all is as it should be."),
        (true, 1, _) => (Mood::Bad, "The books balance, but something is down."),
        (true, ..) => (Mood::Bad, "The books balance, but some things are down."),
    }
}

/// What is wrong, the worst first; nothing when nothing is.
pub fn troubles(figures: &Figures) -> AnyView {
    if figures.problems.is_empty() && figures.warnings.is_empty() {
        return ().into_any();
    }
    let line = |mood: Mood, text: &String| {
        let word = match mood {
            Mood::Bad => "Problem: ",
            _ => "Warning: ",
        };
        view! {
            <li class=mood.class("trouble")>
                {sign(mood)}
                <span>
                    <span class="visually-hidden">{word}</span>
                    {text.clone()}
                </span>
            </li>
        }
    };
    let problems = figures.problems.iter().map(|text| line(Mood::Bad, text));
    let warnings = figures.warnings.iter().map(|text| line(Mood::Warn, text));
    let lines = problems.chain(warnings).collect_view();
    view! { <ul class="troubles">{lines}</ul> }.into_any()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::figures::tests::well;

    #[test]
    fn red_has_a_word_for_each_kind_of_trouble() {
        let mut figures = well();
        assert_eq!(verdict(&figures).0, Mood::Good);
        figures.warnings.push("A copy is behind.".into());
        assert_eq!(verdict(&figures).0, Mood::Warn);
        figures.problems.push("A broker is down.".into());
        assert_eq!(
            verdict(&figures),
            (Mood::Bad, "The books balance, but something is down.")
        );
        figures.balanced = false;
        assert_eq!(verdict(&figures), (Mood::Bad, "The books do not balance."));
        figures.books = None;
        assert_eq!(verdict(&figures), (Mood::Bad, "The books cannot be read."));
    }
}
