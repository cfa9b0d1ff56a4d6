//! The totals on the buttons that are counted.

use super::*;
use crate::components::totals::Totals;
use crate::pages::cart::{CartView, cart};
use crate::pages::shop::{ShopView, shop};
use crate::server::render::html;
use domain::Choice;

const KNOWN: Totals = Totals {
    item: 1234,
    add_to_cart: 56,
    buy: 7,
};

/// What stands as the total of this name between the first such words and the end of their element.
fn total_in<'a>(page: &'a str, words: &str, end: &str, name: &str) -> Option<&'a str> {
    let (_, inside) = page.split_once(words)?;
    let (inside, _) = inside.split_once(end)?;
    total(inside, name)
}

fn total<'a>(html: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = html.split_once(&format!(r#"data-total="{name}""#))?;
    let (_, number) = rest.split_once('>')?;
    number.split('<').next()
}

#[test]
fn each_button_has_its_own_total_and_one_line_has_all() {
    let page = html(|| {
        shop(ShopView {
            totals: Some(KNOWN),
            ..ShopView::default()
        })
    });
    let added = total_in(&page, ">Add to cart", "</button>", "addToCartClicks");
    assert_eq!(added, Some("56"), "{page}");
    let legend = r#"<legend class="choice__legend">Style"#;
    let looks = total_in(&page, legend, "</legend>", "itemClicks");
    assert_eq!(looks, Some("1,234"), "{page}");
    for (name, number) in [
        ("itemClicks", "1,234"),
        ("addToCartClicks", "56"),
        ("buyClicks", "7"),
    ] {
        let in_words = total_in(&page, r#"<p class="totals">"#, "</p>", name);
        assert_eq!(in_words, Some(number), "{page}");
    }
    assert!(page.contains(r#"data-component="LiveTotals"#), "{page}");
    let page = html(|| {
        cart(CartView {
            items: vec![Choice::default()],
            totals: Some(KNOWN),
            ..CartView::default()
        })
    });
    let bought = total_in(&page, ">Buy", "</button>", "buyClicks");
    assert_eq!(bought, Some("7"), "{page}");
}

#[tokio::test]
async fn totals_that_nobody_knows_are_not_made_up() {
    for path in ["/", "/cart"] {
        let page = get(path, "username=Ann; cart=000000010-21FF00AA").await;
        assert_eq!(page.status, StatusCode::OK);
        assert!(!page.body.contains("data-total"), "{}", page.body);
        assert!(!page.body.contains("LiveTotals"), "{}", page.body);
    }
}
