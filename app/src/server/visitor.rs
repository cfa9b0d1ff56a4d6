//! Who asks, as far as the request tells. Nothing here is proof of anything.

use super::cart::Cart;
use super::cookies;
use super::receipts;
use super::staff::Verdict;
use crate::components::shell::Tracked;
use axum::extract::{FromRequestParts, MatchedPath};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, Method, header};
use collector::http::{ClientAddress, Scheme, Sender, Visit, user_agent};
use collector::{Accepted, Draft};
use domain::event::limits;
use domain::{Choice, EventType, Source, Username};
use std::convert::Infallible;
use uuid::Uuid;

/// How long a returning visitor is remembered, in seconds: a year.
const REMEMBERED_S: u32 = 365 * 24 * 3600;

/// What an answer counts as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum View {
    /// No page view.
    #[default]
    None,
    /// One, if the browser ever shows it: then only the browser can tell.
    Ahead,
    /// One, recorded under this id.
    Recorded(Uuid),
}

/// One request's visitor.
#[derive(Debug, Clone)]
pub struct Visitor {
    /// The name, once given.
    pub username: Option<Username>,
    /// What lies in the cart.
    pub cart: Cart,
    /// Whether nobody sees the answer: it is fetched ahead of time, or only its headers are asked for.
    pub unseen: bool,
    /// Whether this is somebody who may see the staff's pages.
    pub staff: bool,
    /// Whether what the visitor is shown is a page view.
    pub view: View,
    /// How the visitor reaches the shop.
    pub scheme: Scheme,
    visit: Visit,
    sender: Sender,
    host: Option<String>,
    /// The page as reports group it: the route, so that all receipts are `/receipt/{id}`. The address itself is `url`.
    path: String,
    path_and_query: String,
    referrer: Option<String>,
    user_agent: Option<String>,
    ip: Option<String>,
}

impl Visitor {
    /// A draft of something this visitor did on the page that the request asks for.
    pub fn on_this_page(&self, event_type: &str) -> Draft {
        let url = self
            .host
            .as_ref()
            .map(|host| format!("{}://{host}{}", self.scheme.name(), self.path_and_query));
        self.spared(Draft {
            url: within(limits::URL, url),
            path: within(limits::PATH, Some(self.path.clone())),
            referrer: within(limits::URL, self.referrer.clone()),
            ..self.draft(event_type)
        })
    }

    /// A draft of something this visitor did on the page that the request was sent from.
    pub fn on_the_page_before(&self, event_type: &str) -> Draft {
        let path = self.referrer.as_deref().and_then(path_of);
        self.spared(Draft {
            path: within(limits::PATH, path.map(str::to_owned)),
            url: within(limits::URL, self.referrer.clone()),
            ..self.draft(event_type)
        })
    }

    fn draft(&self, event_type: &str) -> Draft {
        Draft {
            event_type: event_type.to_owned(),
            username: self.username.clone().map(String::from),
            session_id: Some(self.visit.id.to_string()),
            user_agent: self.user_agent.clone(),
            ip: self.ip.clone(),
            source: Source::Shop,
            ..Draft::default()
        }
    }

    /// What may be kept of a draft. Who puts something into the cart, or buys, has said a name for just that;
    /// the row of a choice cannot be without.
    fn spared(&self, draft: Draft) -> Draft {
        let named = matches!(
            draft.event_type.as_str(),
            EventType::ADD_TO_CART | EventType::BUY
        );
        let username = draft.username.clone().filter(|_| named);
        let spared = self.sender.spared(draft);
        Draft {
            username: spared.username.or(username),
            ..spared
        }
    }

    /// The cookie that keeps the visit going for another half hour; none for who is to remain unknown.
    pub fn session_cookie(&self) -> Option<HeaderValue> {
        match self.sender {
            Sender::Known => self.visit.cookie(self.scheme),
            Sender::Unknown => None,
        }
    }

