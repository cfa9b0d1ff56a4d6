//! Every garment is drawn by the same hand: one canvas, one line weight, one light from the upper left.
//!
//! A [`Garment`] holds only outlines (SVG path data on the canvas [`VIEW_BOX`]); [`symbol`] turns it into
//! a `<symbol>` by painting the layers in one fixed order. The cloth is always `currentColor`, so whoever
//! uses the symbol chooses the colour; light and shade are translucent black and white above it, and every
//! seam is a dark line with a light one beside it, so that it shows on black cloth as well as on white.
//! Outlines take the `stroke` they inherit: the stylesheet picks one that suits the page's background.

// Writing to a String cannot fail: the results dropped with `let _` say so only because the trait is shared with IO.
use std::fmt::Write;

/// The canvas of all drawings: wide enough for spread sleeves, tall enough for trousers.
pub const VIEW_BOX: &str = "0 0 320 360";

/// Paint servers and filters that the symbols share.
pub const SHARED: &str = concat!(
    r##"<linearGradient id="cloth-round"><stop offset="0" stop-opacity=".26"/>"##,
    r##"<stop offset=".2" stop-opacity=".04"/><stop offset=".36" stop-color="#fff" stop-opacity=".1"/>"##,
    r##"<stop offset=".58" stop-opacity=".02"/><stop offset="1" stop-opacity=".3"/></linearGradient>"##,
    r##"<linearGradient id="cloth-fall" x2="0" y2="1"><stop offset="0" stop-color="#fff" stop-opacity=".16"/>"##,
    r##"<stop offset=".4" stop-color="#fff" stop-opacity="0"/><stop offset="1" stop-opacity=".16"/></linearGradient>"##,
    r##"<linearGradient id="cloth-part" x2=".3" y2="1"><stop offset="0" stop-color="#fff" stop-opacity=".2"/>"##,
    r##"<stop offset="1" stop-opacity=".08"/></linearGradient>"##,
    r##"<filter id="cloth-soft" x="-20%" y="-20%" width="140%" height="140%"><feGaussianBlur stdDeviation="6"/></filter>"##,
    r##"<filter id="cloth-shadow" x="-20%" y="-20%" width="140%" height="150%"><feDropShadow dx="1" dy="3.5" stdDeviation="2" flood-opacity=".38"/></filter>"##,
    r##"<g id="cloth-button"><circle r="4.4" fill="#f7efe0" stroke="#000" stroke-opacity=".55" stroke-width="1.4"/>"##,
    r##"<path d="M0 0h.1" stroke="#000" stroke-opacity=".6" stroke-width="2.4"/></g>"##,
);

/// The outlines of one garment, in the order in which they are painted. All text but `print` is path data.
pub struct Garment {
    /// What is seen of the inside, behind the front: back of the neck, back of the waistband.
    pub inside: &'static str,
    /// The silhouette of the front.
    pub body: &'static str,
    /// Fill of a print laid over the cloth (`url(#…)`); empty for plain cloth.
    pub print: &'static str,
    /// Folds turned away from the light, softened.
    pub shades: &'static str,
    /// Folds turned to the light, softened.
    pub lights: &'static str,
    /// Pieces sewn on top, each with its own small shadow: collars, plackets, pockets, cuffs.
    pub parts: &'static [&'static str],
    /// Lines where two pieces of cloth meet.
    pub seams: &'static str,
    /// Visible thread beside a seam.
    pub stitches: &'static str,
    /// Fine parallel lines of knitted or gathered cloth.
    pub ribs: &'static str,
    /// Drawstrings.
    pub cords: &'static str,
    /// Centres of the buttons.
    pub buttons: &'static [(u16, u16)],
}

impl Garment {
    /// Nothing at all, to be filled in by struct update.
    pub const BLANK: Self = Self {
        inside: "",
        body: "",
        print: "",
        shades: "",
        lights: "",
        parts: &[],
        seams: "",
        stitches: "",
        ribs: "",
        cords: "",
        buttons: &[],
    };
}

