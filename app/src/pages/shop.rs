//! The shop: what is being chosen on one side, the choices on the other.
//!
//! Without scripts it is one form with two buttons: one shows the options for what is chosen (a GET,
//! so that the address says it), one adds it to the cart (a POST). The island around it saves the trips.

use crate::components::choice::groups;
use crate::components::drawings::{Drawing, DrawingSheet};
use crate::components::live::LiveShop;
use crate::components::notice::{Notice, notice};
use crate::components::stage::{caption, cloth, garment};
use crate::components::totals::{Total, Totals, tally, totals};
use domain::Choice;
use domain::catalogue::Style;
use domain::choice::FieldError;
use leptos::prelude::*;

/// What the page needs to know.
#[derive(Debug, Clone, Default)]
pub struct ShopView {
    /// What is chosen so far.
    pub choice: Choice,
    /// Names this form: sent twice with the same choice it is one click.
    pub token: String,
    /// What is wrong, field by field.
    pub errors: Vec<FieldError>,
    /// What the visitor has to know first.
    pub notice: Option<Notice>,
    /// What everybody clicked on so far; none while nobody knows.
    pub totals: Option<Totals>,
}

/// The page's content.
pub fn shop(page: ShopView) -> AnyView {
    let ShopView {
        choice,
        token,
        errors,
        notice: message,
        totals: known,
    } = page;
    let style_before = choice.style.map(Style::label);
    let form = view! {
        <form class="shop" method="post" action="/cart" data-shop="">
            <input type="hidden" name="token" value=token/>
            <input type="hidden" name="style_before" value=style_before/>
            <div class="shop__preview">
                <figure class="stage" data-stage="">
                    <Drawing style=garment(&choice) color=cloth(&choice)/>
                    <figcaption class="stage__caption">{caption(&choice)}</figcaption>
                </figure>
            </div>
            <div class="shop__options">
                <h1>"What would you wear?"</h1>
                {groups(choice, &errors, known)}
                <div class="shop__buy">
                    <button class="button button--primary" type="submit">
                        "Add to cart"
                        {tally(Total::AddToCart, known)}
                    </button>
                    <button
                        class="button button--quiet"
                        type="submit"
                        formmethod="get"
                        formaction="/"
                        formnovalidate
                        data-update=""
                    >
                        "Show options"
                    </button>
                </div>
                {totals(known)}
            </div>
        </form>
        <div class="shop__answer" data-answer=""></div>
        <p class="visually-hidden" role="status" data-announce=""></p>
    };
    view! {
        <DrawingSheet/>
        {message.map(notice)}
        <LiveShop>{form}</LiveShop>
    }
    .into_any()
}
