//! One module per page: plain values in, the page's content out. Whose values they are, what is
//! recorded and which status is answered is decided in the server's handlers.

pub mod cart;
pub mod hello;
pub mod not_found;
pub mod pipeline;
pub mod receipt;
pub mod refused;
pub mod shop;
pub mod staff;
pub mod thanks;