/// The `<symbol id="drawing-{slug}">` of a garment.
///
/// Each outline is written once and painted again by `<use>`: the sheet travels with the page.
#[must_use]
pub fn symbol(slug: &str, garment: &Garment) -> String {
    let mut svg = String::with_capacity(4096);
    let body = format!("b-{slug}");
    let _ = write!(
        svg,
        r##"<symbol id="drawing-{slug}" viewBox="{VIEW_BOX}"><defs><path id="{body}" d="{}"/><clipPath id="c-{slug}"><use href="#{body}"/></clipPath></defs>"##,
        garment.body
    );
    svg.push_str(r#"<g stroke-width="2.6" stroke-linejoin="round" stroke-linecap="round">"#);
    if !garment.inside.is_empty() {
        let _ = write!(
            svg,
            r##"<g fill="currentColor"><path id="i-{slug}" d="{}"/></g><use href="#i-{slug}" fill-opacity=".42"/>"##,
            garment.inside
        );
    }
    let _ = write!(
        svg,
        r##"<use href="#{body}" fill="currentColor"/><g stroke="none" clip-path="url(#c-{slug})">"##
    );
    fill(&mut svg, &body, garment.print);
    fill(&mut svg, &body, "url(#cloth-round)");
    fill(&mut svg, &body, "url(#cloth-fall)");
    let _ = write!(
        svg,
        r##"<g filter="url(#cloth-soft)"><path d="{}" fill-opacity=".24"/><path d="{}" fill="#fff" fill-opacity=".18"/></g></g><use href="#{body}" fill="none"/>"##,
        garment.shades, garment.lights
    );
    for (number, outline) in garment.parts.iter().enumerate() {
        let part = format!("p{number}-{slug}");
        let _ = write!(
            svg,
            r#"<g filter="url(#cloth-shadow)" fill="currentColor"><path id="{part}" d="{outline}"/></g>"#
        );
        fill(&mut svg, &part, garment.print);
        fill(&mut svg, &part, "url(#cloth-part)");
    }
    lines(
        &mut svg,
        &format!("s-{slug}"),
        garment.seams,
        r#"stroke-width="2""#,
    );
    lines(
        &mut svg,
        &format!("t-{slug}"),
        garment.stitches,
        r#"stroke-width="1.5" stroke-dasharray="4 3.4""#,
    );
    lines(
        &mut svg,
        &format!("r-{slug}"),
        garment.ribs,
        r#"stroke-width="1.3""#,
    );
    if !garment.cords.is_empty() {
        let _ = write!(
            svg,
            r##"<g fill="none"><g stroke="#000" stroke-opacity=".55" stroke-width="6.4"><path id="d-{slug}" d="{}"/></g><use href="#d-{slug}" stroke="#f7efe0" stroke-width="3.8"/></g>"##,
            garment.cords
        );
    }
    for (x, y) in garment.buttons {
        let _ = write!(svg, r##"<use href="#cloth-button" x="{x}" y="{y}"/>"##);
    }
    svg.push_str("</g></symbol>");
    svg
}

/// Paints an outline that is already in the sheet once more.
fn fill(svg: &mut String, id: &str, paint: &str) {
    if !paint.is_empty() {
        let _ = write!(svg, r##"<use href="#{id}" fill="{paint}"/>"##);
    }
}

/// A dark line and, just below it, a light one.
fn lines(svg: &mut String, id: &str, path: &str, pen: &str) {
    if !path.is_empty() {
        let _ = write!(
            svg,
            r##"<g fill="none" {pen}><g stroke="#000" stroke-opacity=".46"><path id="{id}" d="{path}"/></g><use href="#{id}" x="1.1" y="1.5" stroke="#fff" stroke-opacity=".34"/></g>"##
        );
    }
}