    /// The cookie that remembers a name.
    pub fn username_cookie(&self, name: &Username) -> Option<HeaderValue> {
        self.remember(cookies::USERNAME, name.as_str())
    }

    /// The cookie that carries a cart.
    pub fn cart_cookie(&self, cart: &Cart) -> Option<HeaderValue> {
        self.remember(cookies::CART, &cart.write())
    }

    fn remember(&self, name: &str, value: &str) -> Option<HeaderValue> {
        cookies::set(name, value, "/", Some(REMEMBERED_S), self.scheme)
    }

    /// The cookie that carries what was sent to the pages of its receipt.
    pub fn sent_cookie(&self, accepted: &Accepted) -> Option<HeaderValue> {
        let path = receipts::path(&accepted.receipt);
        let kept = Some(receipts::SENT_KEPT_S);
        cookies::set(cookies::SENT, &accepted.json, &path, kept, self.scheme)
    }

    /// What the page's tracker has to know, where the page is a page view.
    pub fn tracked(&self, write_key: Option<String>) -> Option<Tracked> {
        let view = match self.view {
            View::None => return None,
            View::Ahead => None,
            View::Recorded(id) => Some(id.to_string()),
        };
        Some(Tracked {
            view,
            path: self.path.clone(),
            write_key,
        })
    }

    /// The name as text.
    pub fn name(&self) -> Option<String> {
        self.username.as_ref().map(ToString::to_string)
    }
}

/// A click of the shop with a form's own id, so that the form sent twice is one click.
pub fn once(id: Uuid, choice: Option<Choice>, draft: Draft) -> Draft {
    Draft {
        event_id: Some(id),
        client_id: true,
        choice,
        ..draft
    }
}

