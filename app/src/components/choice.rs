//! The groups of options: category first, then that category's gender, style, size and colour.
//!
//! Every group begins with "No preference". Groups that the category does not offer are in the page
//! too, hidden and disabled (so they are never sent); an island only takes the two attributes away.

use super::drawings::Drawing;
use super::stage::{capitalised, cloth};
use super::totals::{Total, Totals, tally};
use crate::address::OWN_COLOR;
use domain::Choice;
use domain::catalogue::{Category, Color, Gender, Size, Style};
use domain::choice::FieldError;
use leptos::prelude::*;

/// The picker's colour before anyone touched it.
const UNTOUCHED_PICKER: &str = "#7a4fbf";

/// All groups for a choice, each with the message that belongs beside it, and the styles with how often they were
/// looked at.
pub fn groups(choice: Choice, errors: &[FieldError], totals: Option<Totals>) -> AnyView {
    let message = |field: &str| {
        errors
            .iter()
            .find(|error| error.field == field)
            .map(|error| error.message.clone())
    };
    let chosen = choice.category.is_some();
    let styles = Category::ALL
        .iter()
        .map(|category| {
            let here = choice.category == Some(*category);
            style_group(*category, choice, message("style").filter(|_| here), totals)
        })
        .collect_view();
    view! {
        {plain_group("category", "Category", Category::ALL, Category::label, choice.category, None, message("category"))}
        {plain_group("gender", "Cut", Gender::ALL, Gender::label, choice.gender, Some(chosen), message("gender"))}
        {styles}
        {plain_group("size", "Size", Size::ALL, Size::label, choice.size, Some(chosen), message("size"))}
        {color_group(choice.color, chosen, message("color"))}
    }
    .into_any()
}

/// A group of words. `offered` is none for the group that is always there.
fn plain_group<T: Copy + PartialEq + 'static>(
    name: &'static str,
    legend: &'static str,
    all: &'static [T],
    label: fn(T) -> &'static str,
    chosen: Option<T>,
    offered: Option<bool>,
    error: Option<String>,
) -> AnyView {
    let items = all
        .iter()
        .map(|option| {
            let text = capitalised(label(*option));
            item(name, label(*option), chosen == Some(*option), text)
        })
        .collect_view();
    let hidden = offered == Some(false);
    let described = error.is_some().then(|| format!("{name}-error"));
    view! {
        <fieldset
            class="choice"
            data-offer=offered.map(|_| "any")
            hidden=hidden
            disabled=hidden
            aria-describedby=described
        >
            <legend class="choice__legend">{legend}</legend>
            <div class="choice__list">{no_preference(name, chosen.is_none())} {items}</div>
            {beside(name, error)}
        </fieldset>
    }
    .into_any()
}

/// The styles of one category, each with its drawing in the chosen colour.
fn style_group(
    category: Category,
    choice: Choice,
    error: Option<String>,
    totals: Option<Totals>,
) -> AnyView {
    let hidden = choice.category != Some(category);
    let color = cloth(&choice);
    let chosen = choice.style;
    let items = category
        .styles()
        .iter()
        .map(|style| style_item(*style, chosen == Some(*style), color.clone()))
        .collect_view();
    // Both categories' styles are one group of radio buttons, in which only one can be checked.
    let open = !hidden && chosen.is_none();
    let described = error.is_some().then_some("style-error");
    view! {
        <fieldset
            class="choice choice--cards"
            data-offer=category.label()
            hidden=hidden
            disabled=hidden
            aria-describedby=described
        >
            <legend class="choice__legend">"Style" {tally(Total::Item, totals)}</legend>
            <div class="choice__list">{no_preference("style", open)} {items}</div>
            {beside("style", error)}
        </fieldset>
    }
    .into_any()
}

fn style_item(style: Style, checked: bool, color: String) -> AnyView {
    view! {
        <label class="choice__item">
            <input type="radio" name="style" value=style.label() checked=checked/>
            <span class="choice__drawing">
                <Drawing style=style color=color/>
            </span>
            <span class="choice__label">{style.label()}</span>
        </label>
    }
    .into_any()
}

/// Swatches, and a colour of one's own that counts only when its radio button is chosen.
fn color_group(chosen: Option<Color>, offered: bool, error: Option<String>) -> AnyView {
    let swatches = Color::SWATCHES
        .iter()
        .map(|(name, color)| swatch(name, *color, chosen == Some(*color)))
        .collect_view();
    let own = chosen.filter(|color| !Color::SWATCHES.iter().any(|(_, swatch)| swatch == color));
    let picked = own.map_or_else(
        || UNTOUCHED_PICKER.to_owned(),
        // The picker's own spelling: it takes upper case, and then calls its value changed.
        |color| color.to_string().to_lowercase(),
    );
    let described = error.is_some().then_some("color-error");
    view! {
        <fieldset
            class="choice choice--swatches"
            data-offer="any"
            hidden=!offered
            disabled=!offered
            aria-describedby=described
        >
            <legend class="choice__legend">"Colour"</legend>
            <div class="choice__list">
                {no_preference("color", chosen.is_none())} {swatches}
                {item("color", OWN_COLOR, own.is_some(), "My own".to_owned())}
                <label class="visually-hidden" for="own_color">
                    "Pick my own colour"
                </label>
                <input class="swatch__picker" type="color" id="own_color" name="own_color" value=picked/>
            </div>
            {beside("color", error)}
        </fieldset>
    }
    .into_any()
}

fn swatch(name: &'static str, color: Color, checked: bool) -> AnyView {
    let hex = color.to_string();
    view! {
        <label class="choice__item" title=name>
            <input type="radio" name="color" value=hex.clone() checked=checked/>
            <span class="choice__label">
                <svg class="swatch" viewBox="0 0 32 32" aria-hidden="true">
                    <circle cx="16" cy="16" r="15" fill=hex></circle>
                </svg>
                <span class="visually-hidden">{name}</span>
            </span>
        </label>
    }
    .into_any()
}

fn no_preference(name: &'static str, checked: bool) -> impl IntoView {
    item(name, "", checked, "No preference".to_owned())
}

fn item(name: &'static str, value: &'static str, checked: bool, text: String) -> AnyView {
    view! {
        <label class="choice__item">
            <input type="radio" name=name value=value checked=checked/>
            <span class="choice__label">{text}</span>
        </label>
    }
    .into_any()
}

/// The message beside a field, which the field's `aria-describedby` points to.
pub fn beside(name: &'static str, error: Option<String>) -> impl IntoView {
    error.map(|message| {
        view! {
            <p class="field__error" id=format!("{name}-error")>
                {message}
            </p>
        }
    })
}
