//! What a visitor has to know before anything else on the page.

use leptos::prelude::*;

/// A message above a page's content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Notice {
    /// Something went wrong; what was asked for did not happen.
    Error(String),
    /// Something worth knowing.
    Info(String),
}

/// The message as markup; an error is read out at once.
pub fn notice(notice: Notice) -> AnyView {
    let (class, role, text) = match notice {
        Notice::Error(text) => ("notice notice--error", "alert", text),
        Notice::Info(text) => ("notice notice--info", "status", text),
    };
    view! {
        <div class=class role=role data-notice="">
            <p>{text}</p>
        </div>
    }
    .into_any()
}