impl<S: Sync> FromRequestParts<S> for Visitor {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Infallible> {
        let headers = &parts.headers;
        Ok(Self {
            username: cookies::read(headers, cookies::USERNAME)
                .and_then(|name| Username::parse(&name).ok()),
            cart: cookies::read(headers, cookies::CART)
                .map(|cart| Cart::read(&cart))
                .unwrap_or_default(),
            unseen: parts.method == Method::HEAD
                || ["sec-purpose", "purpose"].iter().any(|name| {
                    text(headers, name).is_some_and(|value| value.contains("prefetch"))
                }),
            staff: Verdict::of(&parts.extensions).is_ok(),
            view: View::None,
            scheme: Scheme::of(&parts.extensions),
            visit: Visit::of(headers),
            sender: Sender::of(&parts.extensions),
            host: text(headers, header::HOST.as_str()).map(str::to_owned),
            path: parts
                .extensions
                .get::<MatchedPath>()
                .map_or_else(|| parts.uri.path(), MatchedPath::as_str)
                .to_owned(),
            path_and_query: parts
                .uri
                .path_and_query()
                .map(ToString::to_string)
                .unwrap_or_default(),
            referrer: text(headers, header::REFERER.as_str()).map(str::to_owned),
            user_agent: user_agent(headers).map(str::to_owned),
            ip: ClientAddress::of(&parts.extensions).map(|address| address.to_string()),
        })
    }
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

/// A header's text where an event can hold it. A visitor's browser must not cost the visitor a click.
fn within(max_chars: usize, text: Option<String>) -> Option<String> {
    text.filter(|text| text.chars().count() <= max_chars)
}

/// The path of an absolute address, without query.
fn path_of(url: &str) -> Option<&str> {
    let (_, rest) = url.split_once("://")?;
    let path = &rest[rest.find('/')?..];
    path.split(['?', '#']).next()
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;
    use tower::ServiceExt as _;

    #[test]
    fn a_path_is_what_lies_between_host_and_query() {
        assert_eq!(path_of("http://127.0.0.1:8501/cart?a=/b"), Some("/cart"));
        assert_eq!(path_of("http://127.0.0.1:8501"), None);
        assert_eq!(path_of("about:blank"), None);
    }

    #[test]
    fn what_an_event_cannot_hold_is_left_out_and_not_cut() {
        assert_eq!(within(3, Some("abcd".into())), None);
        assert_eq!(within(4, Some("äöüß".into())), Some("äöüß".into()));
    }

    #[rstest]
    #[case(Sender::Known, "page_view", true, true)]
    #[case(Sender::Unknown, "page_view", false, false)]
    #[case(Sender::Unknown, "add_to_cart", true, false)]
    #[case(Sender::Unknown, "buy", true, false)]
    #[tokio::test]
    async fn who_asks_for_it_is_named_only_in_what_needs_a_name(
        #[case] sender: Sender,
        #[case] event_type: &str,
        #[case] named: bool,
        #[case] followed: bool,
    ) {
        let request = axum::http::Request::get("/cart?from=ann")
            .header("cookie", "username=Ann")
            .header("host", "shop.example")
            .header(
                "user-agent",
                "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
            );
        let (mut parts, ()) = request.body(()).unwrap().into_parts();
        let Ok(visitor) = Visitor::from_request_parts(&mut parts, &()).await;
        let visitor = Visitor { sender, ..visitor };
        for draft in [
            visitor.on_this_page(event_type),
            visitor.on_the_page_before(event_type),
        ] {
            assert_eq!(draft.username.is_some(), named);
            assert_eq!(draft.session_id.is_some(), followed);
            assert_eq!(draft.user_agent.is_some(), followed);
        }
        let url = visitor.on_this_page(event_type).url.unwrap();
        assert_eq!(url.contains("ann"), followed);
        assert_eq!(visitor.session_cookie().is_some(), followed);
    }

    #[rstest]
    #[case(Scheme::Http, "http://shop.example/cart?a=b", "")]
    #[case(Scheme::Https, "https://shop.example/cart?a=b", "; Secure")]
    #[tokio::test]
    async fn an_address_is_the_one_that_the_visitor_sees(
        #[case] scheme: Scheme,
        #[case] url: &str,
        #[case] end: &str,
    ) {
        let request = axum::http::Request::get("/cart?a=b")
            .header("host", "shop.example")
            .extension(scheme);
        let (mut parts, ()) = request.body(()).unwrap().into_parts();
        let Ok(visitor) = Visitor::from_request_parts(&mut parts, &()).await;
        let view = visitor.on_this_page("page_view");
        assert_eq!(view.url.as_deref(), Some(url));
        let name = Username::parse("Ann").unwrap();
        for cookie in [
            visitor.session_cookie(),
            visitor.username_cookie(&name),
            visitor.cart_cookie(&visitor.cart),
        ] {
            let cookie = cookie.unwrap();
            let (_, after) = cookie.to_str().unwrap().split_once("SameSite=Lax").unwrap();
            assert_eq!(after, end);
        }
    }

    #[rstest]
    #[case("/receipt/5bd1?p=1", Some("/receipt/{id}"))]
    #[case("/cart", Some("/cart"))]
    #[case("/nowhere", Some("/nowhere"))]
    #[tokio::test]
    async fn a_page_is_counted_by_its_route(#[case] address: &str, #[case] page: Option<&str>) {
        let show = |visitor: Visitor| async move {
            visitor.on_this_page("page_view").path.unwrap_or_default()
        };
        let router = axum::Router::new()
            .route("/cart", axum::routing::get(show))
            .route("/receipt/{id}", axum::routing::get(show))
            .fallback(show);
        let request = axum::http::Request::get(address)
            .body(axum::body::Body::empty())
            .unwrap();
        let answer = router.oneshot(request).await.unwrap();
        let bytes = axum::body::to_bytes(answer.into_body(), 1000)
            .await
            .unwrap();
        assert_eq!(Some(std::str::from_utf8(&bytes).unwrap()), page);
    }
}
