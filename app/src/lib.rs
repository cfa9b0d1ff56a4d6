//! The storefront: every page is complete HTML from the server, and reads and works with scripts off.
//!
//! In the order in which a click passes through: the visitor sees a page ([`pages`], built from
//! [`components`]) whose address says what is chosen ([`address`]); a form or an island sends the click
//! to [`server`], which hands it to the collector and answers with a receipt.
//!
//! What is known of the whole way, for those who run it, is in [`figures`].
//!
//! Pages and islands know `domain` and plain values. Everything that needs a server lives behind the
//! one gate below; everything the browser downloads hangs on [`hydrate`].

// A page is one type, as deep as its markup; `into_any` keeps it within this.
#![recursion_limit = "256"]

pub mod address;
pub mod components;
pub mod figures;
pub mod pages;

#[cfg(feature = "ssr")]
pub mod server;

/// Called once by the page's loader when the bundle has arrived; each island is woken after it.
#[cfg(feature = "hydrate")]
#[wasm_bindgen::prelude::wasm_bindgen]
pub fn hydrate() {
    leptos::mount::hydrate_islands();
}
