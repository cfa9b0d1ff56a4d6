//! The shop's form in the browser: the same rules as the server's, applied at once.

use super::answer;
use super::browser::{ask, find, find_all, set_hidden, target, track, window};
use crate::address::{self, OWN_COLOR};
use crate::components::stage::{caption, cloth, garment};
use domain::{Choice, EventType};
use leptos::ev;
use leptos::prelude::window_event_listener;
use leptos::task::spawn_local;
use wasm_bindgen::JsValue;
use web_sys::{
    Element, Event, FormData, HtmlElement, HtmlFieldSetElement, HtmlFormElement, HtmlInputElement,
    MouseEvent, SubmitEvent, UrlSearchParams,
};

/// What the tracker calls an option that was chosen.
const OPTION_CHOSEN: &str = "option_chosen";

/// Makes the page agree with the form, which a browser may have restored, and listens for Back.
pub fn wake(root: &Element) {
    let Some(form) = find::<HtmlFormElement>(root, "form[data-shop]") else {
        return;
    };
    if let Some(update) = find::<Element>(&form, "[data-update]") {
        set_hidden(&update, true);
    }
    show(&form);
    answer::wake(root);
    window_event_listener(ev::popstate, move |_| {
        choose_as_address_says(&form);
        show(&form);
    });
}

/// While the picker moves: the colour is one's own, and the drawing takes it.
pub fn on_input(event: &Event) {
    let Some(input) = target::<HtmlInputElement>(event) else {
        return;
    };
    if let (true, Some(form)) = (input.type_() == "color", input.form()) {
        check(&form, "color", OWN_COLOR);
        show(&form);
    }
}

/// When an option is chosen: show it, put it into the address, and record it: the look at a style as a click on
/// an item, all else as what no server sees.
pub fn on_change(event: &Event) {
    let Some(input) = target::<HtmlInputElement>(event) else {
        return;
    };
    let Some(form) = input.form() else { return };
    let choice = show(&form);
    let href = address::shop(&choice);
    if let Some(history) = window().and_then(|window| window.history().ok()) {
        let _ = history.push_state_with_url(&JsValue::NULL, "", Some(&href));
    }
    if input.name() == "style" && choice.style.is_some() {
        record_item_click(choice);
    } else {
        track(
            OPTION_CHOSEN,
            &[("option", input.name()), ("value", input.value())],
        );
    }
}

/// The second half of a double click asks for nothing new, even when the answer to the first is here.
pub fn on_click(event: &MouseEvent) {
    let on_button = target::<Element>(event)
        .is_some_and(|element| element.matches("[type=submit]").unwrap_or(false));
    if on_button && event.detail() > 1 {
        event.prevent_default();
    }
}

/// Adds to the cart without leaving the page; the button that shows options is left to the browser.
pub fn on_submit(event: &SubmitEvent) {
    let by_update = event
        .submitter()
        .is_some_and(|button| button.has_attribute("data-update"));
    let Some(form) = target::<HtmlFormElement>(event).filter(|_| !by_update) else {
        return;
    };
    event.prevent_default();
    let Some(button) = find::<Element>(&form, ".shop__buy .button--primary") else {
        return;
    };
    if button.has_attribute("aria-busy") {
        return;
    }
    let _ = button.set_attribute("aria-busy", "true");
    spawn_local(async move {
        buy(&form).await;
        let _ = button.remove_attribute("aria-busy");
    });
}

