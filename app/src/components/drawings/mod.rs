//! A drawing of each style, in any colour, sent once per page.
//!
//! [`DrawingSheet`] puts all geometry into the page as hidden symbols; it is rendered by the server and
//! belongs to no island, so none of it is compiled into the browser's bundle. [`Drawing`] is only a
//! reference to a symbol and a colour: an island changes the two attributes and nothing else.

mod garment;
mod shirts;
mod trousers;

use std::sync::LazyLock;

use domain::catalogue::Style;
use garment::Garment;
use leptos::prelude::*;

/// The cloth when no colour is chosen: unbleached linen, which shows on light and dark pages.
pub const UNDYED: &str = "#D9CDB8";

/// All symbols, hidden; once in the body of every page that shows a [`Drawing`].
///
/// Not `display:none`: some browsers then drop the gradients too.
#[component]
pub fn DrawingSheet() -> impl IntoView {
    view! { <svg class="drawing-sheet" width="0" height="0" aria-hidden="true" inner_html=SHEET.as_str()></svg> }
}

/// One garment in one colour. An island that wants another sets `color` on the `svg`, or `href` on the `use`.
///
/// Decorative unless it has a label: beside the style's name it would only be read twice.
#[component]
pub fn Drawing(
    /// What to draw.
    style: Style,
    /// The cloth's colour, as SVG understands it; [`UNDYED`] when none is chosen.
    #[prop(into)]
    color: String,
    /// What a screen reader says in its place.
    #[prop(optional, into)]
    label: Option<String>,
) -> impl IntoView {
    let decorative = label.is_none();
    view! {
        <svg
            class="drawing"
            viewBox=garment::VIEW_BOX
            color=color
            role=(!decorative).then_some("img")
            aria-label=label
            aria-hidden=decorative.then_some("true")
        >
            <use href=format!("#drawing-{}", style.slug())></use>
        </svg>
    }
}

static SHEET: LazyLock<String> = LazyLock::new(|| {
    let mut sheet = [garment::SHARED, shirts::HIBISCUS_PRINT].concat();
    for style in Style::ALL {
        sheet += &garment::symbol(style.slug(), cut(*style));
    }
    sheet
});

const fn cut(style: Style) -> &'static Garment {
    match style {
        Style::PlainTShirt => &shirts::PLAIN_T_SHIRT,
        Style::PocketTShirt => &shirts::POCKET_T_SHIRT,
        Style::Polo => &shirts::POLO_SHIRT,
        Style::Button => &shirts::BUTTON_SHIRT,
        Style::Hawaiian => &shirts::HAWAIIAN_SHIRT,
        Style::Chinos => &trousers::CHINOS,
        Style::Pleated => &trousers::PLEATED_PANTS,
        Style::Joggers => &trousers::JOGGERS,
        Style::Cargo => &trousers::CARGO_PANTS,
        Style::Cropped => &trousers::CROPPED_PANTS,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn every_style_has_a_symbol_and_no_id_is_used_twice() {
        let ids: Vec<&str> = SHEET
            .split(" id=\"")
            .skip(1)
            .filter_map(|rest| rest.split('"').next())
            .collect();
        for style in Style::ALL {
            assert!(
                ids.contains(&format!("drawing-{}", style.slug()).as_str()),
                "{style}"
            );
        }
        assert_eq!(ids.len(), ids.iter().collect::<HashSet<_>>().len());
    }

    #[test]
    fn every_reference_points_into_the_sheet() {
        for mark in ["href=\"#", "url(#"] {
            for rest in SHEET.split(mark).skip(1) {
                let id = rest.split(['"', ')']).next().unwrap();
                assert!(SHEET.contains(&format!(" id=\"{id}\"")), "{id}");
            }
        }
    }

    #[test]
    fn nothing_in_the_sheet_needs_an_exception_to_a_strict_content_policy() {
        assert!(!SHEET.contains("style"));
        assert!(!SHEET.contains("http"));
        assert!(!SHEET.contains("<script"));
    }

    #[test]
    fn the_sheet_stays_light_enough_to_travel_with_every_page() {
        assert!(SHEET.len() < 40_000, "{} bytes", SHEET.len());
    }
}
