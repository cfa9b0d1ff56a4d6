//! One simulated visitor with a browser of its own: cookies, forms and links, as without JavaScript.

use crate::page::hidden_field;
use crate::visit::choice;
use crate::{figures::Times, people};
use anyhow::{Context as _, ensure};
use domain::Choice;
use rand::Rng as _;
use rand::rngs::StdRng;
use reqwest::{Client, RequestBuilder, Url, header, redirect};
use std::time::{Duration, Instant};

/// No page of the shop takes longer, even when Kafka is away.
const TIMEOUT: Duration = Duration::from_secs(10);

/// What one visit came to.
#[derive(Debug, Default)]
pub struct Visit {
    /// Pages that were shown.
    pub pages: usize,
    /// Things that the shop says are in the cart.
    pub added: usize,
    /// Purchases that the shop confirmed.
    pub bought: usize,
    /// From pressing "add to cart" to the whole receipt's page.
    pub add_times: Times,
}

/// A visitor and its browser.
pub struct Shopper {
    browser: Client,
    shop: Url,
    rng: StdRng,
    name: String,
    here: Url,
    visit: Visit,
}

impl Shopper {
    /// Visitor `number`, at the door of the shop.
    pub fn new(shop: Url, number: usize, rng: StdRng) -> anyhow::Result<Self> {
        let origin = shop.origin();
        // A visitor stays in this shop, wherever it is sent.
        let stay = redirect::Policy::custom(move |attempt| {
            if attempt.url().origin() != origin {
                attempt.error("the shop sent its visitor to another site")
            } else if attempt.previous().len() > 5 {
                attempt.error("the shop sends its visitor in circles")
            } else {
                attempt.follow()
            }
        });
        let browser = Client::builder()
            .cookie_store(true)
            .no_proxy()
            .redirect(stay)
            .timeout(TIMEOUT)
            .user_agent(people::user_agent(number))
            .build()?;
        Ok(Self {
            browser,
            here: shop.clone(),
            shop,
            rng,
            name: people::name(number),
            visit: Visit::default(),
        })
    }

    /// Walks through the shop. The visit so far comes back also when something fails.
    pub async fn walk(mut self) -> (Visit, anyhow::Result<()>) {
        let walked = self.steps().await;
        (self.visit, walked)
    }

    async fn steps(&mut self) -> anyhow::Result<()> {
        self.look("/", &[]).await?;
        self.think().await;
        let name = self.name.clone();
        self.post("/hello", &[("username", name)]).await?;
        for _ in 0..self.rng.random_range(1..=3) {
            self.choose_and_add().await?;
        }
        if self.visit.added > 0 && self.rng.random_bool(0.5) {
            self.buy().await?;
        }
        Ok(())
    }

    /// Chooses a category, looks at a style, chooses the rest, mostly adds it.
    async fn choose_and_add(&mut self) -> anyhow::Result<()> {
        let choice = choice(&mut self.rng);
        let category = Choice {
            category: choice.category,
            ..Choice::default()
        };
        self.think().await;
        self.look("/", &category.pairs()).await?;
        if choice.style.is_some() {
            let look = Choice {
                style: choice.style,
                ..category
            };
            self.think().await;
            let click = self.to("/click")?;
            let click = self.browser.post(click).form(&look.pairs());
            let answer = self.send(click).await?;
            ensure!(
                answer.status().is_success(),
                "POST /click: {}",
                answer.status()
            );
        }
        self.think().await;
        let page = self.look("/", &choice.pairs()).await?;
        if self.rng.random_bool(0.3) {
            return Ok(());
        }
        self.think().await;
        let token =
            hidden_field(&page, "/cart", "token").context("the shop's form has no token")?;
        let mut form = choice.pairs();
        form.push(("token", token));
        let pressed = Instant::now();
        self.post("/cart", &form).await?;
        ensure!(
            self.here.path().starts_with("/receipt/"),
            "POST /cart led to {}",
            self.here.path()
        );
        self.visit.add_times.add(pressed.elapsed());
        self.visit.added += 1;
        Ok(())
    }

    async fn buy(&mut self) -> anyhow::Result<()> {
        self.think().await;
        let page = self.look("/cart", &[]).await?;
        self.think().await;
        let field = |name| {
            hidden_field(&page, "/checkout", name)
                .with_context(|| format!("the cart's form has no {name}"))
        };
        let form = [("token", field("token")?), ("items", field("items")?)];
        self.post("/checkout", &form).await?;
        ensure!(
            self.here.path() == "/thanks",
            "POST /checkout led to {}",
            self.here.path()
        );
        self.visit.bought += 1;
        Ok(())
    }

    async fn look(&mut self, path: &str, query: &[(&str, String)]) -> anyhow::Result<String> {
        let request = self.browser.get(self.to(path)?).query(query);
        self.page(request)
            .await
            .with_context(|| format!("GET {path}"))
    }

    async fn post(&mut self, path: &str, form: &[(&str, String)]) -> anyhow::Result<String> {
        let request = self.browser.post(self.to(path)?).form(form);
        self.page(request)
            .await
            .with_context(|| format!("POST {path}"))
    }

    /// A page, which the visitor is then on.
    async fn page(&mut self, request: RequestBuilder) -> anyhow::Result<String> {
        let request = request.header(header::ACCEPT, "text/html");
        let answer = self.send(request).await?;
        ensure!(answer.status().is_success(), "{}", answer.status());
        self.here = answer.url().clone();
        let html = answer.text().await.map_err(reqwest::Error::without_url)?;
        self.visit.pages += 1;
        Ok(html)
    }

    async fn send(&self, request: RequestBuilder) -> anyhow::Result<reqwest::Response> {
        let answer = request
            .header(header::REFERER, self.here.as_str())
            .header(header::ORIGIN, self.shop.origin().ascii_serialization())
            .send();
        // Without its address an error reads the same for every visitor.
        Ok(answer.await.map_err(reqwest::Error::without_url)?)
    }

    fn to(&self, path: &str) -> anyhow::Result<Url> {
        Ok(self.shop.join(path)?)
    }

    /// The time a visitor takes to decide.
    async fn think(&mut self) {
        let pause = self.rng.random_range(100..1_500);
        tokio::time::sleep(Duration::from_millis(pause)).await;
    }
}