async fn buy(form: &HtmlFormElement) {
    const NO_ANSWER: &str = "<p class=\"notice notice--error\" data-notice>The shop did not answer. \
        Your choices are still here; trying again cannot count a click twice.</p>";
    let Some(body) = fields(form) else { return };
    let Some(root) = form.parent_element() else {
        return;
    };
    let html = ask("/cart", Some(&body))
        .await
        .map_or_else(|| NO_ANSWER.to_owned(), |reply| reply.html);
    answer::show(&root, &html);
    // After a click that counted, the next one is another: the answer brings the form's new token.
    if let Some(fresh) = find::<HtmlElement>(&root, "[data-token]") {
        let token = find::<HtmlInputElement>(form, "[name=token]");
        if let (Some(value), Some(token)) = (fresh.get_attribute("data-token"), token) {
            token.set_value(&value);
        }
        let badge = form
            .owner_document()
            .and_then(|page| page.query_selector("[data-cart-count]").ok()?);
        if let Some(badge) = badge {
            badge.set_text_content(fresh.get_attribute("data-cart").as_deref());
        }
    }
    if let Some(place) = find::<Element>(&root, "[data-answer]") {
        place.scroll_into_view_with_bool(true);
    }
}

/// Offers the groups of the chosen category, draws the choice and says it in words.
fn show(form: &HtmlFormElement) -> Choice {
    let category = FormData::new_with_form(form)
        .ok()
        .and_then(|data| data.get("category").as_string())
        .unwrap_or_default();
    for group in find_all::<HtmlFieldSetElement>(form, "[data-offer]") {
        let offer = group.get_attribute("data-offer").unwrap_or_default();
        let offered = !category.is_empty() && (offer == "any" || offer == category);
        group.set_hidden(!offered);
        group.set_disabled(!offered);
        // Another category's style was chosen before: here none is, and that shows.
        if offered
            && find::<Element>(&group, ":checked").is_none()
            && let Some(open) = find::<HtmlInputElement>(&group, "[value='']")
        {
            open.set_checked(true);
        }
    }
    let choice = chosen(form);
    let color = cloth(&choice);
    for drawing in find_all::<Element>(form, ".drawing") {
        let _ = drawing.set_attribute("color", &color);
    }
    if let Some(outline) = find::<Element>(form, "[data-stage] use") {
        let _ = outline.set_attribute("href", &format!("#drawing-{}", garment(&choice).slug()));
    }
    if let Some(words) = find::<Element>(form, ".stage__caption") {
        words.set_text_content(Some(&caption(&choice)));
    }
    choice
}

fn chosen(form: &HtmlFormElement) -> Choice {
    let Ok(data) = FormData::new_with_form(form) else {
        return Choice::default();
    };
    address::read_usable(|name| data.get(name).as_string()).0
}

/// Checks the radio buttons that the address names, after Back or Forward.
fn choose_as_address_says(form: &HtmlFormElement) {
    let search = window().and_then(|window| window.location().search().ok());
    let Ok(query) = UrlSearchParams::new_with_str(&search.unwrap_or_default()) else {
        return;
    };
    for name in ["category", "gender", "style", "size", "color"] {
        let wanted = query.get(name).unwrap_or_default();
        if check(form, name, &wanted) || name != "color" {
            continue;
        }
        check(form, name, OWN_COLOR);
        if let Some(picker) = find::<HtmlInputElement>(form, "[type=color]") {
            picker.set_value(&wanted.to_lowercase());
        }
    }
}

/// Checks the radio buttons of that name and value; false when there is none.
fn check(form: &HtmlFormElement, name: &str, value: &str) -> bool {
    let mut found = false;
    for radio in find_all::<HtmlInputElement>(form, "[type=radio]") {
        if radio.name() == name && radio.value() == value {
            radio.set_checked(true);
            found = true;
        }
    }
    found
}

/// Tells the shop that a style was chosen, and the tracker, too, under one id; nobody waits for either.
fn record_item_click(choice: Choice) {
    let body = UrlSearchParams::new_with_str(&address::query(&choice));
    if let (Some(window), Ok(body)) = (window(), body) {
        if let Some(id) = track(EventType::ITEM_CLICK, &choice.pairs()) {
            body.append("id", &id);
        }
        let _ = window
            .navigator()
            .send_beacon_with_opt_url_search_params("/click", Some(&body));
    }
}

/// The form's fields as the browser itself would post them.
fn fields(form: &HtmlFormElement) -> Option<UrlSearchParams> {
    let data = FormData::new_with_form(form).ok()?;
    UrlSearchParams::new_with_str_sequence_sequence(&data).ok()
}
