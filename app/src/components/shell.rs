//! What surrounds every page: the document, its head, the header and the footer.

use leptos::prelude::*;
use std::sync::Arc;

/// The files of the site that a page names; each is left out when it has not been built.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Assets {
    /// The stylesheet's address.
    pub stylesheet: Option<String>,
    /// The browser's bundle.
    pub bundle: Option<Bundle>,
}

/// The two files that wake the islands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bundle {
    /// The address of the JavaScript that loads the WASM.
    pub js: String,
    /// The address of the WASM.
    pub wasm: String,
}

/// What the page tells its tracker, so that what both count is one event.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tracked {
    /// The id under which the server has counted this view; none when it has not.
    pub view: Option<String>,
    /// The page as reports group it.
    pub path: String,
    /// The key by which the tracker may send.
    pub write_key: Option<String>,
}

/// A page that asks to be loaded again, for browsers in which no island does the asking.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refresh {
    /// After how many seconds.
    pub seconds: u32,
    /// Which address to load.
    pub href: String,
}

/// Everything about a page that is not its content.
#[derive(Debug, Clone, Default)]
pub struct Frame {
    /// The page's own title.
    pub title: String,
    /// Whose shop this is at the moment, as text.
    pub username: Option<String>,
    /// How many things lie in the cart.
    pub cart_items: usize,
    /// The path of the page, to mark it in the navigation.
    pub path: &'static str,
    /// Whether the page loads itself again.
    pub refresh: Option<Refresh>,
    /// Whether whoever asks may see the staff's pages.
    pub staff: bool,
    /// What the page's tracker has to know; none for a page without one.
    pub tracked: Option<Tracked>,
    /// What the site has to offer at the moment.
    pub assets: Arc<Assets>,
    /// Allows this page's one inline script.
    pub nonce: String,
}

/// A whole document around a page's content.
pub fn document(frame: Frame, content: impl IntoView) -> AnyView {
    let Frame {
        title,
        username,
        cart_items,
        path,
        refresh,
        staff,
        tracked,
        assets,
        nonce,
    } = frame;
    let tracked = tracked.map(|tracked| tracker(tracked, username.clone()));
    let for_staff = staff.then(|| {
        view! {
            <p>
                <a href="/pipeline" aria-current=(path == "/pipeline").then_some("page")>
                    "The pipeline: is every click accounted for?"
                </a>
            </p>
        }
    });
    let has_bundle = assets.bundle.is_some();
    view! {
        <!DOCTYPE html>
        <html lang="en">
            <head>
                <meta charset="utf-8"/>
                <meta name="viewport" content="width=device-width, initial-scale=1"/>
                <meta name="color-scheme" content="light dark"/>
                <title>{format!("{title} · Clickshop")}</title>
                <link rel="icon" href="/favicon.svg" type="image/svg+xml"/>
                {assets.stylesheet.clone().map(|href| view! { <link rel="stylesheet" href=href/> })}
                {refresh.map(|refresh| refresher(&refresh, has_bundle))}
                {assets.bundle.clone().map(|bundle| loader(bundle, nonce))}
                {tracked}
            </head>
            <body>
                <a class="skip-link" href="#main">
                    "Skip to the content"
                </a>
                {header(username, cart_items, path)}
                <main class="page" id="main" tabindex="-1">
                    {content}
                </main>
                <footer class="site-footer">
                    <p>
                        "A toy shop: nothing is sold. Every click here travels through Kafka into Postgres, and you can watch it go."
                    </p>
                    {for_staff}
                </footer>
            </body>
        </html>
    }
    .into_any()
}

fn header(username: Option<String>, cart_items: usize, path: &'static str) -> AnyView {
    let current = move |href: &str| (path == href).then_some("page");
    let visitor = username.map(|name| {
        view! {
            <span class="site-header__visitor">
                "Hello, " <b>{name}</b>
            </span>
            <a href="/hello" aria-current=current("/hello")>
                "not you?"
            </a>
        }
    });
    view! {
        <header class="site-header">
            <a class="site-header__brand" href="/">
                <svg viewBox="0 0 32 32" aria-hidden="true">
                    <rect width="32" height="32" rx="8" fill="#a43f24"></rect>
                    <path d="M12 6c1 4 7 4 8 0l6 3 4 8-5 2-1-2v9H8v-9l-1 2-5-2 4-8z" fill="#fff6e6"></path>
                </svg>
                "Clickshop"
            </a>
            <nav class="site-header__nav" aria-label="Pages">
                <a href="/" aria-current=current("/")>
                    "Shop"
                </a>
                {visitor}
            </nav>
            <a class="site-header__cart" href="/cart" aria-current=current("/cart")>
                "Cart"
                <span class="badge" data-cart-count="">
                    {cart_items}
                </span>
            </a>
        </header>
    }
    .into_any()
}

/// Loads the page again. Where a bundle is served this is only for browsers that run no scripts.
fn refresher(refresh: &Refresh, has_bundle: bool) -> impl IntoView + use<> {
    let content = format!("{};url={}", refresh.seconds, refresh.href);
    let again = view! { <meta http-equiv="refresh" content=content/> };
    if has_bundle {
        view! { <noscript>{again}</noscript> }.into_any()
    } else {
        again.into_any()
    }
}

/// Counts in the browser what the server cannot see.
fn tracker(tracked: Tracked, username: Option<String>) -> AnyView {
    let Tracked {
        view,
        path,
        write_key,
    } = tracked;
    view! {
        <script
            defer
            src="/tracker.js"
            data-view=view
            data-visit="cookie"
            data-path=path
            data-user=username
            data-write-key=write_key
        ></script>
    }
    .into_any()
}

/// Loads the bundle and wakes each island. It says in `data-live` when it is done.
///
/// Leptos' own `HydrationScripts` reads the hash file for every page and stops the page when there is
/// none; here the server looks once a second, and a page without a bundle is a whole page.
fn loader(bundle: Bundle, nonce: String) -> AnyView {
    let Bundle { js, wasm } = bundle;
    let script = format!(
        "import init,* as app from {js:?};\
        await init({{module_or_path:{wasm:?}}});\
        app.hydrate();\
        for(const el of document.querySelectorAll('leptos-island'))app[el.dataset.component]?.(el);\
        document.documentElement.dataset.live='';"
    );
    view! {
        <link rel="modulepreload" href=js/>
        <link rel="preload" href=wasm r#as="fetch" r#type="application/wasm" crossorigin="anonymous"/>
        <script type="module" nonce=nonce>
            {script}
        </script>
    }
    .into_any()
}
