//! The shop's server: everything that pages and islands may not know.
//!
//! In the order in which a request passes through: [`run`] listens, [`router`] says what is where,
//! `origin` turns away posts from other sites, `posts` what comes too often or not whole, `staff` says who may see more than a visitor, `visitor` who
//! asks (from `cookies`, with a `cart`), `form` reads what was sent, the `handlers` decide, `render` makes
//! HTML with the site's `assets`, `views` records that a page was seen, and the page's `tracker` what only a browser
//! can see. `pipeline` watches the whole way
//! for the staff while they look.

mod assets;
mod cart;
mod cookies;
mod form;
mod handlers;
mod origin;
mod pipeline;
mod posts;
mod readiness;
mod receipts;
mod render;
pub mod router;
pub mod run;
mod settings;
mod staff;
mod state;
mod tracker;
mod views;
mod visitor;

pub use settings::{Settings, SiteSettings};
pub use state::Shop;

#[cfg(test)]
mod tests;
